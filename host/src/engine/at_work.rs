//! The run that an engine is at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Engine;
use super::run_output::RunOutput;

/// The run that an engine is at, and the lines of it that no commit has kept.
#[derive(Default)]
pub(super) struct Work(Mutex<Option<(i64, Arc<RunOutput>)>>);

/// An engine is at its run as long as this lives, also when the run's thread breaks down.
pub(super) struct AtWork<'e>(&'e Work);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

impl Work {
    /// Whether there is a run.
    pub(super) fn goes_on(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<(i64, Arc<RunOutput>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Begins to work on a run.
    pub(super) fn work_on(&self, run: i64) -> AtWork<'_> {
        *self.work.lock() = Some((run, Arc::default()));
        AtWork(&self.work)
    }

    /// The output of the run that it is at; of any other, nothing.
    pub(super) fn output_of(&self, run: i64) -> Arc<RunOutput> {
        let work = self.work.lock();
        let of_run = work.as_ref().filter(|(number, _)| *number == run);
        of_run
            .map(|(_, output)| Arc::clone(output))
            .unwrap_or_default()
    }
}
