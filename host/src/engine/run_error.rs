//! Why a command did not become a run.

use super::failure::Failure;
use crate::catalog;
use crate::database;
use crate::journal::LeaseRecord;

/// Why a command did not become a run, or a question no answer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The files do not fit, among themselves or with the journal.
    #[error("{}", list(.0))]
    Files(Vec<catalog::Error>),
    /// The command is not possible now.
    #[error("{0}")]
    Refused(String),
    /// Another host works on the target, and the operator does not want to wait.
    #[error("{} is at work on this target (run {})", .0.holder, .0.run)]
    Held(LeaseRecord),
    /// The operator cancelled before the run began.
    #[error("cancelled before the run began; nothing was changed")]
    Cancelled,
    /// Somebody else has changed the target.
    #[error("the schema is not what run {run} left:\n{}", differences.join("\n"))]
    Drifted {
        /// The last run.
        run: i64,
        /// What differs, a line a table.
        differences: Vec<String>,
    },
    /// The target cannot be read or written.
    #[error("{0}")]
    Database(#[from] database::Error),
    /// A step cannot be loaded.
    #[error("{0}")]
    Step(Box<Failure>),
}

impl RunError {
    pub(super) fn files(error: catalog::Error) -> Self {
        Self::Files(vec![error])
    }
}

fn list(errors: &[catalog::Error]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
