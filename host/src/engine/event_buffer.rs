//! What the runs of a process tell, numbered, for those who listen and those who come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::broadcast;

use super::event::Event;

/// How many events are kept for those who come back after a short while.
const KEPT_EVENTS: usize = 2_000;

/// An event with its number, which grows by one with each.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Its number, from 1.
    pub number: u64,
    /// When it happened, in milliseconds since 1970.
    pub at: i64,
    /// What happened.
    pub event: Arc<Event>,
    json: Arc<OnceLock<String>>,
}

impl Numbered {
    /// The event with its time in JSON, written once for all who listen.
    pub fn json(&self) -> &str {
        #[derive(serde::Serialize)]
        struct Timed<'e> {
            at: i64,
            #[serde(flatten)]
            event: &'e Event,
        }
        self.json.get_or_init(|| {
            let timed = Timed {
                at: self.at,
                event: &self.event,
            };
            serde_json::to_string(&timed).unwrap_or_default()
        })
    }
}

/// The newest events, and those who hear the next ones.
pub(super) struct EventBuffer {
    kept: Mutex<VecDeque<Numbered>>,
    sender: broadcast::Sender<Numbered>,
}

impl Default for EventBuffer {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            sender: broadcast::channel(KEPT_EVENTS).0,
        }
    }
}

impl EventBuffer {
    /// All events from now on, and those that were kept after the one numbered `after`; none of these when some were
    /// forgotten since.
    pub(super) fn subscribe(
        &self,
        after: u64,
    ) -> (Option<Vec<Numbered>>, broadcast::Receiver<Numbered>) {
        // Nothing is published meanwhile.
        let kept = self.kept();
        let receiver = self.sender.subscribe();
        let newest = kept.back().map_or(0, |event| event.number);
        let oldest = kept.front().map_or(1, |event| event.number);
        let is_known = after <= newest && after + 1 >= oldest;
        let missed = is_known.then(|| {
            kept.iter()
                .filter(|event| event.number > after)
                .cloned()
                .collect()
        });
        (missed, receiver)
    }

    /// The number of the newest event.
    pub(super) fn newest(&self) -> u64 {
        self.kept().back().map_or(0, |event| event.number)
    }

    /// Tells an event that happened `at` so many milliseconds since 1970.
    pub(super) fn publish(&self, event: Event, at: i64) {
        let mut kept = self.kept();
        let numbered = Numbered {
            number: kept.back().map_or(0, |event| event.number) + 1,
            at,
            event: Arc::new(event),
            json: Arc::default(),
        };
        if kept.len() == KEPT_EVENTS {
            kept.pop_front();
        }
        kept.push_back(numbered.clone());
        // Nobody may be listening.
        let _ = self.sender.send(numbered);
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Numbered>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
