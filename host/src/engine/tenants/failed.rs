//! How a task fails.

use super::work::Task;
use crate::engine::failure::{Blame, Failure};
use crate::journal::Outcome;

/// What failed, and the task that it is of, where there is one.
pub(super) type Failed = (Option<Task>, Failure);

pub(super) fn without_task(error: crate::database::Error) -> Failed {
    (None, Failure::from_database(error))
}

pub(super) fn cancelled() -> Failure {
    Failure::cancelled()
}

pub(super) fn no_session() -> Failure {
    Failure::new(
        "host",
        Blame::Host,
        "the session was not given back by a file",
    )
}

pub(super) fn outcome_of(failure: &Failure) -> Outcome {
    match failure.code.as_str() {
        "cancelled" => Outcome::Cancelled,
        _ => Outcome::Failed,
    }
}

/// How a run ends that did not start, or whose finalize did not.
pub(super) fn outcome_of_refusal(failure: &Failure) -> Outcome {
    match failure.code.as_str() {
        "refused" => Outcome::Refused,
        _ => outcome_of(failure),
    }
}
