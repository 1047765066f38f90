//! What is said while a database lets the host wait.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long nothing is said: what takes no longer is nothing to wonder about.
const QUIET: Duration = Duration::from_secs(5);

/// How often it is said again.
const INTERVAL: Duration = Duration::from_secs(60);

/// Hears of waits.
pub type WaitListener = Arc<dyn Fn(&Wait) + Send + Sync>;

/// Hears of the waits that nobody else hears of.
static LISTENER: OnceLock<WaitListener> = OnceLock::new();

/// A wait that takes longer than one expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For which database.
    pub whom: String,
    /// What does not come.
    pub why: String,
    /// For how long so far.
    pub waited: Duration,
    /// After how long it is given up.
    pub at_most: Duration,
}

impl Wait {
    /// Lets somebody hear of the waits of this process that belong to no run. The first one who asks for it.
    pub fn on_any(listener: WaitListener) {
        let _ = LISTENER.set(listener);
    }

    /// Whether to say something of a wait, of which something was said then.
    pub(super) fn is_worth_telling(waited: Duration, told: Option<Instant>) -> bool {
        waited >= QUIET && told.is_none_or(|told| told.elapsed() >= INTERVAL)
    }

    pub(super) fn tell_any(&self) {
        if let Some(listener) = LISTENER.get() {
            listener(self);
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, waited, .. } = self;
        let (waited, at_most) = (waited.as_secs(), self.at_most.as_secs());
        write!(
            formatter,
            "{why} for {waited} s; it is given up after {at_most} s"
        )
    }
}
