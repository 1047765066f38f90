//! finalize and reset of a transformation, in the transaction that all steps share.

use super::context::Backfill;
use super::drain::{AT_ONCE, Drain};
use super::function::Function;
use super::lock::{lock_table, lock_tables};
use super::plan::{Plan, Stage};
use super::questions::{refuse_left_out, refuse_nameless};
use super::record::{demand_watch, recorded, unwatched, watch};
use super::trial::hindered;
use super::{bad_rows, left_out, proof};
use crate::database::{Durability, Session, Stop};
use crate::engine::Engine;
use crate::engine::failure::{Blame, Failure};
use crate::engine::loaded::Loaded;
use crate::engine::step_output::StepIdentity;
use crate::journal::{self, Fenced, Phase, TransformationRecord};
use crate::output::counted;

/// What can be done before the table is locked: drains most of what changed, tries bad rows again, and finds out whether
/// the cut-over would fail. In transactions of its own.
pub(in crate::engine) async fn before_cut_over(
    backfill: &Backfill<'_>,
    begun: &TransformationRecord,
    session: &mut dyn Session,
) -> Result<(), Failure> {
    let index = backfill.loaded.step.index;
    session.begin_read().await.map_err(Failure::from_database)?;
    let plan = async {
        let plan = Plan::new(session, index, recorded(begun)?, Stage::SetUp).await?;
        let watch = demand_watch(session, &plan, &begun.description).await?;
        Ok((plan, watch))
    };
    let plan = plan.await;
    session.rollback().await.map_err(Failure::from_database)?;
    let (plan, watch) = plan?;
    secure(session, &plan, backfill).await?;
    let mut drain = Drain::new(backfill.function(backfill.stop), &plan);
    let left = drain.until_few(session, backfill.lease).await?;
    refuse_slow(backfill.engine, &plan, left)?;
    drain.retry_bad_rows(session, backfill.lease).await?;
    look_at(session, &plan, false).await?;
    left_out::take_up(&mut drain, session, backfill.lease, &watch.new_parts).await?;
    if !watch.new_parts.is_empty() {
        let recorded = async {
            let mut fenced = Fenced::begin(session, backfill.lease, Durability::Deferred).await?;
            let before = &begun.description;
            journal::redescribe(fenced.session(), index, before, &watch.record).await?;
            fenced.commit().await
        };
        recorded.await.map_err(Failure::from_database)?;
    }
    look_at(session, &plan, true).await?;
    proof::prove(&mut drain, session, backfill.lease).await
}

/// Changes that come faster than they are computed anew are computed while the table is locked. Where that is so by the
/// operator's limit, the application would wait the longer for it.
fn refuse_slow(engine: &Engine, plan: &Plan, left: usize) -> Result<(), Failure> {
    match engine.options.transform.max_rows_per_second {
        Some(limit) if left > AT_ONCE => Err(Failure::new(
            "failed",
            Blame::Operator,
            format!(
                "the application changes rows of the table {} faster than {limit} a second are computed anew, which is the limit \
                 `transform.max_rows_per_second`: it would have to wait for {} of them; raise the limit for the \
                 finalize, or run it when less is changed",
                plan.table.name,
                counted(left as u64, "row", "rows"),
            ),
        )),
        _ => Ok(()),
    }
}

/// Gives the capture of an earlier version of the host what is new in it.
pub(super) async fn secure(
    session: &mut dyn Session,
    plan: &Plan,
    backfill: &Backfill<'_>,
) -> Result<(), Failure> {
    if !plan.table.has_function(session) {
        return Ok(());
    }
    let secured = async {
        session.begin(Durability::Deferred).await?;
        plan.table.install_function(session).await?;
        backfill.commit(session).await
    };
    secured.await.map_err(Failure::from_database)
}

/// Finds what is wrong with the rows, in a transaction of its own; whether a required value is missing only when all rows
/// `are_computed`.
async fn look_at(
    session: &mut dyn Session,
    plan: &Plan,
    are_computed: bool,
) -> Result<(), Failure> {
    session.begin_read().await.map_err(Failure::from_database)?;
    let looked = async {
        bad_rows::refuse(session, plan).await?;
        refuse_nameless(session, plan).await?;
        match are_computed {
            true => refuse_unset(session, plan).await,
            false => Ok(()),
        }
    };
    let looked = looked.await;
    session.rollback().await.map_err(Failure::from_database)?;
    looked
}

async fn refuse_unset(session: &mut dyn Session, plan: &Plan) -> Result<(), Failure> {
    let unset = plan.table.unset_row(session).await;
    let Some(key) = unset.map_err(Failure::from_database)? else {
        return Ok(());
    };
    refuse_left_out(session, plan, true).await?;
    let required: Vec<&str> = plan.table.required().collect();
    Err(Failure::new(
        "failed",
        Blame::Step,
        format!(
            "the row with the key {} has no value in one of the columns that must not be null: {}",
            journal::write_key(&key),
            required.join(", ")
        ),
    ))
}

/// Locks the tables of all transformations that are finalized or reset together, before anything else in their transaction
/// holds a lock that the application waits for. A failure comes with the place of the transformation whose it is.
pub(in crate::engine) async fn lock_all(
    begun: &[(u64, &TransformationRecord)],
    phase: Phase,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<(), (usize, Failure)> {
    let stage = match phase {
        Phase::Reset => Stage::Either,
        _ => Stage::SetUp,
    };
    let mut plans = Vec::with_capacity(begun.len());
    for (place, (index, record)) in begun.iter().enumerate() {
        let plan = async { Plan::new(session, *index, recorded(record)?, stage).await };
        plans.push(plan.await.map_err(|failure| (place, failure))?);
    }
    let locked = lock_tables(session, &plans, stop).await;
    locked.map_err(|(place, error)| (place, Failure::from_database(error)))
}

/// Drains what is left of a table that is locked, and puts the derived columns in the place of the old ones. `before` is
/// the step that was finalized before it in the same transaction.
pub(in crate::engine) async fn cut_over(
    backfill: &Backfill<'_>,
    begun: &TransformationRecord,
    before: Option<&Loaded>,
    session: &mut dyn Session,
) -> Result<(), Failure> {
    let index = backfill.loaded.step.index;
    let plan = Plan::new(session, index, recorded(begun)?, Stage::SetUp).await?;
    let watch = match (watch(session, &plan, &begun.description).await?, before) {
        (Some(watch), _) => watch,
        // It was unbroken before this transaction.
        (None, Some(before)) => return Err(changed_by_another(&plan, &before.step)),
        (None, None) => return Err(unwatched(&plan)),
    };
    if !watch.new_parts.is_empty() {
        return Err(Failure::new(
            "failed",
            Blame::Operator,
            format!(
                "the table {} got a partition while finalize began, whose rows were not gone through; nothing was dropped: run \
                 the command again",
                plan.table.name
            ),
        ));
    }
    let Backfill {
        engine,
        context,
        loaded,
        stop,
        ..
    } = *backfill;
    let function = Function::new(engine, context, loaded, Phase::Finalize, stop);
    Drain::new(function, &plan).all(session).await?;
    let changed = async {
        plan.table.remove_capture(session).await?;
        plan.table.cut_over(session).await?;
        // Which also puts the settings back, for the steps after this one.
        session.verify().await
    };
    changed.await.map_err(|error| hindered(error, "finalize"))
}

/// A step has rebuilt the table, or what captures its changes, in the finalize of both.
fn changed_by_another(plan: &Plan, before: &StepIdentity) -> Failure {
    Failure::new(
        "failed",
        Blame::Operator,
        format!(
            "a step that is finalized before it, {} or one before that, makes the table {} anew or drops what captures its \
             changes; nothing was changed. `wasmigrate finalize --to {}` finalizes these steps alone; then `wasmigrate migrate \
             --restart` computes all rows anew, and `wasmigrate finalize` finalizes the rest",
            before.label, plan.table.name, before.index
        ),
    )
}

/// Removes all that migrate added to a table that is locked. Returns what the operator should know.
pub(in crate::engine) async fn reset(
    loaded: &Loaded,
    begun: &TransformationRecord,
    session: &mut dyn Session,
) -> Result<Option<String>, Failure> {
    let plan = Plan::new(session, loaded.step.index, recorded(begun)?, Stage::Either).await?;
    let removed = async {
        let told = remove(session, &plan).await?;
        session.verify().await?;
        Ok(told)
    };
    removed.await.map_err(|error| hindered(error, "reset"))
}

/// Removes all that migrate added for a step whose file is gone for good, and what the journal keeps of it, in the open
/// transaction.
pub(in crate::engine) async fn abandon(
    index: u64,
    begun: &TransformationRecord,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<(), Failure> {
    let plan = Plan::new(session, index, recorded(begun)?, Stage::Either).await?;
    let removed = async {
        lock_table(session, &plan, stop).await?;
        // What is dropped runs no code of a step's, so that nothing has to be looked for before the commit.
        remove(session, &plan).await?;
        journal::forget_transformations(session, &[index]).await
    };
    removed.await.map_err(Failure::from_database)
}

/// Removes the capture and the derived columns. Returns what the operator should know.
pub(super) async fn remove(
    session: &mut dyn Session,
    plan: &Plan,
) -> crate::database::Result<Option<String>> {
    let strays = plan.table.remove_capture(session).await?;
    plan.table.remove_columns(session).await?;
    Ok((!strays.is_empty()).then(|| {
        format!(
            "the triggers that capture changes of {} were on {}, and were removed there; columns that the host had added to that \
             table stay",
            plan.table.name,
            strays.join(", ")
        )
    }))
}
