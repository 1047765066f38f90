//! What happens in a run.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::state::State;
use crate::database::{Stop, Wait};
use crate::journal::{LeaseRecord, Outcome, OutputLine, Pause, Phase, ReleaseRecord};

/// One thing that happened in a run.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields are named after what they hold")]
pub enum Event {
    /// Another host works on the target, or the database lets this one wait; this one waits for it.
    Waiting {
        holder: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<i64>,
        /// Why, and how long at most, where it is the database.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The run was accepted.
    RunStarted {
        run: i64,
        command: String,
        steps: usize,
        /// The release that its steps are of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<Box<ReleaseRecord>>,
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
        #[serde(default)]
        unit: Unit,
    },
    /// How fast a transformation goes, once a second.
    Pace {
        step: String,
        #[serde(flatten)]
        pace: Pace,
    },
    /// The run is paused until something is over.
    Paused { waits_for: String },
    /// The run, which was paused, goes on.
    Resumed,
    /// A step wrote a line.
    Output {
        step: String,
        #[serde(flatten)]
        line: OutputLine,
    },
    /// What a step did so far is committed.
    Checkpoint { step: String },
    /// The work of a step is done; its transaction, which other steps share, is not committed yet.
    StepRan {
        step: String,
        phase: Phase,
        milliseconds: i64,
    },
    /// A step ended; it is done when what it did is committed.
    StepEnded {
        step: String,
        phase: Phase,
        outcome: Outcome,
        milliseconds: i64,
        /// Whether it did not fail itself, but was rolled back with the transaction that it shares.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rolled_back: bool,
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

/// How fast a transformation goes, and what is left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pace {
    /// Rows in the last second.
    pub rows_per_second: f64,
    /// How many rows a chunk has now.
    pub chunk_rows: u64,
    /// How many changes of the application wait to be transformed anew.
    pub captured_rows: u64,
    /// How many seconds it will take at best and at worst, as the rates measured so far have it.
    pub seconds_left: Option<(u64, u64)>,
    /// How far the slowest replica is behind, in seconds.
    pub replica_lag_seconds: Option<f64>,
}

/// What progress is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Whatever a component counts, which mostly are rows.
    #[default]
    Rows,
    /// Bytes of a script in SQL.
    Bytes,
}

/// Hears what happens, on the run's thread; must return at once.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn notify(&self, event: &Event);

    /// Takes note of how much memory, in bytes, a component had in one phase.
    fn measure(&self, _phase: Phase, _memory: u64) {}

    /// Whether it wants to hear of statements, too. They are many, and timing them is not free.
    fn hears_statements(&self) -> bool {
        false
    }

    /// Takes note of a statement of a step that has just ended.
    fn statement(&self, _statement: &Statement<'_>) {}
}

/// A statement that a step ran.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'s> {
    /// Its text.
    pub text: &'s str,
    /// When it began.
    pub began: SystemTime,
    /// Whether the database did not accept it.
    pub is_failed: bool,
}

impl Event {
    /// Somebody's run is waited for, which may be paused itself.
    pub(crate) fn waiting_for(lease: LeaseRecord, pause: Option<&Pause>) -> Self {
        let is_paused = pause.is_some_and(|pause| pause.requested_at.is_some());
        Self::Waiting {
            holder: lease.holder,
            run: Some(lease.run),
            message: is_paused.then(|| "it is paused until `wasmigrate resume`".to_owned()),
        }
    }
}

/// Lets an observer hear what the database keeps a run waiting for, as long as there is this observer.
pub(super) fn hear_waits(stop: &Stop, observer: &Arc<dyn Observer>) {
    let observer = Arc::downgrade(observer);
    stop.on_wait(Arc::new(move |wait: &Wait| {
        if let Some(observer) = observer.upgrade() {
            observer.notify(&Event::Waiting {
                holder: wait.whom.clone(),
                run: None,
                message: Some(wait.to_string()),
            });
        }
    }));
}

/// Several observers as one.
pub struct Several(pub Vec<Arc<dyn Observer>>);

impl Observer for Several {
    fn notify(&self, event: &Event) {
        for observer in &self.0 {
            observer.notify(event);
        }
    }

    fn measure(&self, phase: Phase, memory: u64) {
        for observer in &self.0 {
            observer.measure(phase, memory);
        }
    }

    fn hears_statements(&self) -> bool {
        self.0.iter().any(|observer| observer.hears_statements())
    }

    fn statement(&self, statement: &Statement<'_>) {
        for observer in &self.0 {
            observer.statement(statement);
        }
    }
}

/// An observer that looks away.
pub struct Unobserved;

impl Observer for Unobserved {
    fn notify(&self, _event: &Event) {}
}
