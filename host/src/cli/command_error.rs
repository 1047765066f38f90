//! Why a command ended early, and the exit status that says so.

use super::{FAILED, REFUSED};
use crate::client;
use crate::database::ErrorKind;
use crate::engine::{ApplyError, Failure, RunError};
use crate::releases::ReleaseError;

/// Why a command ended without doing what it was asked to, with its exit status.
#[derive(Debug)]
pub(super) struct CommandError {
    pub(super) status: u8,
    pub(super) message: String,
    pub(super) failure: Option<Box<Failure>>,
}

impl From<RunError> for CommandError {
    fn from(error: RunError) -> Self {
        let status = match &error {
            RunError::Files(_)
            | RunError::Drifted { .. }
            | RunError::Refused(_)
            | RunError::Held(_)
            | RunError::Step(_) => REFUSED,
            RunError::Database(error) if error.kind == ErrorKind::Unavailable => REFUSED,
            RunError::Cancelled | RunError::Database(_) => FAILED,
        };
        Self {
            status,
            message: match &error {
                RunError::Held(_) => format!("{error}; wait for it, or leave out `--no-wait`"),
                error => error.to_string(),
            },
            failure: match error {
                RunError::Step(failure) => Some(failure),
                _ => None,
            },
        }
    }
}

impl From<ApplyError> for CommandError {
    fn from(error: ApplyError) -> Self {
        let message = error.to_string();
        match error {
            ApplyError::Run(error) => error.into(),
            ApplyError::Failed(failed) => Self {
                status: match failed.failure.code.as_str() {
                    "refused" => REFUSED,
                    _ => FAILED,
                },
                message: failed.failure.to_string(),
                failure: Some(Box::new(failed.failure)),
            },
            ApplyError::Changed(_) | ApplyError::TenantExists(_) | ApplyError::TenantName(_) => {
                Self {
                    status: REFUSED,
                    message,
                    failure: None,
                }
            }
        }
    }
}

impl From<client::Error> for CommandError {
    fn from(error: client::Error) -> Self {
        let status = match &error {
            client::Error::Unreachable { .. } | client::Error::Refused { .. } => REFUSED,
            client::Error::NotAnswered { .. } | client::Error::NotFollowed { .. } => FAILED,
        };
        Self {
            status,
            message: error.to_string(),
            failure: None,
        }
    }
}

impl From<ReleaseError> for CommandError {
    fn from(error: ReleaseError) -> Self {
        Self {
            status: REFUSED,
            message: error.to_string(),
            failure: None,
        }
    }
}

impl From<anyhow::Error> for CommandError {
    fn from(error: anyhow::Error) -> Self {
        Self {
            status: REFUSED,
            message: in_words(&error),
            failure: None,
        }
    }
}

/// An error with its causes, each of them once: many say theirs themselves.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.ends_with(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}
