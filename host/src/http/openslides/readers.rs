//! What was read already: one cursor for each dialect's way of reading, whoever reads.
//!
//! The cursors live in this process: after a restart, a run's output is read from its beginning once more. Output that was
//! read twice is a nuisance; output that nobody could read would be a loss.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::OutputLine;

/// All cursors.
#[derive(Default)]
pub(in crate::http) struct Readers {
    /// Dialect `current`: what answers to commands showed.
    pub(super) commands: Cursor,
    /// Dialect `current`: what `stats` showed.
    pub(super) stats: Cursor,
    /// Dialect `current`: what `progress` showed, and what the answers to commands did, which it does not repeat.
    pub(super) progress: Cursor,
    /// Dialect `progress`: the finished run whose output nobody fetched yet.
    pub(super) unfetched: Mutex<Option<i64>>,
}

/// A range of lines of one run that was read last.
#[derive(Default)]
pub(super) struct Cursor(Mutex<Range>);

#[derive(Clone, Copy, Default)]
struct Range {
    run: i64,
    /// Lines after this one,
    after: i64,
    /// up to this one.
    to: i64,
}

impl Cursor {
    /// Where to read from, so that both [`Cursor::unread`] and [`Cursor::consume`] find what they need.
    pub(super) fn start(&self, run: i64) -> i64 {
        self.range(run).after
    }

    /// Of all lines after [`Cursor::start`], those that were not read; the same again when there are no new ones.
    pub(super) fn unread(&self, run: i64, lines: &[OutputLine]) -> Vec<OutputLine> {
        let mut range = self.range(run);
        let last = lines.last().map_or(range.to, |line| line.sequence);
        if last > range.to {
            range.after = range.to;
            range.to = last;
        }
        let is_meant =
            |line: &&OutputLine| line.sequence > range.after && line.sequence <= range.to;
        lines.iter().filter(is_meant).cloned().collect()
    }

    /// Of all lines after [`Cursor::start`], those that were not read; each once.
    pub(super) fn consume(&self, run: i64, lines: &[OutputLine]) -> Vec<OutputLine> {
        let mut range = self.range(run);
        let is_new = |line: &&OutputLine| line.sequence > range.to;
        let new: Vec<OutputLine> = lines.iter().filter(is_new).cloned().collect();
        range.to = new.last().map_or(range.to, |line| line.sequence);
        range.after = range.to;
        new
    }

    /// Takes these lines for read.
    pub(super) fn skip(&self, run: i64, lines: &[OutputLine]) {
        self.consume(run, lines);
    }

    /// What was read of a run: nothing yet when the last reader read another.
    fn range(&self, run: i64) -> MutexGuard<'_, Range> {
        let mut range = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if range.run != run {
            *range = Range {
                run,
                ..Range::default()
            };
        }
        range
    }
}
