//! What ended a step, as data: kept in the journal, shown by the command line, sent by every protocol.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog;
use crate::database::{self, ErrorKind, ScriptError, StopReason};
use crate::journal::Phase;
use crate::output::shortened;
use crate::sandbox;

/// Who can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The author of the step.
    Step,
    /// The operator, who cancelled or set a limit.
    Operator,
    /// Whoever runs the database.
    Database,
    /// The authors of this host.
    Host,
}

/// Why a step, and with it a run, did not do what it should.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Failure {
    /// A stable name of the cause: `load`, `incompatible`, `trap`, `exited`, `cancelled`, `deadline`, `limit`, `failed`,
    /// `database`, `constraint`, `lease`, `journal`, `refused`, `files`, `host`.
    pub code: String,
    /// Who can fix it.
    pub blame: Blame,
    /// What went wrong.
    pub message: String,
    /// The step, as `NNNN_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What the step was doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The statement that the database did not accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// The line of the step's file on which the statement begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What the database said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub database: Option<database::Error>,
    /// What the component wrote to its standard error before it ended, or as errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// The component's own frames, the innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    /// Whether another try may help.
    pub retryable: bool,
    /// Whether what the step did before it failed is kept: it runs outside a transaction, or is a transformation, whose set-up and
    /// chunks have commits of their own. Without a step: whether some of the databases were committed that are so together.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_kept: bool,
}

impl Failure {
    /// A failure with a message and nothing else.
    pub fn new(code: &str, blame: Blame, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            blame,
            message: shortened(message.into()),
            step: None,
            phase: None,
            statement: None,
            line: None,
            database: None,
            last_lines: Vec::new(),
            backtrace: Vec::new(),
            retryable: false,
            is_kept: false,
        }
    }

    /// The same failure, said of a step.
    pub fn of(mut self, step: &str, phase: Phase) -> Self {
        self.step = Some(step.to_owned());
        self.phase = Some(phase);
        self
    }

    /// Whether it is the answer of a gate that did not open: what was to be finalized is as good as before.
    pub fn is_closed_gate(&self) -> bool {
        self.code == "refused" && self.phase == Some(Phase::Finalize) && self.step.is_none()
    }

    /// The failure of a run whose lease was taken. It is that of a step where the step keeps what it has done.
    pub(super) fn fenced_off(self, error: database::Error) -> Self {
        let lost = Self::from_database(error);
        match self.is_kept {
            true => Self {
                is_kept: true,
                step: self.step,
                phase: self.phase,
                ..lost
            },
            false => lost,
        }
    }

    /// The failure of a run whose end the journal does not know, because of this error.
    pub(super) fn unwritten(self, error: &database::Error) -> Self {
        if self.message.contains(&error.message) {
            return Self {
                message: format!("{}; it could not be written down, either", self.message),
                ..self
            };
        }
        Self {
            message: format!(
                "{} (and that could not be written down: {})",
                self.message, error.message
            ),
            ..self
        }
    }

    /// The same once it is known whether the COMMIT took place in which the connection was lost.
    pub(super) fn with_known_commit(mut self, took_place: bool) -> Self {
        self.message = database::Error::with_known_commit(&self.message, took_place);
        if let Some(error) = &mut self.database {
            error.message = database::Error::with_known_commit(&error.message, took_place);
        }
        self
    }

    /// The failure as the journal keeps it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_else(|_| self.message.clone().into())
    }

    /// The failure that the journal kept.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }

    /// A failure of the database, in a statement that the host or a step ran.
    pub fn from_database(error: database::Error) -> Self {
        let (code, blame) = match error.kind {
            ErrorKind::Constraint => ("constraint", Blame::Step),
            ErrorKind::Syntax
            | ErrorKind::InvalidArgument
            | ErrorKind::NotPermitted
            | ErrorKind::Uncommitted
            | ErrorKind::TransactionLost => ("database", Blame::Step),
            ErrorKind::Limit => ("limit", Blame::Step),
            ErrorKind::LeaseLost => ("lease", Blame::Operator),
            ErrorKind::Conflict => ("journal", Blame::Operator),
            // Whatever word the database or the driver has for it.
            ErrorKind::Stopped => return Self::cancelled(),
            ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Other => {
                ("database", Blame::Database)
            }
        };
        Self {
            retryable: error.kind == ErrorKind::Busy,
            database: Some(error.clone()),
            ..Self::new(code, blame, error.message)
        }
    }

    /// Whether something was used that the same transaction had made, which the database allows only after its commit.
    pub fn is_uncommitted(&self) -> bool {
        let error = self.database.as_ref();
        error.is_some_and(|error| error.kind == ErrorKind::Uncommitted)
    }

    /// Whether the connection to the database went away.
    pub fn is_lost_connection(&self) -> bool {
        self.database
            .as_ref()
            .is_some_and(|error| error.kind == ErrorKind::Unavailable)
    }

    /// The failure of what the operator has cancelled, by a command or a signal.
    pub(super) fn cancelled() -> Self {
        Self::new("cancelled", Blame::Operator, "cancelled by the operator")
    }

    /// The run was cancelled before what failed was tried again: what is left is what this failure has left.
    pub(super) fn cancelled_meanwhile(&self) -> Self {
        Self {
            step: self.step.clone(),
            phase: self.phase,
            is_kept: self.is_kept,
            ..Self::cancelled()
        }
    }

    fn from_stop(reason: StopReason) -> Self {
        match reason {
            StopReason::Cancelled => Self::cancelled(),
            StopReason::Deadline(duration) => Self::new(
                "deadline",
                Blame::Step,
                format!(
                    "not done in time: the limit `limits.deadline_seconds` is {}",
                    duration.as_secs()
                ),
            ),
        }
    }

    /// A failure in a SQL step's section that begins on `first_line`. When there was a reason to stop, that is the cause.
    pub fn from_script(error: ScriptError, first_line: usize, stop: Option<StopReason>) -> Self {
        let base = match stop {
            Some(reason) => Self::from_stop(reason),
            None => Self::from_database(error.error),
        };
        Self {
            // A lost connection is no fault of the statement on the first line.
            line: (!base.is_lost_connection() || !error.statement.is_empty())
                .then_some(first_line - 1 + error.line),
            statement: (!error.statement.is_empty()).then(|| shortened(error.statement)),
            ..base
        }
    }

    /// The same of a statement that stands in another file than the step's own.
    pub(super) fn in_file(mut self, file_name: Option<&str>) -> Self {
        if let Some((file_name, line)) = file_name.zip(self.line) {
            self.message = format!("`{file_name}`, line {line}: {}", self.message);
        }
        self
    }

    /// A failure of a component.
    pub fn from_sandbox(error: sandbox::Error) -> Self {
        let message = error.to_string();
        match error {
            sandbox::Error::Load(_) => Self::new("load", Blame::Step, message),
            sandbox::Error::Incompatible(_) => Self::new("incompatible", Blame::Step, message),
            sandbox::Error::Trap {
                last_lines,
                backtrace,
                ..
            } => Self {
                last_lines,
                backtrace,
                ..Self::new("trap", Blame::Step, message)
            },
            sandbox::Error::Exited { last_lines, .. } => Self {
                last_lines,
                ..Self::new("exited", Blame::Step, message)
            },
            sandbox::Error::Stopped(reason) => Self::from_stop(reason),
            sandbox::Error::Limit { error, backtrace } => Self {
                backtrace,
                database: Some(error),
                ..Self::new("limit", Blame::Step, message)
            },
            sandbox::Error::Failed {
                retryable,
                cause,
                statement,
                ..
            } => Self {
                statement: statement.map(shortened),
                retryable: retryable
                    || cause
                        .as_ref()
                        .is_some_and(|cause| cause.kind == ErrorKind::Busy),
                code: match cause.as_ref().map(|cause| cause.kind) {
                    Some(ErrorKind::Constraint) => "constraint",
                    Some(ErrorKind::Limit) => "limit",
                    Some(_) => "database",
                    None => "failed",
                }
                .to_owned(),
                database: cause,
                ..Self::new("failed", Blame::Step, message)
            },
            sandbox::Error::Host(_) => Self::new("host", Blame::Host, message),
        }
    }

    /// A failure of the files on disk.
    pub fn from_catalog(error: &catalog::Error) -> Self {
        Self::new("files", Blame::Operator, error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.step, self.phase) {
            (Some(step), Some(phase)) => write!(formatter, "{step}, {}: ", phase.as_str())?,
            (Some(step), None) => write!(formatter, "{step}: ")?,
            _ => {}
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
