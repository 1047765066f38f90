//! The lines that a run has written and no commit has kept yet.
//!
//! They go into the journal with the next commit, whichever it is: a transaction that is rolled back takes nothing along
//! that somebody may have read already.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::database::{Result, Session};
use crate::journal::{self, Lease, OutputLine};

/// The output of one run.
#[derive(Default)]
pub(super) struct RunOutput(Mutex<Uncommitted>);

#[derive(Default)]
struct Uncommitted {
    /// The number of the last line.
    last: i64,
    lines: Vec<OutputLine>,
    /// How many of them the open transaction holds.
    written: usize,
}

impl RunOutput {
    /// The number of the next line.
    pub(super) fn next(&self) -> i64 {
        let mut uncommitted = self.lock();
        uncommitted.last += 1;
        uncommitted.last
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
