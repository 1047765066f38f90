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

/// How long something was waited for, without the time in which this process did not run: of that it has heard nothing.
#[derive(Debug)]
pub(super) struct Waited {
    began: Instant,
    looked: Instant,
}

/// Looks come every few milliseconds. When none has come for so long, the process was stopped, or its machine asleep.
const STOPPED: Duration = Duration::from_secs(1);

impl Waited {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            looked: now,
        }
    }

    /// A look begins.
    pub(super) fn looks(&mut self) {
        let gap = self.looked.elapsed();
        if gap > STOPPED {
            self.began += gap;
        }
        self.looked = Instant::now();
    }

    /// A look has ended, which may have taken its time.
    pub(super) fn has_looked(&mut self) {
        self.looked = Instant::now();
    }

    pub(super) fn time(&self) -> Duration {
        self.began.elapsed()
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
