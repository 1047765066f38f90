//! What the journal remembers.

use serde::{Deserialize, Serialize};

use super::commander::Commander;
use crate::output::Level;

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Some of it is committed, up to a checkpoint.
    Started,
    /// Its `migrate` is done.
    Migrated,
    /// Its `finalize` is done.
    Finalized,
}

/// A step that was applied, in whole or up to a checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct StepRecord {
    /// Its index.
    pub index: u64,
    /// Its name.
    pub name: String,
    /// The SHA-256 of its file when it ran, in hexadecimal.
    pub digest: String,
    /// How far it came.
    pub state: StepState,
    /// The run that it belongs to.
    pub run: i64,
    /// When it was first started.
    pub started_at: i64,
    /// The seed of whatever randomness its language runtime asks for.
    #[serde(skip)]
    pub seed: i64,
    /// When its `migrate` was done.
    pub migrated_at: Option<i64>,
    /// When its `finalize` was done.
    pub finalized_at: Option<i64>,
    /// The last progress that it told.
    pub rows_done: Option<i64>,
    /// The cursor of its last checkpoint.
    #[serde(skip)]
    pub resume_cursor: Option<Vec<u8>>,
    /// How often its row was written.
    #[serde(skip)]
    pub revision: i64,
    /// Who has signed it, where its release's rules demand a signature of its own; one a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All was done.
    Done,
    /// A step failed.
    Failed,
    /// A step's own check, or a step that could not be loaded, turned it down before anything was changed.
    Refused,
    /// The operator cancelled it.
    Cancelled,
    /// Its host died or lost the lease.
    Interrupted,
}

/// What a run was doing last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Loading, compiling and checking steps.
    Prepare,
    /// Running `migrate` of the steps.
    Migrate,
    /// Running `finalize`.
    Finalize,
    /// Running `reset`.
    Reset,
}

/// One accepted command, from start to end.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunRecord {
    /// Its number, from 1.
    pub id: i64,
    /// The command, as the user writes it.
    pub command: String,
    /// What it was doing last.
    pub phase: Phase,
    /// Whether its operator wants to see debug lines.
    pub verbose: bool,
    /// How many rows its steps said they will go through, once they were asked.
    pub expected_rows: Option<i64>,
    /// How it ended; none while it runs. The journal has none, either, of a run whose host died, until the next run begins.
    pub outcome: Option<Outcome>,
    /// Who ran it.
    pub host: String,
    /// When it began.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Why it failed, as data.
    pub error: Option<serde_json::Value>,
    /// Who gave the command; none when an earlier version of the host ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commanded_by: Option<Commander>,
}

/// One try at one step in one run.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttemptRecord {
    /// The run.
    pub run: i64,
    /// The step's index.
    pub index: u64,
    /// The step's name.
    pub name: String,
    /// The SHA-256 of the step's file.
    pub digest: String,
    /// What was tried.
    pub phase: Phase,
    /// Which try it was, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: i64,
    /// Why it failed, as data.
    pub error: Option<serde_json::Value>,
    /// The tenant that it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// One line that a step wrote.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutputLine {
    /// Its number within the run, from 1.
    pub sequence: i64,
    /// The step that wrote it.
    pub index: Option<u64>,
    /// What the step was doing.
    pub phase: Phase,
    /// When it was written.
    pub written_at: i64,
    /// How much it matters.
    pub level: Level,
    /// The text, without control characters.
    pub line: String,
    /// The tenant that it was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The file that wrote it, where there are tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

macro_rules! spelled {
    ($type:ty, $($variant:ident => $name:literal),+) => {
        impl $type {
            /// The spelling in the journal and on the command line.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            pub(super) fn from_journal(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

spelled!(StepState, Started => "started", Migrated => "migrated", Finalized => "finalized");
spelled!(
    Outcome,
    Done => "done",
    Failed => "failed",
    Refused => "refused",
    Cancelled => "cancelled",
    Interrupted => "interrupted"
);
spelled!(
    Phase,
    Prepare => "prepare",
    Migrate => "migrate",
    Finalize => "finalize",
    Reset => "reset"
);
