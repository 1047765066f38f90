//! The files of a run, loaded and checked before any of them runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::{TenancyContext, refuse_outside};
use super::work::{Schedule, concerned};
use super::{Source, sources};
use crate::engine::failure::{Blame, Failure};
use crate::engine::loaded::Loaded;
use crate::engine::program::Program;
use crate::engine::{RunError, irreversible, loaded};
use crate::journal::Phase;

/// Refuses files that are to be reset and cannot be. A component is asked for each tenant: what it says may depend on whose reset
/// it is.
pub(super) async fn refuse_irreversible(
    tenancy: &TenancyContext<'_>,
    schedule: &Schedule,
) -> Result<(), Failure> {
    let mut asked = BTreeSet::new();
    for task in schedule.tasks() {
        let Some(step) = tenancy.loaded.get(&task.file) else {
            continue;
        };
        let whose = match &step.program {
            Program::Component(_) => task.tenant,
            Program::Sql(_) | Program::Transformation(_) => None,
        };
        if asked.insert((task.file, whose)) {
            let context = tenancy.context(tenancy.tenant(task), &Arc::default());
            irreversible::refuse(tenancy.engine, step, &context.settings, tenancy.stop).await?;
        }
    }
    Ok(())
}

/// Reads the files that are to be run, and refuses those that cannot be.
pub(super) fn load(
    tenancy: &mut TenancyContext<'_>,
    schedule: &Schedule,
    is_one_transaction: bool,
) -> Result<(), Failure> {
    let migrated: BTreeSet<usize> = schedule
        .tasks()
        .filter(|task| task.phases.contains(&Phase::Migrate))
        .map(|task| task.file)
        .collect();
    let places = concerned(schedule.tasks());
    let steps: Vec<_> = places
        .iter()
        .filter_map(|place| tenancy.files.get(*place))
        .map(|file| file.source.as_step(file.index))
        .collect();
    let steps: Vec<_> = steps.iter().collect();
    let mut loaded = loaded::load(tenancy.engine, &steps, &*tenancy.observer, tenancy.stop)?;
    for (place, step) in places.iter().zip(&mut loaded) {
        let migrates = migrated.contains(place);
        if migrates && let Some(failure) = step.refusal.take() {
            return Err(failure);
        }
        refuse_unsuited(step, is_one_transaction && migrates)?;
    }
    tenancy.loaded = places.into_iter().zip(loaded).collect();
    Ok(())
}

/// Refuses a file that can be in no run of tenants, or in none that is one transaction.
pub(super) fn refuse_unsuited(step: &Loaded, is_one_transaction: bool) -> Result<(), Failure> {
    let label = &step.step.label;
    if is_one_transaction && step.is_outside() {
        return Err(refuse_outside(step).of(label, Phase::Prepare));
    }
    if let Program::Transformation(_) = &step.program {
        return Err(Failure::new(
            "refused",
            Blame::Operator,
            format!(
                "`{}` is a component of the world `transform`, which works in transactions of its own: runs for tenants take files \
                 of SQL and components of the world `step`",
                step.step.name
            ),
        )
        .of(label, Phase::Prepare));
    }
    Ok(())
}

/// The files that were run, with how often each was.
pub(super) fn files(
    tenancy: &TenancyContext<'_>,
    schedule: &Schedule,
) -> Result<Vec<(Source, u64)>, RunError> {
    let mut counts: BTreeMap<usize, BTreeSet<Option<usize>>> = BTreeMap::new();
    for task in schedule.tasks() {
        counts.entry(task.file).or_default().insert(task.tenant);
    }
    let read = counts.into_iter().filter_map(|(place, tenants)| {
        let file = tenancy.files.get(place)?;
        Some(
            sources::read(tenancy.engine, &file.source)
                .map(|source| (source, tenants.len() as u64)),
        )
    });
    read.collect()
}
