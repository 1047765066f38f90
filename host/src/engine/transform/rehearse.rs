//! A rehearsal: the whole backfill by one worker, in a transaction that is rolled back.

use std::sync::Arc;

use super::function::Function;
use super::plan::{Plan, Stage};
use super::questions::{goes_along, refuse_left_out, refuse_nameless};
use super::range::next_of;
use super::record::recorded;
use super::refused;
use crate::database::{Session, Stop};
use crate::engine::failure::Failure;
use crate::engine::loaded::Loaded;
use crate::engine::meter::Meter;
use crate::engine::step_output::RunContext;
use crate::engine::{Engine, Event, Unit};
use crate::journal::{self, Phase, Range, TransformationRecord};
use crate::sandbox::Transformation;

/// How many rows are computed at once.
const AT_ONCE: usize = 5_000;

/// Adds the derived columns, unless they are there, and computes all rows that are not done, in the open transaction.
pub(in crate::engine) async fn rehearse(
    engine: &Engine,
    context: &Arc<RunContext>,
    loaded: &Loaded,
    begun: Option<&TransformationRecord>,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<Transformation, Failure> {
    let index = loaded.step.index;
    let mut function = Function::new(engine, context, loaded, Phase::Migrate, stop);
    let ranges = match begun {
        Some(_) => journal::read_ranges(session, index)
            .await
            .map_err(Failure::from_database)?,
        None => {
            let description = function.describe().await?;
            let plan = Plan::new(session, index, description, Stage::New).await?;
            refuse_nameless(session, &plan).await?;
            refuse_left_out(session, &plan, false).await?;
            if let Some(goes_along) = goes_along(session, &plan).await? {
                let message = format!("{} {goes_along}", loaded.step.label);
                context.observer.notify(&Event::Warning { message });
            }
            let installed = plan.table.install(session).await;
            installed.map_err(Failure::from_database)?;
            vec![Range {
                number: 1,
                upper: None,
                position: None,
                rows_done: 0,
                is_done: false,
            }]
        }
    };
    let description = match begun {
        Some(begun) => recorded(begun)?,
        None => function.describe().await?,
    };
    let plan = Plan::new(session, index, description.clone(), Stage::SetUp).await?;
    let total = plan.table.count(session).await;
    let total = total.map_err(Failure::from_database)?;
    let mut meter = Meter::new(&context.observer, &loaded.step.label, Some(total));
    let mut done = 0;
    for mut range in ranges {
        while !range.is_done {
            stop.set_deadline(Some(engine.deadline()));
            done += chunk(&plan, &mut function, &mut range, session).await? as u64;
            stop.set_deadline(None);
            meter.progress(done, None, Unit::Rows);
        }
    }
    refuse_left_out(session, &plan, true).await?;
    let verified = session.verify().await;
    verified.map_err(Failure::from_database)?;
    Ok(description)
}

async fn chunk(
    plan: &Plan,
    function: &mut Function<'_>,
    range: &mut Range,
    session: &mut dyn Session,
) -> Result<usize, Failure> {
    let read = next_of(range, session, plan, AT_ONCE).await;
    let (chunk, after) = read.map_err(Failure::from_database)?;
    let rows = chunk.row_count();
    let computed = function.compute(plan, chunk).await?;
    refused::write_within(function, plan, session, computed).await?;
    *range = after;
    Ok(rows)
}
