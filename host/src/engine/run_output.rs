//! The lines that a run has written and no commit has kept yet: the only place where they are.
//!
//! They go into the journal with the next commit, whichever it is: a transaction that is rolled back takes nothing along
//! that somebody may have read already.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::event::{Event, Observer};
use crate::database::{Result, Session};
use crate::journal::{self, OutputLine, PendingOutput};

/// How many committed lines are kept for a server that forgets its last commits when it dies.
const COMMITTED_LINES: usize = 1_000;

/// The output of one run, or of one of those that work for it at the same time with transactions of their own.
#[derive(Debug)]
pub(super) struct RunOutput {
    /// Tells it from all others who write for the run.
    writer: i64,
    /// Whether there are any: then nobody knows a line's place before its commit.
    is_shared: Arc<AtomicBool>,
    lines: Mutex<Lines>,
    /// How many committed lines are kept.
    most_committed: usize,
    /// Workers that have ended with lines which no commit has kept: these go with the next commit of this one.
    left: Mutex<Vec<Arc<Self>>>,
}

/// Lines in the order in which they were written, each with the writer's own count.
#[derive(Debug, Default)]
struct Lines {
    /// Those that were committed last, and after them all that were not.
    lines: VecDeque<OutputLine>,
    /// How many of them are committed.
    committed: usize,
    /// How many more the open transaction holds.
    written: usize,
    /// The count of the last line.
    last: i64,
    /// Whether a commit may have come through although it was not seen to, or be lost although it was.
    is_in_doubt: bool,
    /// Those that nobody was told of yet, by their counts.
    untold: BTreeMap<i64, Untold>,
    /// Those of work that is repeated, unless the commit in doubt came through.
    doubtful: Vec<(OutputLine, Untold)>,
}

/// Whom to tell of a line once a commit has kept it.
pub(super) struct Untold {
    pub(super) step: String,
    pub(super) observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Untold {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.step)
    }
}

/// Tells of lines, with no lock held: an observer may ask for what was said.
fn tell(lines: Vec<(OutputLine, Untold)>) {
    for (line, Untold { step, observer }) in lines {
        observer.notify(&Event::Output { step, line });
    }
}

impl Default for RunOutput {
    fn default() -> Self {
        Self {
            writer: rand::random(),
            is_shared: Arc::default(),
            lines: Mutex::default(),
            most_committed: COMMITTED_LINES,
            left: Mutex::default(),
        }
    }
}

impl RunOutput {
    /// The output of another worker of the same run, with transactions of its own.
    pub(super) fn of_worker(&self) -> Self {
        self.is_shared.store(true, Ordering::SeqCst);
        Self {
            is_shared: Arc::clone(&self.is_shared),
            ..Self::default()
        }
    }

    /// The output of a worker whose work is repeated, and says the same again, when a server has forgotten its commit.
    pub(super) fn of_repeated_work(&self) -> Self {
        Self {
            most_committed: 0,
            ..self.of_worker()
        }
    }

    /// Takes over from a worker that has ended what no commit has kept of its lines.
    pub(super) fn take_over(&self, worker: &Arc<Self>) {
        worker.rolled_back();
        if worker.is_waiting() || worker.lock().is_in_doubt {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            left.push(Arc::clone(worker));
        }
    }

    fn left(&self) -> Vec<Arc<Self>> {
        let left = self.left.lock();
        left.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there are lines that no commit has kept.
    pub(super) fn is_waiting(&self) -> bool {
        let lines = self.lock();
        lines.lines.len() > lines.committed || self.left().iter().any(|left| left.is_waiting())
    }

    /// Is the only one who writes for the run again, after all lines up to this place; unless some wait whose places only
    /// their commit tells.
    pub(super) fn is_alone_after(&self, place: i64) {
        if self.is_waiting() {
            return;
        }
        let mut lines = self.lock();
        lines.last = lines.last.max(place);
        self.is_shared.store(false, Ordering::SeqCst);
    }

    /// The count of the last line.
    pub(super) fn last(&self) -> i64 {
        self.lock().last
    }

    /// Forgets the lines after the one with this count, up to another one: they were said twice. What a transaction holds
    /// stays.
    pub(super) fn forget_between(&self, after: i64, last: i64) {
        let mut lines = self.lock();
        let held = lines.committed + lines.written;
        let of_count = |count| lines.lines.partition_point(|line| line.sequence <= count);
        let (from, to) = (of_count(after).max(held), of_count(last).max(held));
        let forgotten: Vec<OutputLine> = lines.lines.drain(from..to.max(from)).collect();
        for line in forgotten {
            if let Some(untold) = lines.untold.remove(&line.sequence)
                && lines.is_in_doubt
            {
                lines.doubtful.push((line, untold));
            }
        }
    }

    /// Takes a line that somebody is told of once it is committed: the work that says it may be repeated before that, and say it
    /// again.
    pub(super) fn add_untold(&self, mut line: OutputLine, untold: Untold) {
        let mut lines = self.lock();
        lines.last += 1;
        line.sequence = lines.last;
        let count = lines.last;
        lines.lines.push_back(line);
        lines.untold.insert(count, untold);
    }

    /// Tells of what no commit has kept, at the end of all: nobody knows whether any will.
    pub(super) fn tell_the_rest(&self) {
        self.left().iter().for_each(|left| left.tell_the_rest());
        let is_shared = self.is_shared.load(Ordering::SeqCst);
        let mut lines = self.lock();
        let mut rest = std::mem::take(&mut lines.doubtful);
        let all = lines.lines.len();
        rest.extend(lines.told(all, is_shared));
        drop(lines);
        tell(rest);
    }

    /// Takes a line, and keeps it until it is committed when `is_kept` says so. Returns its place in the run's output; 0
    /// where only the commit tells.
    pub(super) fn add(&self, mut line: OutputLine, is_kept: bool) -> i64 {
        let mut lines = self.lock();
        lines.last += 1;
        let place = lines.last;
        if is_kept {
            line.sequence = place;
            lines.lines.push_back(line);
        }
        match self.is_shared.load(Ordering::SeqCst) {
            true => 0,
            false => place,
        }
    }

    /// At most `most` lines after the one numbered `after` that no commit has kept yet, as far as their places are known.
    pub(super) fn lines(&self, after: i64, most: u32) -> Vec<OutputLine> {
        if self.is_shared.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let lines = self.lock();
        let new = lines.lines.iter().skip(lines.committed);
        let new = new.skip_while(|line| line.sequence <= after);
        new.take(most as usize).cloned().collect()
    }

    /// Who writes its lines.
    pub(super) fn writer(&self) -> i64 {
        self.writer
    }

    /// The lines of a tenant after the one with this count, of those that no commit has kept yet.
    pub(super) fn lines_of(&self, tenant: &str, after: i64) -> Vec<OutputLine> {
        let lines = self.lock();
        let first = lines.lines.partition_point(|line| line.sequence <= after);
        let new = lines.lines.iter().skip(first.max(lines.committed));
        let of_tenant = new.filter(|line| line.tenant.as_deref() == Some(tenant));
        of_tenant.cloned().collect()
    }

    /// Writes into the open transaction what it does not hold yet.
    async fn write_for(&self, session: &mut dyn Session, run: i64) -> Result<()> {
        let is_in_doubt = std::mem::take(&mut self.lock().is_in_doubt);
        if is_in_doubt {
            match journal::last_written(session, run, self.writer).await {
                Ok(last) => {
                    let is_shared = self.is_shared.load(Ordering::SeqCst);
                    let told =
                        self.lock()
                            .are_committed_up_to(last, self.most_committed, is_shared);
                    tell(told);
                }
                Err(error) => {
                    self.lock().is_in_doubt = true;
                    return Err(error);
                }
            }
        }
        let new: Vec<OutputLine> = {
            let lines = self.lock();
            let held = lines.committed + lines.written;
            lines.lines.iter().skip(held).cloned().collect()
        };
        journal::write_output(session, run, self.writer, &new).await?;
        self.lock().written += new.len();
        Ok(())
    }

    /// Takes note that the open transaction was committed.
    pub(super) fn committed(&self) {
        let is_shared = self.is_shared.load(Ordering::SeqCst);
        let mut lines = self.lock();
        lines.committed += std::mem::take(&mut lines.written);
        let committed = lines.committed;
        let told = lines.told(committed, is_shared);
        lines.forget_old(self.most_committed);
        drop(lines);
        tell(told);
    }

    /// Takes note that the open transaction was rolled back, or that nobody knows what became of its commit.
    pub(super) fn rolled_back(&self) {
        let mut lines = self.lock();
        lines.is_in_doubt |= std::mem::take(&mut lines.written) > 0;
    }

    /// Takes note that the connection was lost: what the server has kept is looked up when lines are written next.
    pub(super) fn connection_lost(&self) {
        self.rolled_back();
        self.lock().is_in_doubt = true;
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PendingOutput for RunOutput {
    async fn write(&self, session: &mut dyn Session, run: i64) -> Result<()> {
        for left in self.left() {
            left.write_for(session, run).await?;
        }
        self.write_for(session, run).await
    }

    fn committed(&self) {
        self.left().iter().for_each(|left| Self::committed(left));
        Self::committed(self);
    }

    fn rolled_back(&self) {
        self.left().iter().for_each(|left| Self::rolled_back(left));
        Self::rolled_back(self);
    }

    fn connection_lost(&self) {
        self.left()
            .iter()
            .for_each(|left| Self::connection_lost(left));
        Self::connection_lost(self);
    }
}

impl Lines {
    /// The journal holds the lines up to this count, and none after it. Returns those to tell of now.
    fn are_committed_up_to(
        &mut self,
        last: i64,
        most_committed: usize,
        is_shared: bool,
    ) -> Vec<(OutputLine, Untold)> {
        self.committed = self.lines.partition_point(|line| line.sequence <= last);
        self.written = 0;
        let mut told = std::mem::take(&mut self.doubtful);
        // What is not there is said again, or was.
        told.retain(|(line, _)| line.sequence <= last);
        told.extend(self.told(self.committed, is_shared));
        self.forget_old(most_committed);
        told
    }

    /// The first lines that nobody was told of, who are told of now; with their places, where these are known.
    fn told(&mut self, first: usize, is_shared: bool) -> Vec<(OutputLine, Untold)> {
        let mut told = Vec::new();
        if self.untold.is_empty() {
            return told;
        }
        for line in self.lines.iter().take(first) {
            if let Some(untold) = self.untold.remove(&line.sequence) {
                let mut line = line.clone();
                if is_shared {
                    line.sequence = 0;
                }
                told.push((line, untold));
            }
        }
        told
    }

    fn forget_old(&mut self, most_committed: usize) {
        let old = self.committed.saturating_sub(most_committed);
        self.lines.drain(..old);
        self.committed -= old;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Phase;
    use crate::output::Level;

    fn says(output: &RunOutput, text: &str) -> i64 {
        let line = OutputLine {
            sequence: 0,
            index: None,
            phase: Phase::Migrate,
            written_at: 0,
            level: Level::Info,
            line: text.to_owned(),
            tenant: None,
            file: None,
        };
        output.add(line, true)
    }

    fn shown(output: &RunOutput, after: i64) -> Vec<i64> {
        let lines = output.lines(after, 100);
        lines.iter().map(|line| line.sequence).collect()
    }

    /// As [`RunOutput::write_for`] does after it has written.
    fn write(output: &RunOutput) {
        let mut lines = output.lock();
        lines.written = lines.lines.len() - lines.committed;
    }

    #[test]
    fn lines_are_shown_until_they_are_committed() {
        let output = RunOutput::default();
        assert_eq!([says(&output, "a"), says(&output, "b")], [1, 2]);
        write(&output);
        assert_eq!(says(&output, "c"), 3);
        assert_eq!(shown(&output, 1), [2, 3]);
        output.committed();
        assert_eq!(shown(&output, 0), [3]);
    }

    #[test]
    fn a_commit_whose_answer_was_lost_is_looked_up() {
        let output = RunOutput::default();
        (0..4).for_each(|_| _ = says(&output, "line"));
        write(&output);
        output.rolled_back();
        assert!(output.lock().is_in_doubt);
        // It came through.
        output.lock().are_committed_up_to(4, COMMITTED_LINES, false);
        assert_eq!(shown(&output, 0), [0; 0]);
        // A server that has forgotten it gets the lines again, in their places.
        output.lock().are_committed_up_to(1, COMMITTED_LINES, false);
        assert_eq!(shown(&output, 0), [2, 3, 4]);
    }

    #[test]
    fn committed_lines_are_forgotten_in_time() {
        let output = RunOutput::default();
        for _ in 0..5_000 {
            says(&output, "line");
            write(&output);
            output.committed();
        }
        assert_eq!(output.lock().lines.len(), COMMITTED_LINES);
    }

    #[test]
    fn of_several_writers_nobody_knows_the_places() {
        let output = RunOutput::default();
        let worker = output.of_worker();
        assert_eq!([says(&output, "a"), says(&worker, "b")], [0, 0]);
        assert_eq!(shown(&output, 0), [0; 0]);
        assert_ne!(output.writer, worker.writer);
    }

    #[test]
    fn what_is_said_again_is_forgotten_unless_a_transaction_holds_it() {
        let output = RunOutput::default();
        says(&output, "held");
        write(&output);
        let first = output.last();
        (0..3).for_each(|_| _ = says(&output, "line"));
        output.forget_between(first, first + 2);
        output.forget_between(0, first);
        output.committed();
        assert_eq!(shown(&output, 0), [4]);
        assert_eq!(says(&output, "next"), 5);
    }

    #[test]
    fn a_worker_leaves_what_it_could_not_commit() {
        let output = RunOutput::default();
        let worker = Arc::new(output.of_repeated_work());
        says(&worker, "committed");
        write(&worker);
        worker.committed();
        output.take_over(&worker);
        assert!(!output.is_waiting());
        says(&worker, "left");
        output.take_over(&worker);
        output.is_alone_after(7);
        assert_eq!(says(&output, "shared"), 0);
        write(&worker);
        write(&output);
        PendingOutput::committed(&output);
        output.is_alone_after(7);
        assert_eq!(says(&output, "alone"), 8);
    }
}
