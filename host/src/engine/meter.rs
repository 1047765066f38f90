//! The progress of a step, passed on a few times a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::{Event, Observer, Unit};

/// How often progress is passed on.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Passes progress on, a few times a second.
pub(super) struct Meter {
    label: String,
    observer: Arc<dyn Observer>,
    /// What `count` returned.
    expected: Option<u64>,
    told: Option<(Instant, u64)>,
    pub(super) done: Option<u64>,
}

impl Meter {
    pub(super) fn new(observer: &Arc<dyn Observer>, label: &str, expected: Option<u64>) -> Self {
        Self {
            label: label.to_owned(),
            observer: Arc::clone(observer),
            expected,
            told: None,
            done: None,
        }
    }

    pub(super) fn progress(&mut self, done: u64, total: Option<u64>, unit: Unit) {
        self.done = Some(done);
        let total = total.or(self.expected);
        let now = Instant::now();
        let is_due = self.told.is_none_or(|(at, told)| {
            let is_end = total == Some(done) && told != done;
            is_end || now.duration_since(at) >= PROGRESS_INTERVAL
        });
        if is_due {
            self.told = Some((now, done));
            self.observer.notify(&Event::Progress {
                step: self.label.clone(),
                done,
                total,
                unit,
            });
        }
    }
}
