//! The lines that a run has written and no commit has kept yet.
//!
//! They go into the journal with the next commit, whichever it is: a transaction that is rolled back takes nothing along
//! that somebody may have read already.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::database::{Result, Session};
use crate::journal::{self, Lease, OutputLine};

/// The output of one run, or of one of those that work for it at the same time.
#[derive(Default)]
pub(super) struct RunOutput {
    /// The number of the run's last line.
    last: Arc<AtomicI64>,
    uncommitted: Mutex<Uncommitted>,
}

#[derive(Default)]
struct Uncommitted {
    lines: Vec<OutputLine>,
    /// How many of them the open transaction holds.
    written: usize,
}

impl RunOutput {
    /// The output of another worker of the same run, with transactions of its own.
    pub(super) fn of_worker(&self) -> Self {
        Self {
            last: Arc::clone(&self.last),
            uncommitted: Mutex::default(),
        }
    }

    /// The number of the next line.
    pub(super) fn next(&self) -> i64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Keeps a line until it is committed.
    pub(super) fn keep(&self, line: OutputLine) {
        self.lock().lines.push(line);
    }

    /// Writes into the open transaction what it does not hold yet.
    pub(super) async fn write(&self, session: &mut dyn Session, lease: &Lease) -> Result<()> {
        let lines = {
            let uncommitted = self.lock();
            let rest = uncommitted.lines.get(uncommitted.written..);
            rest.unwrap_or_default().to_vec()
        };
        journal::write_output(session, lease.run, &lines).await?;
        self.lock().written += lines.len();
        Ok(())
    }

    /// Takes note that the open transaction was committed.
    pub(super) fn committed(&self) {
        let mut uncommitted = self.lock();
        let written = std::mem::take(&mut uncommitted.written);
        uncommitted.lines.drain(..written);
    }

    /// Takes note that the open transaction was rolled back.
    pub(super) fn rolled_back(&self) {
        self.lock().written = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Uncommitted> {
        self.uncommitted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
