//! What an engine is told once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Gate, Retries, RunRelease, TenancyOptions};
use crate::catalog::{Allowances, Seeds};
use crate::database::Batch;
use crate::journal::{Commander, RequestKey};
use crate::sandbox::{Limits, Transformed};

/// What an engine is told once.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of the steps.
    pub migrations: PathBuf,
    /// The last place at which a new database may begin with a baseline; none for the steps alone.
    pub baselines: Option<u64>,
    /// Where the seeds are.
    pub seeds: Seeds,
    /// The directory of the host's caches.
    pub cache: PathBuf,
    /// What components may use.
    pub limits: Limits,
    /// The values passed to the steps.
    pub settings: Arc<BTreeMap<String, String>>,
    /// Whether they are put into steps made of SQL, too.
    pub placeholders: bool,
    /// When something that failed is tried again.
    pub retries: Retries,
    /// How long the lease lasts without renewal.
    pub lease: Duration,
    /// Differences between files and journal that the operator accepts.
    pub allowances: Allowances,
    /// Whether to wait for another host that works on the target.
    pub wait: bool,
    /// Whether to refuse steps whose statements would hold up the application.
    pub strict: bool,
    /// The last step that there is, whatever else the directory holds; none for all of them.
    pub last: Option<u64>,
    /// How transformations go about their work.
    pub transform: TransformOptions,
    /// What to do with a transformation that was begun by another component.
    pub replacement: Replacement,
    /// What is asked before a finalize.
    pub gate: Option<Arc<dyn Gate>>,
    /// Files for the target and its tenants, in the place of `migrations`.
    pub tenancy: Option<TenancyOptions>,
    /// The release that `migrations` holds; none for a directory of the user's.
    pub release: Option<RunRelease>,
    /// Who gives the commands.
    pub commander: Commander,
    /// The request that becomes a run, where its sender may repeat it.
    pub request: Option<RequestKey>,
    /// Whether runs look in the journal whether somebody elsewhere has told them to end.
    pub hears_cancels: bool,
}

/// How transformations go about their work.
#[derive(Clone, Debug)]
pub struct TransformOptions {
    /// How many work at the same time; none for as many as there are processors.
    pub workers: Option<usize>,
    /// How long a chunk of rows should take.
    pub chunk: Duration,
    /// The operator's limit on the rate.
    pub max_rows_per_second: Option<u64>,
    /// How far a replica may be behind before the work pauses.
    pub max_replica_lag: Option<Duration>,
    /// What becomes of a row for which the function has no answer.
    pub on_bad_row: OnBadRow,
    /// How many such rows are set aside before the step fails.
    pub max_bad_rows: u64,
    /// Computes in the place of the components: for a host that is built together with the function.
    pub native: Option<NativeFunction>,
}

/// The function of a transformation as a part of this program: the derived columns of a batch, row by row in the same order.
pub type NativeFunction = fn(&Batch) -> Transformed;

impl TransformOptions {
    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.workers.unwrap_or_else(processors)
    }
}

/// What becomes of a row for which a transformation has no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnBadRow {
    /// It fails the step.
    #[default]
    Fail,
    /// It is set aside in the journal, and the work continues.
    Quarantine,
}

/// What to do with a transformation that was begun by another component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Replacement {
    /// Refuse it.
    #[default]
    Refuse,
    /// Go on from the last chunk.
    Continue,
    /// Begin anew.
    Restart,
}
