//! Which tenants and files a request concerns, and why it is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::overview;
use super::request::{RunRequest, database};
use super::snapshot::{self, TenantSnapshot};
use super::work::{self, Schedule, Task, Work, concerned};
use super::{ApplyError, RolloutStrategy, Source, Tenant, sources};
use crate::catalog::StepFile;
use crate::database::{Session, TenantPlace};
use crate::engine::state::{self, Refusal, Verdict};
use crate::engine::{Engine, RunError};
use crate::journal::{self, LeaseRecord, Phase};

/// The files whose `migrate` is a part of this work.
pub(super) fn to_migrate(snapshot: &TenantSnapshot, work: Work) -> Vec<StepFile> {
    let schedule = work::schedule(snapshot, work, None);
    let migrates = |task: &&Task| task.phases.contains(&Phase::Migrate);
    let places = concerned(schedule.tasks().filter(migrates));
    let files = places.iter().filter_map(|place| snapshot.files.get(*place));
    files.map(|file| file.source.as_step(file.index)).collect()
}

/// Whether there is anything to do.
pub(super) fn has_work(snapshot: &TenantSnapshot, request: &RunRequest<'_>) -> bool {
    if request.new_tenant.is_some() {
        return true;
    }
    !work::schedule(snapshot, request.work, None).is_empty()
}

/// Leaves out the tenants that are not wanted.
pub(super) async fn narrow(
    schedule: &mut Schedule,
    snapshot: &TenantSnapshot,
    strategy: &RolloutStrategy,
    session: &mut dyn Session,
) -> Result<(), RunError> {
    let RolloutStrategy::Parallel {
        canaries,
        only_failed,
        ..
    } = strategy
    else {
        return Ok(());
    };
    if let Some(canary) = canaries
        .iter()
        .find(|name| !snapshot.tenants.contains(name))
    {
        return Err(RunError::Refused(format!(
            "there is no tenant `{canary}`, which is to be a canary; nothing was run"
        )));
    }
    if *only_failed {
        let run = snapshot.last_run.as_ref().map(|run| run.id);
        let failed = failed_tenants(session, run).await?;
        let is_wanted = |tenant: usize| {
            let name = snapshot.tenants.get(tenant);
            name.is_some_and(|name| failed.contains(name))
        };
        schedule.retain(|task| task.tenant.is_none_or(is_wanted));
    }
    Ok(())
}

/// Refuses to run anything when migrations have changed since they were applied.
pub(super) fn refuse(engine: &Engine, snapshot: &TenantSnapshot) -> Result<(), ApplyError> {
    if engine.options.allowances.changed {
        return Ok(());
    }
    let changed: Result<Vec<Source>, RunError> = snapshot
        .changed()
        .map(|file| sources::read(engine, &file.source))
        .collect();
    let changed = changed?;
    match changed.is_empty() {
        true => Ok(()),
        false => Err(ApplyError::Changed(changed)),
    }
}

/// Refuses to migrate after a failed finalize, as the state machine says.
pub(super) fn refuse_after_a_failed_finalize(
    snapshot: &TenantSnapshot,
    request: &RunRequest<'_>,
) -> Result<(), RunError> {
    let Some(command) = request.work.command() else {
        return Ok(());
    };
    let state = overview::state_of(snapshot, LeaseRecord::is_live);
    match state::command(state, command) {
        Verdict::Refuse(Refusal::FinalizationFailed) => Err(RunError::Refused(
            "the last finalize failed: run `finalize` again when its cause is fixed, or `reset` to undo the migration of what \
             is not finalized"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// The tenants, the new one after the others.
pub(super) async fn tenants(
    engine: &Engine,
    session: &mut dyn Session,
    snapshot: &mut TenantSnapshot,
    new_tenant: Option<&str>,
) -> Result<Vec<Tenant>, ApplyError> {
    let reserved = database(journal::reserved_words(session).await)?;
    let mut tenants: Vec<Tenant> = Vec::with_capacity(snapshot.tenants.len() + 1);
    let mut schemas = BTreeMap::new();
    for name in &snapshot.tenants {
        let tenant = Tenant::new(name, snapshot.place, &reserved);
        if snapshot.place == TenantPlace::Schema
            && let Some(other) = schemas.insert(tenant.schema.clone(), name.clone())
        {
            return Err(RunError::Refused(format!(
                "the tenants `{other}` and `{name}` have one schema, `{}`: name one of them otherwise",
                tenant.schema
            ))
            .into());
        }
        tenants.push(tenant);
    }
    if let Some(name) = new_tenant {
        let tenant = Tenant::new(name, snapshot.place, &reserved);
        let exists = snapshot.tenants.iter().any(|tenant| tenant == name);
        if exists || schemas.contains_key(&tenant.schema) {
            return Err(ApplyError::TenantExists(name.to_owned()));
        }
        snapshot::read_new(snapshot, engine, name).await?;
        snapshot.tenants.push(name.to_owned());
        tenants.push(tenant);
    }
    Ok(tenants)
}

pub(super) fn tenants_of(snapshot: &TenantSnapshot, only: Option<usize>) -> u64 {
    match only {
        Some(_) => 1,
        None => snapshot.tenants.len() as u64,
    }
}

/// The tenants that failed in a run.
async fn failed_tenants(
    session: &mut dyn Session,
    run: Option<i64>,
) -> Result<BTreeSet<String>, RunError> {
    let Some(run) = run else {
        return Ok(BTreeSet::new());
    };
    if !journal::has_tenants(session).await? {
        return Ok(BTreeSet::new());
    }
    let failures = journal::read_failures(session, run).await?;
    Ok(failures
        .into_iter()
        .filter_map(|failure| failure.tenant)
        .collect())
}
