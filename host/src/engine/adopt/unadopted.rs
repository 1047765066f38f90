//! Targets that another tool has migrated, and of which our journal knows nothing yet.

use crate::database::{self, Access, Stop};
use crate::engine::{Engine, RunError};
use crate::foreign::{self, Found};
use crate::journal::Snapshot;

/// Refuses to run everything again that another tool has done.
pub(in crate::engine) async fn refuse_unadopted(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<(), RunError> {
    match unadopted(engine, snapshot, stop).await? {
        Some(message) => Err(RunError::Refused(message)),
        None => Ok(()),
    }
}

/// Why nothing runs before it is said what becomes of another tool's history; none when there is none, or when it was
/// said. Looks at the target only as long as the journal is empty.
pub(in crate::engine) async fn unadopted(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<Option<String>, database::Error> {
    if snapshot.last_run.is_some() || !snapshot.steps.is_empty() {
        return Ok(None);
    }
    let mut session = engine.database.open(Access::Read, stop).await?;
    session.begin_read().await?;
    let found = foreign::find(&mut *session).await?;
    session.rollback().await?;
    Ok(found.first().map(message))
}

fn message(found: &Found) -> String {
    let tool = found.tool.as_str();
    format!(
        "`{}` says that {tool} has migrated this target, and nothing of that is written down here: everything would run again. \
         `wasmigrate import --from {tool}` takes its history over; `wasmigrate baseline` writes all steps down as applied, \
         `wasmigrate baseline --through 0` none of them",
        found.table
    )
}
