//! The run that goes on in this process, and what it has told that no commit has kept yet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Rows;
use super::event::{Event, Pace};
use super::running::{Follower, Running};
use crate::database::Stop;
use crate::journal::{Outcome, OutputLine, Phase};

/// A run that goes on in this process.
#[derive(Debug)]
pub struct Live {
    /// Its number.
    pub run: i64,
    stop: Stop,
    ended: watch::Receiver<bool>,
    told: Mutex<Told>,
}

/// What a run told and the journal does not know yet.
#[derive(Debug, Default)]
struct Told {
    lines: Vec<OutputLine>,
    follower: Follower,
    pace: Option<Pace>,
    current: Option<CurrentStep>,
}

/// The step that a run is at.
#[derive(Clone, Debug)]
pub struct CurrentStep {
    /// The step, as `NNNN_name`.
    pub step: String,
    /// How often it was tried, the try that goes on included.
    pub attempt: u32,
    /// Why the try before failed, when there was one.
    pub error: Option<String>,
}

impl Live {
    /// The run of this number, which `stop` ends and which says so in `ended`.
    pub(super) fn new(run: i64, stop: Stop, ended: watch::Receiver<bool>) -> Self {
        Self {
            run,
            stop,
            ended,
            told: Mutex::default(),
        }
    }

    /// Cancels the run: the running step is rolled back.
    pub fn cancel(&self) {
        self.stop.cancel();
    }

    /// For how long the run has had to end, by its deadline or because it was cancelled.
    pub fn overdue(&self) -> Option<Duration> {
        self.stop.overdue()
    }

    /// Waits until the run has ended and the next may begin. May be dropped at any time.
    pub async fn ended(&self) {
        // An error says that the run's thread is gone, which is an end, too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// The rows that the run goes through, when its steps announced any.
    pub fn rows(&self) -> Option<Rows> {
        self.told().follower.rows()
    }

    /// What it is doing.
    pub fn running(&self) -> Running {
        self.told().follower.running()
    }

    /// At most `most` lines behind the line numbered `after` that no commit has kept yet.
    pub(super) fn lines(&self, after: i64, most: u32) -> Vec<OutputLine> {
        let told = self.told();
        let first = told.lines.partition_point(|line| line.sequence <= after);
        let rest = told.lines.get(first..).unwrap_or_default();
        rest.iter().take(most as usize).cloned().collect()
    }

    /// How fast the transformation goes that runs.
    pub fn pace(&self) -> Option<Pace> {
        self.told().pace
    }

    /// The step that the run is at, once the first has begun.
    pub fn current(&self) -> Option<CurrentStep> {
        self.told().current.clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an event.
    pub(super) fn note(&self, event: &Event, at: i64) {
        let mut told = self.told();
        told.follower.note(event, at);
        match event {
            Event::Output { line, .. } => told.lines.push(line.clone()),
            Event::StepStarted { step, attempt, .. } => {
                let before = told.current.take().filter(|before| before.step == *step);
                told.current = Some(CurrentStep {
                    step: step.clone(),
                    attempt: *attempt,
                    error: before.and_then(|before| before.error),
                });
            }
            Event::Retrying {
                step,
                attempt,
                message,
                ..
            } => {
                told.current = Some(CurrentStep {
                    step: step.clone(),
                    // The next one has not begun.
                    attempt: attempt.saturating_sub(1),
                    error: Some(message.clone()),
                });
            }
            Event::Pace { pace, .. } => told.pace = Some(*pace),
            // Comes after a commit, which took the lines along.
            Event::Checkpoint { .. } => told.lines.clear(),
            Event::StepEnded { phase, outcome, .. } => {
                told.pace = None;
                // The other phases commit when all steps are done.
                if *phase == Phase::Migrate {
                    told.lines.clear();
                }
                if *outcome == Outcome::Done
                    && let Some(current) = told.current.as_mut()
                {
                    current.error = None;
                }
            }
            _ => {}
        }
    }
}
