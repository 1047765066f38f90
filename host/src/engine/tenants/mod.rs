//! Tenants: files that run for the target itself, and files that run for each of its tenants.
//!
//! A tenant is a schema of the target's PostgreSQL database, or a file beside the target's SQLite file. What was applied is
//! kept for each file and tenant, and commits together with what the file did.

mod add;
mod applied;
mod apply;
mod atomic;
mod batch;
mod bookkeeping;
mod changes;
mod context;
mod drive;
mod due;
mod end;
mod failed;
mod forged;
mod gone;
mod history;
mod job;
mod known;
mod lines;
mod list;
mod load;
mod look;
mod made;
mod name;
mod open_database;
mod outside;
mod overview;
mod owners;
mod parallel;
mod phases;
mod progress;
mod recover;
mod rehearse;
mod remaining;
mod remove;
mod repair;
mod repeatable;
mod request;
mod returning;
mod select;
mod shared;
mod snapshot;
mod sources;
mod standing;
mod tenant_database;
mod under_final;
mod waiting;
mod work;
mod worker;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Failure, RunError};
use crate::catalog::{SourceFile, SourceKind, Sources};
use crate::journal::Commander;

pub(super) use applied::applied;
pub(super) use apply::apply;
pub(super) use drive::run;
pub use history::RunFile;
pub(super) use history::files_of_runs;
pub(super) use lines::waiting as lines_waiting;
pub(super) use list::refuse_journal_at_tenants;
pub(super) use name::check as check_tenant_name;
pub(super) use overview::{catalog, overview, tenants, verify};
pub(super) use rehearse::{pending, rehearsal};
pub(super) use remove::remove as remove_tenant;
pub(super) use repair::{FileDifference, accept, differences, remove};
pub(super) use sources::{read as read_source, record as source_record, sources};

/// How an engine serves tenants.
#[derive(Clone, Debug)]
pub struct TenancyOptions {
    /// Where the files are.
    pub sources: Sources,
    /// How the tenants are found; none for our own table. Its first column is the tenant's name.
    pub tenant_select: Option<String>,
    /// How a tenant is added; none for our own table. Its one parameter is the tenant's name.
    pub tenant_insert: Option<String>,
    /// How a run goes from tenant to tenant.
    pub strategy: RolloutStrategy,
}

/// How a run goes from tenant to tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutStrategy {
    /// Everything in one transaction.
    Atomic,
    /// Tenants are independent of each other; each file has its own transaction.
    Parallel {
        /// How many tenants are worked on at the same time.
        workers: usize,
        /// The tenants that come first, and must all succeed before any other begins.
        canaries: Vec<String>,
        /// After how many failed tenants no further one begins; none for any number.
        stop_after: Option<usize>,
        /// Whether only the tenants are run that have failed, and that no run has brought further since.
        only_failed: bool,
    },
}

/// What an apply does with the pending files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyMode {
    /// Runs them.
    Apply,
    /// Writes them down as applied, and runs none.
    Sync,
    /// Runs them in one transaction that is rolled back.
    DryRun,
}

/// One apply: `migrate` and `finalize` of all pending files, for all tenants or a new one.
#[derive(Clone, Debug)]
pub struct ApplyOrder {
    /// What to do with the files.
    pub mode: ApplyMode,
    /// The tenant to add; only its files are run then.
    pub new_tenant: Option<String>,
    /// Whether it takes over a schema that exists.
    pub adopts_schema: bool,
    /// How it goes from tenant to tenant; none for what the options of the engine say.
    pub strategy: Option<RolloutStrategy>,
    /// Who gives the command; none for whom the options of the engine name.
    pub by: Option<Commander>,
}

/// A tenant to add.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name.
    pub name: String,
    /// Whether to take over a schema, or a file, that exists.
    #[serde(default)]
    pub adopt: bool,
    /// Whether to write the files down as applied in it, and run none.
    #[serde(default)]
    pub applied: bool,
}

/// What an apply did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The run; none when there was nothing to do, and in a dry run.
    pub run: Option<i64>,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// How long it took.
    pub duration: Duration,
    /// How many files a new tenant had already, from the time when it was one before.
    pub had: u64,
    /// For how many tenants it ran; 0 when there was nothing to do.
    pub tenants: u64,
    /// How many files of each kind were run.
    pub files: BTreeMap<SourceKind, u64>,
    /// How many times files of each kind were run, over all tenants.
    pub runs: BTreeMap<SourceKind, u64>,
    /// The files, in the order in which they were run.
    pub sources: Vec<Source>,
}

/// A file with what is in it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: SourceFile,
    /// Its SHA-256, in hexadecimal.
    pub digest: String,
    /// Its text; of a component, the world that it is made for in WIT.
    pub contents: String,
}

/// One file as it was applied for one schema.
#[derive(Clone, Debug)]
pub struct AppliedFile {
    /// Its number, which grows.
    pub id: i64,
    /// Its directory, as it was configured then.
    pub directory: String,
    /// Its name.
    pub file_name: String,
    /// For whom it was.
    pub kind: SourceKind,
    /// Its SHA-256 then.
    pub digest: String,
    /// Its text then.
    pub contents: String,
    /// The tenant; of a single file, the base name of its directory.
    pub schema: String,
    /// When, in milliseconds since 1970.
    pub applied_at: i64,
}

/// A tenant, and its schema.
#[derive(Clone, Debug)]
struct Tenant {
    name: String,
    /// The schema's name, as the catalog spells it.
    schema: String,
    /// What stands for it in code.
    in_code: String,
}

/// Where one tenant stands.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TenantOverview {
    /// Its name.
    pub name: String,
    /// How many of the files for tenants were applied for it.
    pub applied: u64,
    /// How many are pending.
    pub pending: u64,
    /// How many wait for their finalize.
    pub unfinalized: u64,
    /// Why it failed in its last run, when it did.
    pub failure: Option<Failure>,
    /// When something was last applied for it, in milliseconds since 1970.
    pub applied_at: Option<i64>,
}

/// What became of a new tenant.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TenantAdded {
    /// Its name.
    pub name: String,
    /// The run that added it.
    pub run: Option<i64>,
    /// How many files were applied to it.
    pub files: usize,
    /// How many it had already, from the time when it was a tenant before.
    #[serde(default)]
    pub had: u64,
}

/// What became of a tenant that is none any more.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TenantRemoved {
    /// Its name.
    pub name: String,
    /// The run that removed it.
    pub run: i64,
}

impl From<NewTenant> for ApplyOrder {
    fn from(tenant: NewTenant) -> Self {
        Self {
            mode: match tenant.applied {
                true => ApplyMode::Sync,
                false => ApplyMode::Apply,
            },
            new_tenant: Some(tenant.name),
            adopts_schema: tenant.adopt,
            strategy: None,
            by: None,
        }
    }
}

impl TenantAdded {
    /// What an apply to a new tenant did.
    pub fn new(name: &str, applied: &Applied) -> Self {
        Self {
            name: name.to_owned(),
            run: applied.run,
            files: applied.sources.len(),
            had: applied.had,
        }
    }
}

/// Why an apply did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Migrations have changed since they were applied.
    #[error(
        "{}: {}; restore {them} and put the change into a new file, or pass `--allow-changed`; or accept it for good with \
         `wasmigrate repair --accept FILE --reason …`",
        match .0.len() {
            1 => "1 migration has changed since it was applied".to_owned(),
            count => format!("{count} migrations have changed since they were applied"),
        },
        keys(.0),
        them = if .0.len() == 1 { "it" } else { "them" }
    )]
    Changed(Vec<Source>),
    /// There is such a tenant already.
    #[error("there is a tenant `{0}` already")]
    TenantExists(String),
    /// No tenant can have this name.
    #[error("{0}")]
    TenantName(String),
    /// A file failed, and nothing of the transaction was kept.
    #[error("{}", .0.message)]
    Failed(Box<FileFailure>),
    /// Nothing was started.
    #[error("{0}")]
    Run(#[from] RunError),
}

/// Which file failed, and why.
#[derive(Clone, Debug)]
pub struct FileFailure {
    /// The file's path relative to the base.
    pub key: String,
    /// What the database or the component said.
    pub message: String,
    /// The whole of it.
    pub failure: Failure,
}

fn keys(sources: &[Source]) -> String {
    let keys: Vec<&str> = sources.iter().map(|source| &*source.file.key).collect();
    keys.join(", ")
}
