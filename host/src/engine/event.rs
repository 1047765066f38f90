//! What a run tells while it goes on.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::state::State;
use crate::journal::{Outcome, OutputLine, Phase};

/// One thing that happened in a run.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields are named after what they hold")]
pub enum Event {
    /// Another host works on the target; this one waits for it.
    Waiting { holder: String, run: i64 },
    /// The run was accepted.
    RunStarted {
        run: i64,
        command: String,
        steps: usize,
    },
    /// The operator should know this.
    Warning { message: String },
    /// A step is read, and compiled when it was not before.
    Loading {
        step: String,
        number: usize,
        of: usize,
        compiling: bool,
    },
    /// All steps are loaded and checked; `rows` is the sum of what they counted.
    Prepared { steps: usize, rows: Option<u64> },
    /// A step begins.
    StepStarted {
        step: String,
        phase: Phase,
        attempt: u32,
        number: usize,
        of: usize,
        resumed: bool,
    },
    /// A step tells how far it is.
    Progress {
        step: String,
        done: u64,
        total: Option<u64>,
    },
    /// A step wrote a line.
    Output {
        step: String,
        #[serde(flatten)]
        line: OutputLine,
    },
    /// What a step did so far is committed.
    Checkpoint { step: String },
    /// A step ended.
    StepEnded {
        step: String,
        phase: Phase,
        outcome: Outcome,
        milliseconds: i64,
    },
    /// A step failed and is tried again.
    Retrying {
        step: String,
        attempt: u32,
        delay_milliseconds: u64,
        message: String,
    },
    /// The run ended.
    RunEnded {
        run: i64,
        outcome: Outcome,
        state: Option<State>,
        #[serde(skip_serializing_if = "Option::is_none")]
        failure: Option<Box<Failure>>,
    },
}

/// Is told what happens, on the run's thread; must return at once.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn notify(&self, event: &Event);

    /// Takes note of how much memory, in bytes, a component had in one phase.
    fn measure(&self, _phase: Phase, _memory: u64) {}
}

/// An observer that looks away.
pub struct Unobserved;

impl Observer for Unobserved {
    fn notify(&self, _event: &Event) {}
}
