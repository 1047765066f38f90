//! What a run of tenants is asked to do, and what became of it.

use super::work::Work;
use super::{ApplyError, FileFailure, RolloutStrategy, Source};
use crate::engine::RunError;
use crate::engine::extent::Extent;
use crate::journal::Outcome;

/// What a run is to do, and how.
pub(super) struct RunRequest<'t> {
    pub(super) work: Work,
    /// With how many of the files.
    pub(super) extent: Extent,
    pub(super) strategy: RolloutStrategy,
    /// The tenant to add; only its files are run then.
    pub(super) new_tenant: Option<&'t str>,
    /// Whether it takes over a schema that exists.
    pub(super) adopts_schema: bool,
    pub(super) verbose: bool,
    /// Whether to wait for whoever else works on the target.
    pub(super) waits: bool,
}

/// What became of it.
pub(super) struct TenancyReport {
    /// None when there was nothing to do, and in a dry run.
    pub(super) run: Option<i64>,
    pub(super) outcome: Outcome,
    pub(super) failure: Option<FileFailure>,
    /// How many files a new tenant had already.
    pub(super) had: u64,
    /// For how many tenants it ran.
    pub(super) tenants: u64,
    /// The files that were run with how often they were, in order.
    pub(super) files: Vec<(Source, u64)>,
}

impl TenancyReport {
    pub(super) fn nothing() -> Self {
        Self {
            run: None,
            outcome: Outcome::Done,
            failure: None,
            had: 0,
            tenants: 0,
            files: Vec::new(),
        }
    }
}

pub(super) fn as_refusal(error: ApplyError) -> RunError {
    match error {
        ApplyError::Run(error) => error,
        other => RunError::Refused(other.to_string()),
    }
}

pub(super) fn database<T>(result: crate::database::Result<T>) -> Result<T, RunError> {
    result.map_err(RunError::Database)
}
