//! What the journal knows of files and tenants, as values.

use super::super::{Phase, StepState};

/// A file, with what it held when it was first applied.
#[derive(Clone, Debug)]
pub struct SourceRecord {
    /// Its number.
    pub id: i64,
    /// Its path relative to the base.
    pub key: String,
    /// Its directory.
    pub directory: String,
    /// Its name.
    pub file_name: String,
    /// For whom it was, as it is spelled there.
    pub kind: String,
    /// Its form.
    pub form: String,
    /// Its SHA-256, in hexadecimal.
    pub digest: String,
}

/// One file that was applied for one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedRecord {
    /// Its number, which grows.
    pub id: i64,
    /// The file.
    pub source: i64,
    /// The tenant; empty for the target itself.
    pub tenant: String,
    /// Whether the file is a script or repeatable, of which each run has a row.
    pub is_script: bool,
    /// The run that migrated it.
    pub run: i64,
    /// How far it came.
    pub state: StepState,
    /// When it was started.
    pub started_at: i64,
    /// The seed of whatever randomness its language runtime asks for.
    pub seed: i64,
    /// When its `migrate` was done.
    pub migrated_at: Option<i64>,
    /// When its `finalize` was done.
    pub finalized_at: Option<i64>,
    /// The run that did it.
    pub finalized_by: Option<i64>,
}

/// One file that was applied for one tenant, with all that is known of the file.
#[derive(Clone, Debug)]
pub struct AppliedEntry {
    /// Its number, which grows.
    pub id: i64,
    /// The file.
    pub source: SourceRecord,
    /// What it held then.
    pub contents: String,
    /// The tenant; empty for the target itself.
    pub tenant: String,
    /// When it was done.
    pub applied_at: i64,
}

/// For how many tenants a migration came how far.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// The file.
    pub source: i64,
    /// How far.
    pub state: StepState,
    /// For how many.
    pub tenants: u64,
    /// When its `migrate` was last done.
    pub migrated_at: Option<i64>,
    /// When its `finalize` was last done.
    pub finalized_at: Option<i64>,
}

/// For how many tenants one run migrated, finalized and reset a file.
#[derive(Clone, Debug)]
pub struct RunTally {
    /// The run.
    pub run: i64,
    /// The file's path relative to the base.
    pub key: String,
    /// The file's name.
    pub file_name: String,
    /// For whom it was, as it is spelled there.
    pub kind: String,
    /// For how many tenants the run migrated it.
    pub migrated: u64,
    /// For how many tenants the run finalized it.
    pub finalized: u64,
    /// For how many tenants the run reset it.
    pub reset: u64,
}

/// How far one tenant came.
#[derive(Clone, Debug)]
pub struct TenantTally {
    /// The tenant.
    pub tenant: String,
    /// How many files wait for their finalize.
    pub unfinalized: u64,
    /// When the last was applied.
    pub applied_at: Option<i64>,
}

/// That a file failed for a tenant, and in which run last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// The tenant's name.
    pub tenant: String,
    /// The file's path relative to the base.
    pub key: String,
    /// What was being done.
    pub phase: Phase,
    /// The run.
    pub run: i64,
}
