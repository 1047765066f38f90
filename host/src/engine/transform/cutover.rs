//! finalize and reset of a transformation, in the transaction that all steps share.

use std::sync::Arc;

use super::backfill::Backfill;
use super::drain::Drain;
use super::function::Function;
use super::lock::lock_table;
use super::plan::{Plan, Stage};
use super::{bad_rows, proof, recorded, refuse_nameless};
use crate::database::{Session, Stop};
use crate::engine::Engine;
use crate::engine::failure::{Blame, Failure};
use crate::engine::loaded::Loaded;
use crate::engine::transaction::RunContext;
use crate::journal::{self, Phase, TransformationRecord};

/// What can be done before the table is locked: drains most of what changed, tries bad rows again, and finds out whether
/// the cut-over would fail. In transactions of its own.
pub(in crate::engine) async fn before_cut_over(
    backfill: &Backfill<'_>,
    begun: &TransformationRecord,
    session: &mut dyn Session,
) -> Result<(), Failure> {
    let index = backfill.loaded.step.index;
    session.begin_read().await.map_err(Failure::from_database)?;
    let plan = Plan::new(session, index, recorded(begun)?, Stage::SetUp).await;
    session.rollback().await.map_err(Failure::from_database)?;
    let plan = plan?;
    let mut drain = Drain::new(backfill.function(backfill.stop), &plan);
    drain.until_few(session, backfill.lease).await?;
    bad_rows::retry(&mut drain, session, backfill.lease).await?;
    session.begin_read().await.map_err(Failure::from_database)?;
    let looked = look(session, &plan).await;
    session.rollback().await.map_err(Failure::from_database)?;
    looked?;
    proof::prove(&mut drain, session, backfill.lease).await
}

/// Finds what is wrong with the rows.
async fn look(session: &mut dyn Session, plan: &Plan) -> Result<(), Failure> {
    let bad = journal::count_bad_rows(session, plan.index).await;
    let bad = bad.map_err(Failure::from_database)?;
    if bad > 0 {
        return Err(Failure::new(
            "failed",
            Blame::Operator,
            format!(
                "{bad} bad rows have no derived values yet (`wasmigrate bad-rows` lists them): mend the rows, or the component \
                 and run `migrate --replace`"
            ),
        ));
    }
    refuse_nameless(session, plan).await?;
    let Some(query) = plan.unset() else {
        return Ok(());
    };
    let unset = session.rows(&query, &[]).await;
    let unset = unset.map_err(Failure::from_database)?;
    let Some(key) = unset.first() else {
        return Ok(());
    };
    let required: Vec<&str> = plan.required().collect();
    Err(Failure::new(
        "failed",
        Blame::Step,
        format!(
            "the row with the key {} has no value in one of the columns that must not be null: {}",
            journal::write_key(key),
            required.join(", ")
        ),
    ))
}

/// Locks the table, drains what is left, and puts the derived columns in the place of the old ones.
pub(in crate::engine) async fn cut_over(
    engine: &Engine,
    context: &Arc<RunContext>,
    loaded: &Loaded,
    begun: &TransformationRecord,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<(), Failure> {
    let plan = Plan::new(session, loaded.step.index, recorded(begun)?, Stage::SetUp).await?;
    let locked = lock_table(session, &plan, stop).await;
    locked.map_err(Failure::from_database)?;
    let function = Function::new(engine, context, loaded, Phase::Finalize, stop);
    Drain::new(function, &plan).all(session).await?;
    let statements = plan.remove_capture().into_iter().chain(plan.cut_over());
    run(session, statements).await
}

/// Removes all that migrate added.
pub(in crate::engine) async fn reset(
    loaded: &Loaded,
    begun: &TransformationRecord,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<(), Failure> {
    let plan = Plan::new(session, loaded.step.index, recorded(begun)?, Stage::Either).await?;
    let locked = lock_table(session, &plan, stop).await;
    locked.map_err(Failure::from_database)?;
    let statements = plan.remove_capture().into_iter();
    run(session, statements.chain(plan.remove_columns())).await
}

async fn run(
    session: &mut dyn Session,
    statements: impl Iterator<Item = String>,
) -> Result<(), Failure> {
    for statement in statements {
        let sent = session.execute_later(&statement, &[]).await;
        sent.map_err(Failure::from_database)?;
    }
    let verified = session.verify().await;
    verified.map_err(Failure::from_database)
}
