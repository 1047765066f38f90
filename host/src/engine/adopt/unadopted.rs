//! Targets that another tool has migrated, and of which our journal knows nothing yet.

use super::ahead::{self, Ahead};
use super::record::BASELINE;
use super::settled::{has_steps, is_settled};
use super::{Adoption, ImportOrder, import};
use crate::catalog::step_label;
use crate::database::{self, Access, Session, Stop};
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
        let found = match find(engine, &snapshot, stop).await? {
            None => return Ok(()),
            Some(Unsettled::Ahead(ahead)) => return Err(RunError::Refused(ahead.refusal())),
            Some(Unsettled::All(found)) => found,
        };
        let Owner::Tool(tool) = found.owner else {
            return Err(RunError::Refused(refusal(&found)));
        };
        // What is elsewhere may be another application's.
        if engine.adopts != Some(tool) || !found.is_in_place {
            return Err(RunError::Refused(refusal(&found)));
        }
        let order = ImportOrder {
            out_of_order: false,
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

/// Refuses to take steps of one list back or make them final where another is asked for.
pub(in crate::engine) async fn refuse_other_list(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<(), RunError> {
    match other_list(engine, snapshot, stop).await? {
        Some(why) => Err(RunError::Refused(why)),
        None => Ok(()),
    }
}

/// Refuses to run everything again that another tool has done.
pub(in crate::engine) async fn refuse_unadopted(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<(), RunError> {
    refuse_other_list(engine, snapshot, stop).await?;
    match find(engine, snapshot, stop).await? {
        Some(found) => Err(RunError::Refused(found.refusal())),
        None => Ok(()),
    }
}

/// Why nothing runs before it is said what becomes of another tool's history; none when nothing stands in the way.
pub(in crate::engine) async fn unadopted(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<Option<String>, RunError> {
    if let Some(why) = other_list(engine, snapshot, stop).await? {
        return Ok(Some(why));
    }
    let found = find(engine, snapshot, stop).await?;
    let adopted = engine.adopts.map(Owner::Tool);
    Ok(found.and_then(|found| match &found {
        Unsettled::All(all) if adopted == Some(all.owner) && all.is_in_place => None,
        _ => Some(found.refusal()),
    }))
}

/// Why nothing runs on a target whose steps came from a directory so far and would come from `[sources]` now, or the other way
/// round: the same files would run again, because each of the two has a list of its own. None when the list that is asked for
/// is in use, nothing is applied, or a baseline has said since that the other list is to be begun.
pub(super) async fn other_list(
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
    let other = match is_tenancy {
        true => steps_before(snapshot, &mut *session).await?,
        false => sources_before(&mut *session).await?,
    };
    let runs = journal::read_runs(&mut *session, i64::MAX, RECENT_RUNS).await?;
    session.rollback().await?;
    let Some(Other {
        was,
        now,
        example,
        last_use,
    }) = other
    else {
        return Ok(None);
    };
    let mut baselines = runs.iter().filter(|run| run.command == BASELINE);
    if baselines.any(|run| run.id > last_use) {
        return Ok(None);
    }
    Ok(Some(format!(
        "what was applied to this target came from {was}, such as `{example}`, and would come from {now} now: each has a list of \
         its own, so that everything would run again. Set it as it was; or write down what was applied in the new list, too: \
         `wasmigrate baseline` writes all of it down, `wasmigrate baseline --through none` nothing"
    )))
}

/// How many runs are looked at for a baseline that came after the other list was used.
const RECENT_RUNS: u32 = 100;

/// The list from which the steps of a target came.
struct Other {
    was: &'static str,
    now: &'static str,
    /// One of them.
    example: String,
    /// The last run that applied one.
    last_use: i64,
}

/// What came from a directory, where nothing is written down of `[sources]`.
async fn steps_before(
    snapshot: &Snapshot,
    session: &mut dyn Session,
) -> Result<Option<Other>, database::Error> {
    let is_in_use =
        journal::has_tenants(session).await? && !journal::read_sources(session).await?.is_empty();
    let newest = snapshot.steps.values().max_by_key(|step| step.run);
    Ok(newest.filter(|_| !is_in_use).map(|newest| Other {
        was: "a directory of steps",
        now: "`[sources]`",
        example: step_label(newest.index, &newest.name),
        last_use: newest.run,
    }))
}

/// What came from `[sources]` and is still applied.
async fn sources_before(session: &mut dyn Session) -> Result<Option<Other>, database::Error> {
    if !journal::has_tenants(session).await? {
        return Ok(None);
    }
    let applied = journal::read_applied(session).await?;
    // Where tenants have files of their own, what was applied to them is written down there.
    let has_tenants = !journal::read_tenants(session).await?.is_empty();
    let sources = journal::read_sources(session).await?;
    let example = sources
        .first()
        .filter(|_| has_tenants || !applied.is_empty());
    Ok(example.map(|example| Other {
        was: "`[sources]`",
        now: "a directory",
        example: example.key.clone(),
        last_use: applied.iter().map(|applied| applied.run).max().unwrap_or(0),
    }))
}

/// What of another tool's history nobody has said what becomes of it.
enum Unsettled {
    /// All of it.
    All(Found),
    /// What it has more than the journal.
    Ahead(Ahead),
}

impl Unsettled {
    fn refusal(&self) -> String {
        match self {
            Self::All(found) => refusal(found),
            Self::Ahead(ahead) => ahead.refusal(),
        }
    }
}

/// What of another tool's history would run again. As long as nothing is applied here and nobody has said what becomes of it, that
/// is all of it, whatever ran and failed or was undone before.
async fn find(
    engine: &Engine,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<Option<Unsettled>, RunError> {
    let is_for_steps = engine.options.tenancy.is_none();
    if has_steps(snapshot) && is_for_steps && !ahead::has_pending(engine, snapshot) {
        return Ok(None);
    }
    let mut session = engine.database.open(Access::Read, stop).await?;
    session.begin_read().await?;
    let found = match is_settled(snapshot, &mut *session).await? {
        true => ahead::find(engine, snapshot, &mut *session)
            .await?
            .map(Unsettled::Ahead),
        false => {
            let found = foreign::find(&mut *session).await?;
            found.into_iter().next().map(Unsettled::All)
        }
    };
    session.rollback().await?;
    Ok(found)
}

fn refusal(found: &Found) -> String {
    let table = &found.table;
    let not_its_own = match found.is_in_place {
        true => "",
        false => ", as when the table is of something else",
    };
    match found.owner {
        Owner::Tool(tool) => {
            let tool = tool.as_str();
            let place = match found.is_in_place {
                true => String::new(),
                false => format!(" --table {table}"),
            };
            format!(
                "`{table}` says that {tool} has migrated this target, and nothing of that is written down here: everything would \
                 run again. `wasmigrate import --from {tool}{place}` takes its history over; `wasmigrate baseline` writes all \
                 steps down as applied, `wasmigrate baseline --through none` none of them{not_its_own}"
            )
        }
        Owner::Stranger(name) => format!(
            "`{table}` says that {name} has migrated this target, and nothing of that is written down here: everything would run \
             again. Its history cannot be taken over step by step; `wasmigrate baseline` writes all steps down as applied, \
             `wasmigrate baseline --through STEP` those up to one, `wasmigrate baseline --through none` none of them{not_its_own}"
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
