//! What other hosts do to the same target, for those who listen here.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Supervisor;
use crate::engine::Overview;

/// How often the journal is looked at while another host is at work and somebody listens.
const AT_WORK: Duration = Duration::from_millis(500);

/// The same while nobody is: another host may begin.
const IDLE: Duration = Duration::from_secs(2);

impl Supervisor {
    /// Hears that the target has changed, though this host did nothing to it.
    pub fn hear_others(&self) -> watch::Receiver<u64> {
        self.elsewhere.subscribe()
    }

    /// Looks what other hosts do as long as somebody listens; never ends. May be dropped.
    pub async fn watch_others(self: Arc<Self>) {
        let mut known = None;
        let mut pause = IDLE;
        loop {
            tokio::time::sleep(pause).await;
            pause = IDLE;
            // What this host does, it tells as it happens.
            if self.elsewhere.receiver_count() == 0 || self.live().is_some() {
                known = None;
                continue;
            }
            // Whoever listens asks for themselves what is wrong with the target.
            let Ok(overview) = self.glance().await else {
                continue;
            };
            if overview.lease.is_some() {
                pause = AT_WORK;
            }
            let now = print_of(&overview);
            if known.replace(now).is_some_and(|before| before != now) && self.live().is_none() {
                self.elsewhere.send_modify(|times| *times += 1);
            }
        }
    }
}

/// What tells whether anything that people see has changed.
fn print_of(overview: &Overview) -> u64 {
    let seen = serde_json::json!({
        "state": overview.state,
        "run": overview.last_run,
        "steps": overview.steps,
        "pause": overview.pause,
        "holder": overview.lease.as_ref().map(|lease| &lease.holder),
        "tenants": overview.tenants,
    });
    let mut hasher = DefaultHasher::new();
    seen.to_string().hash(&mut hasher);
    hasher.finish()
}
