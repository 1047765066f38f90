//! The current run of this process, and what the journal does not know of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::event::{Event, Pace};
use super::run_output::RunOutput;
use super::running::{Follower, Rows, Running};
use crate::database::Stop;
use crate::journal::{Outcome, OutputLine};

/// A run of this process.
#[derive(Debug)]
pub struct Live {
    /// Its number.
    pub run: i64,
    stop: Stop,
    ended: watch::Receiver<bool>,
    output: Arc<RunOutput>,
    state: Mutex<LiveState>,
}

/// What is known of a run by its events.
#[derive(Debug, Default)]
struct LiveState {
    follower: Follower,
    pace: Option<Pace>,
    current: Option<CurrentStep>,
}

/// The step that a run is at.
#[derive(Clone, Debug)]
pub struct CurrentStep {
    /// The step, as `NNNN_name`.
    pub step: String,
    /// How often it was tried, the current one included.
    pub attempt: u32,
    /// Why the try before failed, when there was one.
    pub error: Option<String>,
}

impl Live {
    /// The run of this number, which `stop` ends and which says so in `ended`.
    pub(super) fn new(
        run: i64,
        stop: Stop,
        ended: watch::Receiver<bool>,
        output: Arc<RunOutput>,
    ) -> Self {
        Self {
            run,
            stop,
            ended,
            output,
            state: Mutex::default(),
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
        self.state().follower.rows()
    }

    /// What it is doing.
    pub fn running(&self) -> Running {
        self.state().follower.running()
    }

    /// At most `most` lines after the one numbered `after` that no commit has kept yet, as far as their numbers are known.
    pub(super) fn lines(&self, after: i64, most: u32) -> Vec<OutputLine> {
        self.output.lines(after, most)
    }

    /// How fast the transformation goes that runs.
    pub fn pace(&self) -> Option<Pace> {
        self.state().pace
    }

    /// The step that the run is at, once the first has begun.
    pub fn current(&self) -> Option<CurrentStep> {
        self.state().current.clone()
    }

    fn state(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an event.
    pub(super) fn note(&self, event: &Event, at: i64) {
        let mut state = self.state();
        state.follower.note(event, at);
        match event {
            Event::StepStarted { step, attempt, .. } => {
                let before = state.current.take().filter(|before| before.step == *step);
                state.current = Some(CurrentStep {
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
                state.current = Some(CurrentStep {
                    step: step.clone(),
                    // The next one has not begun.
                    attempt: attempt.saturating_sub(1),
                    error: Some(message.clone()),
                });
            }
            Event::Pace { pace, .. } => state.pace = Some(*pace),
            Event::StepRan { .. } => state.pace = None,
            Event::StepEnded { outcome, .. } => {
                state.pace = None;
                if *outcome == Outcome::Done
                    && let Some(current) = state.current.as_mut()
                {
                    current.error = None;
                }
            }
            _ => {}
        }
    }
}
