//! Steps that are one pure function over a table: what is around it.
//!
//! migrate adds the derived columns and a capture of changes, then goes through the table in ranges of its key,
//! several at a time (`backfill`, `worker`). Each chunk is read, computed by an instance of the component (`function`), and
//! written back together with the range's progress in one transaction. A row that the application changes between reading
//! and writing is left alone: a trigger has captured its key, and the drain computes it anew. Meanwhile `watch` looks at
//! whoever the work might hold up. finalize proves that no value is missing (`proof`), locks the table, drains the rest, and
//! puts the derived columns in the place of the old ones; reset removes all that migrate added (`cutover`). The SQL for all
//! that is the database's (`database/transform`).

mod anew;
mod backfill;
mod bad_rows;
mod captured;
mod context;
mod cutover;
mod drain;
mod function;
mod holdup;
mod idle;
mod left_out;
mod lock;
mod neighbours;
mod pace;
mod plan;
mod proof;
mod questions;
mod range;
mod record;
mod refused;
mod rehearse;
mod trial;
mod watch;
mod worker;

use std::sync::Arc;

use super::Engine;
use super::failure::Failure;
use super::loaded::Loaded;
use super::program::{Program, name_the_runner};
use super::step_output::{RunContext, StepOutput};
use crate::database::{Session, Stop};
use crate::journal::{Phase, TransformationRecord};

pub(super) use context::Backfill;
pub(super) use cutover::{abandon, before_cut_over, cut_over, lock_all, reset};
use function::Function;
pub(super) use idle::drain_idle;
pub(super) use neighbours::dependents;
pub(super) use pace::time_of;
use plan::{Plan, Stage};
use questions::refuse_nameless;
use record::recorded;
pub(super) use rehearse::rehearse;
pub(super) use trial::{migrated, try_cut_overs, try_in_transaction};

/// How many rows a transformation will go through.
pub(super) async fn rows(
    engine: &Engine,
    context: &Arc<RunContext>,
    loaded: &Loaded,
    begun: Option<&TransformationRecord>,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<u64, Failure> {
    if let Program::Transformation(component) = &loaded.program {
        let output = StepOutput::new(context, &loaded.step, Phase::Prepare);
        name_the_runner(component, &output);
    }
    let (description, stage) = match begun {
        Some(begun) => (recorded(begun)?, Stage::SetUp),
        None => {
            let mut function = Function::new(engine, context, loaded, Phase::Prepare, stop);
            (function.describe().await?, Stage::New)
        }
    };
    let plan = Plan::new(session, loaded.step.index, description, stage).await?;
    refuse_nameless(session, &plan).await?;
    let counted = plan.table.count(session).await;
    counted.map_err(Failure::from_database)
}
