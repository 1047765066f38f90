//! Steps that have run in a transaction that is still open.
//!
//! What a transaction of several steps does is done when it is committed, and not before: until then each of them is only told
//! to have run, and it ends when the transaction does.

use std::time::Instant;

use super::event::{Event, Observer};
use crate::journal::{Outcome, Phase};

/// The steps that the open transaction holds.
#[derive(Debug, Default)]
pub(super) struct Uncommitted {
    ran: Vec<Ran>,
    /// Whether its commit may have been sent.
    is_committing: bool,
}

/// A step whose work is done.
#[derive(Debug)]
struct Ran {
    step: String,
    phase: Phase,
    milliseconds: i64,
}

impl Uncommitted {
    /// The work of a step is done that began then.
    pub(super) fn ran(
        &mut self,
        observer: &dyn Observer,
        step: String,
        phase: Phase,
        began: Instant,
    ) {
        let milliseconds = elapsed(began);
        observer.notify(&Event::StepRan {
            step: step.clone(),
            phase,
            milliseconds,
        });
        self.ran.push(Ran {
            step,
            phase,
            milliseconds,
        });
    }

    /// The transaction is about to be committed.
    pub(super) fn begin_commit(&mut self) {
        self.is_committing = true;
    }

    /// The transaction is committed.
    pub(super) fn committed(&mut self, observer: &dyn Observer) {
        self.end(observer, Outcome::Done, false);
    }

    /// The transaction is rolled back, because of a failure that is none of these steps' own.
    pub(super) fn rolled_back(&mut self, observer: &dyn Observer, outcome: Outcome) {
        self.end(observer, outcome, true);
    }

    /// The connection is lost: from the commit on nobody knows yet what became of the transaction.
    pub(super) fn lost(&mut self, observer: &dyn Observer, outcome: Outcome) {
        self.end(observer, outcome, !self.is_committing);
    }

    fn end(&mut self, observer: &dyn Observer, outcome: Outcome, rolled_back: bool) {
        for ran in self.ran.drain(..) {
            observer.notify(&Event::StepEnded {
                step: ran.step,
                phase: ran.phase,
                outcome,
                milliseconds: ran.milliseconds,
                rolled_back,
            });
        }
    }
}

/// The milliseconds since then.
pub(super) fn elapsed(began: Instant) -> i64 {
    i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)
}
