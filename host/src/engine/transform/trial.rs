//! Tries what finalize will do to the schema, and undoes it: what stands on a column that goes is better told of before the
//! cut-over. Where a change of a table's shape writes all of its rows anew it is tried on an empty copy of the schema.

use std::collections::BTreeMap;

use super::lock::lock_tables;
use super::neighbours::earlier;
use super::plan::{Plan, Stage};
use super::record::recorded;
use crate::database::{Durability, Error, Session, Stop};
use crate::engine::failure::{Blame, Failure};
use crate::journal::{Snapshot, StepState, TransformationRecord};
use crate::sandbox::Transformation;

/// Tries the cut-over of a transformation that is being set up, in the open transaction.
pub(super) async fn try_cut_over(
    session: &mut dyn Session,
    plan: &Plan,
    begun: &BTreeMap<u64, TransformationRecord>,
) -> Result<(), Failure> {
    // Those before are final by then.
    let earlier = earlier(plan.table.index, &plan.description, begun);
    let earlier = plans(session, &earlier, begun).await?;
    if session.server().capabilities.schema_change_rewrites_table {
        let transforming = session.server().transforming;
        let others = earlier.iter();
        let mut statements: Vec<String> = others
            .flat_map(|plan| transforming.remove_triggers(&plan.table))
            .collect();
        statements.extend(plan.table.cut_over_of_schema(session));
        let tried = transforming.try_on_empty_copy(session, &statements).await;
        return tried.map_err(|(_, error)| hindered(error, "finalize"));
    }
    let savepoint = session.savepoint().await;
    let savepoint = savepoint.map_err(Failure::from_database)?;
    for other in &earlier {
        let removed = other.table.remove_triggers(session).await;
        removed.map_err(Failure::from_database)?;
    }
    change(session, plan).await?;
    let undone = session.roll_back_to(savepoint).await;
    undone.map_err(Failure::from_database)
}

/// Tries the cut-overs of all transformations that were begun, in their order, in a transaction of its own. A failure comes with
/// the place of the transformation whose it is.
pub(in crate::engine) async fn try_cut_overs(
    begun: &[(u64, &TransformationRecord)],
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<(), (usize, Failure)> {
    let of_first = |error| (0, Failure::from_database(error));
    let copies = session.server().capabilities.schema_change_rewrites_table;
    let opened = match copies {
        true => session.begin_read().await,
        false => session.begin(Durability::Deferred).await,
    };
    opened.map_err(of_first)?;
    let tried = async {
        let mut described = Vec::with_capacity(begun.len());
        for (place, (index, record)) in begun.iter().enumerate() {
            let description = recorded(record).map_err(|failure| (place, failure))?;
            described.push((*index, description));
        }
        try_in_transaction(&described, session, stop).await
    };
    let tried = tried.await;
    let rolled_back = session.rollback().await;
    tried.and_then(|()| rolled_back.map_err(of_first))
}

/// What the transformations that are migrated and not final said of themselves. (A record that cannot be read is told of by
/// the finalize.)
pub(in crate::engine) fn migrated(snapshot: &Snapshot) -> Vec<(u64, Transformation)> {
    let is_migrated = |index: &u64| {
        let step = snapshot.steps.get(index);
        step.is_some_and(|step| step.state == StepState::Migrated)
    };
    let begun = snapshot.transformations.iter();
    let migrated = begun.filter(|(index, _)| is_migrated(index));
    migrated
        .filter_map(|(index, record)| Some((*index, recorded(record).ok()?)))
        .collect()
}

/// The same in the open transaction, which must be rolled back.
pub(in crate::engine) async fn try_in_transaction(
    described: &[(u64, Transformation)],
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<(), (usize, Failure)> {
    let mut plans = Vec::with_capacity(described.len());
    for (place, (index, description)) in described.iter().enumerate() {
        let plan = Plan::new(session, *index, description.clone(), Stage::SetUp).await;
        plans.push(plan.map_err(|failure| (place, failure))?);
    }
    if session.server().capabilities.schema_change_rewrites_table {
        let transforming = session.server().transforming;
        let mut statements = Vec::new();
        let mut places = Vec::new();
        for (place, plan) in plans.iter().enumerate() {
            let of_plan = plan.table.cut_over_of_schema(session);
            places.extend(of_plan.iter().map(|_| place));
            statements.extend(of_plan);
        }
        let tried = transforming.try_on_empty_copy(session, &statements).await;
        return tried.map_err(|(statement, error)| {
            let place = places.get(statement).copied().unwrap_or_default();
            (place, hindered(error, "finalize"))
        });
    }
    let locked = lock_tables(session, &plans, stop).await;
    locked.map_err(|(place, error)| (place, Failure::from_database(error)))?;
    for (place, plan) in plans.iter().enumerate() {
        change(session, plan)
            .await
            .map_err(|failure| (place, failure))?;
    }
    Ok(())
}

async fn change(session: &mut dyn Session, plan: &Plan) -> Result<(), Failure> {
    let changed = async {
        plan.table.remove_triggers(session).await?;
        plan.table.cut_over_empty(session).await?;
        session.settle().await
    };
    changed.await.map_err(|error| hindered(error, "finalize"))
}

/// The failure of an error that keeps a column from going: what stands on the column, and what leads on. Dropping it along with
/// the column, as a server advises, is no word of a transformation.
pub(super) fn hindered(error: Error, command: &str) -> Failure {
    let Some(object) = error.dependent() else {
        return Failure::from_database(error);
    };
    let hint = format!(
        "{object} needs a column that `{command}` takes away: drop it in a step before, or change the file that makes it, and run \
         the command again"
    );
    Failure {
        blame: Blame::Step,
        ..Failure::from_database(Error {
            hint: Some(hint),
            ..error
        })
    }
}

/// Removes the triggers of other transformations.
pub(super) async fn remove_triggers_of(
    session: &mut dyn Session,
    others: &[u64],
    begun: &BTreeMap<u64, TransformationRecord>,
) -> Result<(), Failure> {
    for plan in plans(session, others, begun).await? {
        let removed = plan.table.remove_triggers(session).await;
        removed.map_err(Failure::from_database)?;
    }
    Ok(())
}

/// These transformations, as far as they were begun, laid beside their tables.
async fn plans(
    session: &mut dyn Session,
    of: &[u64],
    begun: &BTreeMap<u64, TransformationRecord>,
) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::with_capacity(of.len());
    for index in of {
        if let Some(described) = begun.get(index).map(recorded).transpose()? {
            plans.push(Plan::new(session, *index, described, Stage::Either).await?);
        }
    }
    Ok(plans)
}
