//! Targets that another tool has migrated, and of which our journal knows nothing yet.

use super::{Adoption, ImportOrder, import};
use crate::database::{self, Access, Stop};
use crate::engine::event::{Event, Observer};
use crate::engine::{Engine, RunError, WAIT_INTERVAL};
use crate::foreign::{self, Found, Owner, Tool};
use crate::journal::Snapshot;

/// Settles what becomes of another tool's history before anything runs: it is taken over where the settings are that
/// tool's own, and nothing runs elsewhere.
pub(in crate::engine) async fn settle(
    engine: &Engine,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<(), RunError> {
    loop {
        let snapshot = engine.snapshot(stop).await?;
        let Some(found) = find(engine, &snapshot, stop).await? else {
            return Ok(());
        };
        let Owner::Tool(tool) = found.owner else {
            return Err(RunError::Refused(refusal(&found)));
        };
        if engine.adopts != Some(tool) {
            return Err(RunError::Refused(refusal(&found)));
        }
        let order = ImportOrder {
            from: tool,
            table: None,
            dry_run: false,
        };
        match import(engine, &order, observer, stop).await {
            // Another host does the same; what it has taken over is seen in the next look.
            Err(RunError::Held(_)) => tokio::time::sleep(WAIT_INTERVAL).await,
            Err(error) => return Err(error),
            Ok(adoption) => {
                observer.notify(&Event::Warning {
                    message: taken_over(tool, &found, &adoption),
                });
                return Ok(());
            }
        }
    }
}

/// Refuses to run everything again that another tool has done.
pub(in crate::engine) async fn refuse_unadopted(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<(), RunError> {
    match find(engine, snapshot, stop).await? {
        Some(found) => Err(RunError::Refused(refusal(&found))),
        None => Ok(()),
    }
}

/// Why nothing runs before it is said what becomes of another tool's history; none when nothing stands in the way.
pub(in crate::engine) async fn unadopted(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<Option<String>, database::Error> {
    let found = find(engine, snapshot, stop).await?;
    let is_adopted = |found: &Found| {
        let adopted = engine.adopts.map(Owner::Tool);
        adopted == Some(found.owner)
    };
    let found = found.filter(|found| !is_adopted(found));
    Ok(found.as_ref().map(refusal))
}

/// Another tool's history, as long as our journal is empty: only then the target is looked at.
async fn find(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<Option<Found>, database::Error> {
    if snapshot.last_run.is_some() || !snapshot.steps.is_empty() {
        return Ok(None);
    }
    let mut session = engine.database.open(Access::Read, stop).await?;
    session.begin_read().await?;
    let found = foreign::find(&mut *session).await?;
    session.rollback().await?;
    Ok(found.into_iter().next())
}

fn refusal(found: &Found) -> String {
    let table = &found.table;
    match found.owner {
        Owner::Tool(tool) => {
            let tool = tool.as_str();
            format!(
                "`{table}` says that {tool} has migrated this target, and nothing of that is written down here: everything would \
                 run again. `wasmigrate import --from {tool}` takes its history over; `wasmigrate baseline` writes all steps \
                 down as applied, `wasmigrate baseline --through none` none of them"
            )
        }
        Owner::Stranger(name) => format!(
            "`{table}` says that {name} has migrated this target, and nothing of that is written down here: everything would run \
             again. Its history cannot be taken over step by step; `wasmigrate baseline` writes all steps down as applied, \
             `wasmigrate baseline --through STEP` those up to one, `wasmigrate baseline --through none` none of them"
        ),
    }
}

fn taken_over(tool: Tool, found: &Found, adoption: &Adoption) -> String {
    format!(
        "the history of {} was taken over from `{}`: {} as applied, and nothing was run",
        tool.as_str(),
        found.table,
        adoption.files.len()
    )
}
