//! What ends the steps of a run early, and what may be done after it.

use super::failure::{Blame, Failure};
use crate::database::{Error, ErrorKind, Stop};
use crate::journal::Outcome;

/// What ends the steps of a run early.
#[derive(Debug)]
pub(super) enum Interruption {
    /// A step or its loading failed, and the journal knows of it.
    Failed(Failure),
    /// A step refused before anything was changed.
    Refused(Failure),
    /// The connection was lost: what the journal says has to be found out before anything else is done.
    Disconnected(Failure),
    /// There is nothing that this host may do any more: somebody else has the lease, or it has no session.
    Over(Failure),
}

impl Interruption {
    /// What failed.
    pub(super) fn failure(&self) -> &Failure {
        match self {
            Self::Failed(failure)
            | Self::Refused(failure)
            | Self::Disconnected(failure)
            | Self::Over(failure) => failure,
        }
    }

    /// Whether it is not known what the journal says.
    pub(super) fn is_disconnected(&self) -> bool {
        match self {
            Self::Disconnected(_) => true,
            Self::Failed(failure) | Self::Refused(failure) => failure.is_lost_connection(),
            Self::Over(_) => false,
        }
    }

    /// What an error of the host's own bookkeeping means.
    pub(super) fn of_bookkeeping(error: Error, stop: &Stop) -> Self {
        match error.kind {
            ErrorKind::LeaseLost => Self::Over(Failure::from_database(error)),
            ErrorKind::Unavailable => Self::Disconnected(match stop.is_cancelled() {
                true => cancelled(),
                false => Failure::from_database(error),
            }),
            _ if stop.is_cancelled() => Self::Failed(cancelled()),
            _ => Self::Failed(Failure::from_database(error)),
        }
    }
}

/// How what ended with a failure ended.
pub(super) fn outcome_of(failure: &Failure) -> Outcome {
    match failure.code.as_str() {
        "cancelled" => Outcome::Cancelled,
        _ => Outcome::Failed,
    }
}

pub(super) fn cancelled() -> Failure {
    Failure::cancelled()
}

/// The error that a mistake of the host alone can cause.
pub(super) fn no_session() -> Failure {
    Failure::new(
        "host",
        Blame::Host,
        "the session was not given back by a step",
    )
}
