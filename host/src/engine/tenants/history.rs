//! What earlier runs did, file by file: for how many tenants, not for whom.

use std::collections::BTreeMap;

use super::gone::kind_in_history;
use super::look;
use super::{RunError, SourceKind, TenancyOptions};
use crate::database::{Access, Session, Stop};
use crate::engine::Engine;
use crate::journal::{self, RunRecord};

/// How many files of one run are shown; the others are left out.
const MAX_FILES: usize = 1_000;

/// One file that a run has applied.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RunFile {
    /// Its path relative to the base.
    pub name: String,
    /// For whom it is, and how often it runs.
    pub kind: SourceKind,
    /// For how many tenants the run migrated it; 1 for the target itself.
    pub migrated: u64,
    /// For how many tenants the run finalized it; 1 for the target itself.
    pub finalized: u64,
    /// For how many tenants the run reset it; 1 for the target itself.
    #[serde(default)]
    pub reset: u64,
}

/// The files of these runs, by run, in the order of their names.
pub(in crate::engine) async fn files_of_runs(
    engine: &Engine,
    options: &TenancyOptions,
    runs: &[RunRecord],
) -> Result<BTreeMap<i64, Vec<RunFile>>, RunError> {
    let mut found = BTreeMap::new();
    let runs: Vec<i64> = runs.iter().map(|run| run.id).collect();
    let mut databases = vec![std::sync::Arc::clone(&engine.database)];
    if engine.database.capabilities().has_tenant_databases() {
        let tenants = look::current(engine, options).await?.tenants;
        let own = tenants
            .iter()
            .filter_map(|name| engine.database.tenant(name));
        databases.extend(own);
        // What was applied for those that were removed stays true, and stands in their files.
        let mut session = engine.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let removed = journal::removed_tenants(&mut *session).await?;
        session.rollback().await?;
        let removed = removed.iter().filter(|name| !tenants.contains(name));
        let left = removed.filter_map(|name| engine.database.tenant(name));
        databases.extend(left.filter(|file| !file.is_gone() && !file.is_new()));
    }
    for database in databases {
        let mut session = database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let read = read(&mut *session, &runs, &mut found).await;
        session.rollback().await?;
        read?;
    }
    let by_run = found.into_iter().map(|(run, files)| {
        let files: Vec<RunFile> = files.into_values().take(MAX_FILES).collect();
        (run, files)
    });
    Ok(by_run.collect())
}

/// The files of each run, by name and path.
type Found = BTreeMap<i64, BTreeMap<(String, String), RunFile>>;

/// Adds what one database says.
async fn read(
    session: &mut dyn Session,
    runs: &[i64],
    found: &mut Found,
) -> crate::database::Result<()> {
    if !journal::has_tenants(session).await? {
        return Ok(());
    }
    for tally in journal::count_by_run(session, runs, MAX_FILES).await? {
        let Some(kind) = kind_in_history(&tally.kind) else {
            continue;
        };
        let files = found.entry(tally.run).or_default();
        let file = files
            .entry((tally.file_name, tally.key.clone()))
            .or_insert(RunFile {
                name: tally.key,
                kind,
                migrated: 0,
                finalized: 0,
                reset: 0,
            });
        file.migrated += tally.migrated;
        file.finalized += tally.finalized;
        file.reset += tally.reset;
    }
    Ok(())
}
