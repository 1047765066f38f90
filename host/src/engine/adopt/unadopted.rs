//! Targets that another tool has migrated, and of which our journal knows nothing yet.

use super::{Adoption, ImportOrder, import};
use crate::catalog::step_label;
use crate::database::{self, Access, Stop};
use crate::engine::event::{Event, Observer};
use crate::engine::{Engine, RunError, WAIT_INTERVAL};
use crate::foreign::{self, Found, Owner, Tool};
use crate::journal::{self, Snapshot};

/// Settles what becomes of another tool's history before anything runs: it is taken over where the settings are that
/// tool's own, and nothing runs elsewhere.
pub(in crate::engine) async fn settle(
    engine: &Engine,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<(), RunError> {
    loop {
        let snapshot = engine.snapshot(stop).await?;
        if let Some(why) = other_list(engine, &snapshot, stop).await? {
            return Err(RunError::Refused(why));
        }
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
    if let Some(why) = other_list(engine, snapshot, stop).await? {
        return Err(RunError::Refused(why));
    }
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
    if let Some(why) = other_list(engine, snapshot, stop).await? {
        return Ok(Some(why));
    }
    let found = find(engine, snapshot, stop).await?;
    let is_adopted = |found: &Found| {
        let adopted = engine.adopts.map(Owner::Tool);
        adopted == Some(found.owner)
    };
    let found = found.filter(|found| !is_adopted(found));
    Ok(found.as_ref().map(refusal))
}

/// Why nothing runs on a target whose steps came from a directory so far and would come from `[sources]` now, or the other way
/// round: the same files would run again, because each of the two has a list of its own. None when both lists are in use, or
/// nothing was run yet.
async fn other_list(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<Option<String>, database::Error> {
    let has_steps = !snapshot.steps.is_empty();
    let is_tenancy = engine.options.tenancy.is_some();
    // Where nothing was ever run, and where the list that is asked for is in use, there is nothing to look for.
    if has_steps != is_tenancy || snapshot.last_run.is_none() {
        return Ok(None);
    }
    let mut session = engine.database.open(Access::Read, stop).await?;
    session.begin_read().await?;
    let sources = match journal::has_tenants(&mut *session).await? {
        true => journal::read_sources(&mut *session).await?,
        false => Vec::new(),
    };
    session.rollback().await?;
    let (was, now, example) = match (is_tenancy, sources.first(), snapshot.steps.values().next()) {
        (true, None, Some(step)) => (
            "a directory of steps",
            "from `[sources]`",
            step_label(step.index, &step.name),
        ),
        (false, Some(source), _) => ("`[sources]`", "from a directory", source.key.clone()),
        _ => return Ok(None),
    };
    Ok(Some(format!(
        "what was applied to this target came from {was}, such as `{example}`, and would come {now} now: each has a list of its \
         own, so that everything would run again. Set it as it was; or write down what was applied in the new list, too: \
         `wasmigrate baseline` writes all of it down, `--through` a part, `--through none` nothing"
    )))
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
