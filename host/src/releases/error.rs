//! Why something with a release cannot be done.

use std::io;
use std::path::PathBuf;

use super::content_digest::ContentDigest;
use crate::catalog;
use crate::output::{cut, without_secrets};

/// How much of what a registry says is shown.
const SAID: usize = 300;

/// Why a release cannot be pushed, pulled or copied. No message holds a user name, a password, a token or a query string.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// What was named is no reference.
    #[error("{0}")]
    Reference(String),
    /// Nobody answers.
    #[error("cannot reach the registry {host}: {why}")]
    Unreachable {
        /// The registry.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// The registry does not know who asks.
    #[error(
        "the registry {host} does not let anybody {action} `{repository}` without signing in, {tried}"
    )]
    Unauthorized {
        /// The registry.
        host: String,
        /// The repository.
        repository: String,
        /// What was wanted.
        action: &'static str,
        /// Whose credentials were tried, as a subordinate clause.
        tried: String,
    },
    /// The registry knows who asks, and refuses.
    #[error("the registry {host} refuses to {action} `{repository}`: {said}")]
    Denied {
        /// The registry.
        host: String,
        /// The repository.
        repository: String,
        /// What was wanted.
        action: &'static str,
        /// What it says.
        said: String,
    },
    /// It is not there.
    #[error("there is no {0}")]
    NotFound(String),
    /// The registry answers what it should not.
    #[error("the registry {host} answers {status} to {method} {path}{said}")]
    Answered {
        /// The registry.
        host: String,
        /// The method of the request.
        method: String,
        /// Its path, without a query.
        path: String,
        /// The status of the answer.
        status: u16,
        /// What it says, after a colon.
        said: String,
    },
    /// Other bytes came than those that were asked for.
    #[error(
        "the {what} has the digest {actual}, and not {expected}: it was damaged or exchanged on the way, and is not used"
    )]
    OtherBytes {
        /// What came.
        what: String,
        /// What was asked for.
        expected: ContentDigest,
        /// What the bytes have.
        actual: ContentDigest,
    },
    /// It is something else, or a release that is not well made.
    #[error("{what} is no release that can be used: {why}")]
    NotARelease {
        /// What was looked at.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// It is larger than may be.
    #[error("{what} is over the limit of {most} for {limit}")]
    OverLimit {
        /// What is too large.
        what: String,
        /// What is limited.
        limit: &'static str,
        /// How much may be.
        most: String,
    },
    /// A version is pushed once.
    #[error(
        "`{reference}` is there already with another content ({digest}): push a new version, or replace it with `--force`"
    )]
    TagExists {
        /// Which.
        reference: String,
        /// What it is now.
        digest: ContentDigest,
    },
    /// The files are not in order.
    #[error(transparent)]
    Files(#[from] catalog::Error),
    /// Something on this machine cannot be read or written.
    #[error("cannot {act} `{}`: {cause}", .path.display())]
    File {
        /// What was attempted.
        act: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// What was asked for is refused.
    #[error("{0}")]
    Refused(String),
}

impl ReleaseError {
    /// A function for errors of a file.
    pub(super) fn file(
        act: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { act, path, cause }
    }

    /// Whether nobody answers, or nobody who is well: another time it may be otherwise.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Answered { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// What others wrote, as a part of a message.
    pub(super) fn said(text: &str) -> String {
        cut(&without_secrets(text.trim()), SAID)
    }
}
