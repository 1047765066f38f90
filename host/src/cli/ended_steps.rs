//! What became of the steps of a run: the last line of a command says what is kept and what was rolled back.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::{Event, Failure, Observer};
use crate::journal::{Outcome, Phase};
use crate::output::counted;

/// How the steps of a run ended.
#[derive(Default)]
pub(super) struct EndedSteps(Mutex<Ended>);

#[derive(Default)]
struct Ended {
    is_any_done: bool,
    /// Those that did not fail themselves, but were rolled back with the transaction that they share.
    rolled_back: BTreeSet<String>,
    /// Those that are running, or ended before they were done.
    unfinished: BTreeSet<String>,
    /// Those that have committed a part of what they do.
    checkpointed: BTreeSet<String>,
}

impl EndedSteps {
    /// Whether any step was done.
    pub(super) fn is_any(&self) -> bool {
        self.lock().is_any_done
    }

    /// What is left of what a run was doing when it ended early; `which` says which step it was doing.
    pub(super) fn left(&self, which: &str, failure: Option<&Failure>) -> String {
        let ended = self.lock();
        let others = ended.rolled_back.len();
        let is_checkpointed = |failure: &Failure| {
            let step = failure.step.as_ref();
            step.is_some_and(|step| ended.checkpointed.contains(step))
        };
        match failure {
            // Databases that are committed one after the other.
            Some(failure) if failure.is_kept && failure.step.is_none() => {
                "what was committed stays, and the rest was rolled back".to_owned()
            }
            Some(failure) if failure.is_kept => {
                format!("the {which} step keeps what it has done and is run again")
            }
            // It was between two steps, or waited for an answer or for others.
            Some(failure)
                if failure.code == "cancelled"
                    && failure.step.is_none()
                    && others == 0
                    && ended.unfinished.is_empty() =>
            {
                match ended.is_any_done {
                    true => "no step was running, and what was done before stays".to_owned(),
                    false => "no step was running".to_owned(),
                }
            }
            // It was found out before any step of the finalize began.
            Some(failure)
                if failure.phase == Some(Phase::Finalize)
                    && failure.step.is_some()
                    && !failure.is_lost_connection()
                    && others == 0
                    && ended.unfinished.is_empty() =>
            {
                "what was migrated stays, and nothing was finalized".to_owned()
            }
            Some(failure) if failure.is_closed_gate() => {
                "what was migrated stays, and nothing was finalized".to_owned()
            }
            // It had not begun.
            Some(failure) if failure.phase == Some(Phase::Prepare) && ended.is_any_done => {
                "what was done before stays".to_owned()
            }
            // It may have been lost in a COMMIT.
            Some(failure) if failure.is_lost_connection() => {
                let what = match failure.step {
                    Some(_) => format!("the {which} step"),
                    None => "the open transaction".to_owned(),
                };
                format!("{what} is applied as a whole or not at all (`wasmigrate status` tells)")
            }
            Some(failure) if is_checkpointed(failure) => {
                format!("the {which} step was rolled back to its last checkpoint")
            }
            _ if others == 0 => format!("the {which} step was rolled back"),
            // The transaction failed, and none of its steps.
            Some(failure) if failure.step.is_none() => match others {
                1 => "the step that had run was rolled back".to_owned(),
                _ => format!("all {others} steps of its transaction were rolled back"),
            },
            _ => {
                let be = if others == 1 { "was" } else { "were" };
                let others = counted(others, "other step", "other steps");
                format!("the {which} step was rolled back, and so {be} {others} of its transaction")
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for EndedSteps {
    fn notify(&self, event: &Event) {
        match event {
            Event::Checkpoint { step } => {
                self.lock().checkpointed.insert(step.clone());
            }
            Event::StepStarted { step, resumed, .. } => {
                let mut ended = self.lock();
                if *resumed {
                    ended.checkpointed.insert(step.clone());
                }
                ended.unfinished.insert(step.clone());
            }
            Event::StepEnded {
                step,
                outcome,
                rolled_back,
                ..
            } => {
                let mut ended = self.lock();
                if *rolled_back {
                    ended.rolled_back.insert(step.clone());
                } else {
                    ended.rolled_back.remove(step);
                }
                if *outcome == Outcome::Done {
                    ended.unfinished.remove(step);
                }
                ended.is_any_done |= *outcome == Outcome::Done;
            }
            _ => {}
        }
    }
}
