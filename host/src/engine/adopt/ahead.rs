//! What another tool has applied of the steps that are pending here: since its history was taken over, or beside the host.

use std::collections::BTreeSet;

use super::record::BASELINE;
use crate::catalog::{SourceKind, StepFile, StepKind, index_label, runs_last};
use crate::database::{ErrorKind, Result as DatabaseResult, Session};
use crate::engine::tenants::TenancyOptions;
use crate::engine::{Engine, RunError, overview};
use crate::foreign::{self, FileVersion, History, Table, Tool};
use crate::journal::{self, Snapshot, StepState};

/// A pending file that another tool has applied.
pub(super) struct Ahead {
    tool: Tool,
    table: Table,
    file: String,
    /// The last step that is migrated and not final, which nobody takes a history over beside.
    unfinalized: Option<String>,
}

impl Ahead {
    /// Why nothing runs.
    pub(super) fn refusal(&self) -> String {
        let (tool, table, file) = (self.tool.as_str(), &self.table, &self.file);
        let before = self.unfinalized.as_ref().map(|last| {
            format!(
                "; before that, `wasmigrate finalize --to {last}` makes final what is migrated here, or `wasmigrate reset` undoes it"
            )
        });
        format!(
            "`{table}` says that {tool} has applied `{file}`, which is pending here: it would run again. `wasmigrate import --from \
             {tool}` takes over what {tool} has applied since; `wasmigrate baseline` writes all steps down as applied; \
             `wasmigrate baseline --through none` says that the table is of something else{}",
            before.unwrap_or_default()
        )
    }
}

/// Whether a step is pending that another tool may have applied.
pub(super) fn has_pending(engine: &Engine, snapshot: &Snapshot) -> bool {
    // What is wrong with the files is told by the run.
    let Ok(catalog) = engine.catalog() else {
        return false;
    };
    let catalog = engine.fitting(&catalog, snapshot);
    overview::pending(&catalog, snapshot).any(|step| !runs_last(step.index))
}

/// The first pending file that another tool has applied, by its own table in its own place.
pub(super) async fn find(
    engine: &Engine,
    snapshot: &Snapshot,
    session: &mut dyn Session,
) -> Result<Option<Ahead>, RunError> {
    let found = readable(foreign::in_place(session).await)?.unwrap_or_default();
    for (tool, table) in found {
        let Some(history) = readable(foreign::read(session, tool, &table).await)? else {
            // A server does nothing more in a transaction after an error.
            session.rollback().await?;
            session.begin_read().await?;
            continue;
        };
        let files = match &engine.options.tenancy {
            None => of_steps(engine, snapshot)?,
            Some(options) => of_sources(engine, options, session).await?,
        };
        let Some(file) = applied_there(tool, &history, &files) else {
            continue;
        };
        if was_disowned(snapshot, session).await? {
            return Ok(None);
        }
        return Ok(Some(Ahead {
            tool,
            table,
            file: file.file_name.clone(),
            unfinalized: unfinalized(snapshot),
        }));
    }
    Ok(None)
}

/// What cannot be read, or is not understood, says nothing: it may be a table of the application.
fn readable<T>(read: DatabaseResult<T>) -> DatabaseResult<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error)
            if matches!(
                error.kind,
                ErrorKind::Busy | ErrorKind::Stopped | ErrorKind::TransactionLost
            ) =>
        {
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

fn unfinalized(snapshot: &Snapshot) -> Option<String> {
    let mut steps = snapshot.steps.values().rev();
    let last = steps.find(|step| step.state != StepState::Finalized && !runs_last(step.index))?;
    Some(index_label(last.index))
}

/// Whether a baseline has said that nothing of a history is of these steps: it has written none of them down.
async fn was_disowned(snapshot: &Snapshot, session: &mut dyn Session) -> DatabaseResult<bool> {
    let baselines = journal::runs_done(session, &[BASELINE]).await?;
    let of_steps: BTreeSet<i64> = snapshot.steps.values().map(|step| step.run).collect();
    Ok(baselines.iter().any(|run| !of_steps.contains(run)))
}

/// The steps in their order, and whether each is applied.
fn of_steps(engine: &Engine, snapshot: &Snapshot) -> Result<Vec<(StepFile, bool)>, RunError> {
    let catalog = engine.catalog()?;
    let catalog = engine.fitting(&catalog, snapshot);
    let file = |step: &StepFile| (step.clone(), snapshot.steps.contains_key(&step.index));
    Ok(catalog.numbered().map(file).collect())
}

/// The same of the files for the target itself.
async fn of_sources(
    engine: &Engine,
    options: &TenancyOptions,
    session: &mut dyn Session,
) -> Result<Vec<(StepFile, bool)>, RunError> {
    let files = options.sources.scan(engine.database.kind());
    let files = files.map_err(RunError::files)?;
    let known = match journal::has_tenants(session).await? {
        true => journal::read_sources(session).await?,
        false => Vec::new(),
    };
    let ids: Vec<i64> = known.iter().map(|source| source.id).collect();
    let applied = match ids.is_empty() {
        true => Vec::new(),
        false => journal::read_applied_of(session, &ids).await?,
    };
    let applied: BTreeSet<i64> = applied.iter().map(|record| record.source).collect();
    let had = known.iter().filter(|source| applied.contains(&source.id));
    let had: BTreeSet<&str> = had.map(|source| source.key.as_str()).collect();
    let of_target = files
        .iter()
        .filter(|file| file.kind == SourceKind::SingleMigration);
    Ok(of_target
        .map(|file| (file.as_step(0), had.contains(file.key.as_str())))
        .collect())
}

/// The first of the files that are pending here and applied by the other tool. Where that keeps no more than how far it came, only
/// those count that come after all that is applied here: an older one may be new.
fn applied_there<'f>(
    tool: Tool,
    history: &History,
    files: &'f [(StepFile, bool)],
) -> Option<&'f StepFile> {
    let last = files.iter().rposition(|(_, is_applied)| *is_applied);
    let is_applied_there = |(place, (file, _)): &(usize, &(StepFile, bool))| {
        let FileVersion::Is(version) = tool.version_of(file) else {
            return false;
        };
        let mut entries = history.entries.iter();
        let through = history.through.as_ref();
        entries.any(|entry| entry.version == version)
            || (Some(*place) > last && through.is_some_and(|through| version <= *through))
    };
    let pending = files.iter().enumerate();
    let pending =
        pending.filter(|(_, (file, is_applied))| !is_applied && file.kind == StepKind::Sql);
    let mut found = pending.filter(is_applied_there);
    found.next().map(|(_, (file, _))| file)
}
