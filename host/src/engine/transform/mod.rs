//! Steps that are one pure function over a table: what is around it.
//!
//! migrate adds the derived columns and a capture of changes (`install`), then goes through the table in ranges of its key,
//! several at a time (`backfill`, `worker`). Each chunk is read, computed by an instance of the component (`function`), and
//! written back together with the range's progress in one transaction. A row that the application changes between reading
//! and writing is left alone: a trigger has captured its key, and the drain computes it anew. Meanwhile `watch` looks at
//! whoever the work might hold up. finalize proves that no value is missing (`proof`), locks the table, drains the rest, and
//! puts the derived columns in the place of the old ones; reset removes all that migrate added (`cutover`).

mod backfill;
mod bad_rows;
mod chunk;
mod cutover;
mod drain;
mod function;
mod install;
mod left_out;
mod lock;
mod pace;
mod plan;
mod proof;
mod rehearse;
mod rows;
mod table;
mod watch;
mod worker;

use std::sync::Arc;

use super::Engine;
use super::failure::{Blame, Failure};
use super::loaded::Loaded;
use super::transaction::RunContext;
use crate::database::{Authority, Session, Stop, Value};
use crate::journal::{Phase, TransformationRecord};
use crate::sandbox::Transformation;

pub(super) use backfill::Backfill;
pub(super) use cutover::{before_cut_over, cut_over, lock_all, reset};
pub(super) use drain::drain_idle;
use function::Function;
use plan::{Plan, Stage};
pub(super) use rehearse::rehearse;

/// How many rows a transformation will go through.
pub(super) async fn rows(
    engine: &Engine,
    context: &Arc<RunContext>,
    loaded: &Loaded,
    begun: Option<&TransformationRecord>,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<u64, Failure> {
    let (description, stage) = match begun {
        Some(begun) => (recorded(begun)?, Stage::SetUp),
        None => {
            let mut function = Function::new(engine, context, loaded, Phase::Prepare, stop);
            (function.describe().await?, Stage::New)
        }
    };
    let plan = Plan::new(session, loaded.step.index, description, stage).await?;
    refuse_nameless(session, &plan).await?;
    count(session, &plan).await.map_err(Failure::from_database)
}

/// What a transformation said of itself when it was begun.
fn recorded(record: &TransformationRecord) -> Result<Transformation, Failure> {
    serde_json::from_str(&record.description).map_err(|error| {
        let message = format!("the journal's description of the transformation: {error}");
        Failure::new("host", Blame::Host, message)
    })
}

/// Refuses a table with a row that nothing names.
async fn refuse_nameless(session: &mut dyn Session, plan: &Plan) -> Result<(), Failure> {
    let Some(query) = plan.nameless() else {
        return Ok(());
    };
    let found = session.rows(&query, &[]).await;
    match found.map_err(Failure::from_database)?.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            "incompatible",
            Blame::Step,
            format!(
                "a row of the table {} has no key, so that nothing names it: fill it in, or name other columns as the key",
                plan.table
            ),
        )),
    }
}

async fn count(session: &mut dyn Session, plan: &Plan) -> crate::database::Result<u64> {
    let rows = step_rows(session, &plan.count(), &[]).await?;
    let count = rows.first().and_then(|row| row.first());
    let count = count.and_then(Value::as_integer).unwrap_or(0);
    Ok(u64::try_from(count).unwrap_or(0))
}

/// All rows of a small result whose query holds words of the step's.
async fn step_rows(
    session: &mut dyn Session,
    query: &str,
    parameters: &[Value],
) -> crate::database::Result<Vec<Vec<Value>>> {
    let cursor = session.query(Authority::Step, query, parameters).await?;
    let mut rows = Vec::new();
    loop {
        let batch = session.fetch(cursor, 1_000, 8 << 20).await?;
        if batch.row_count == 0 {
            break;
        }
        rows.extend(batch.into_rows());
    }
    session.close(cursor).await;
    Ok(rows)
}
