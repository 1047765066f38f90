//! Which tenants and files a request concerns, and why it is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::overview;
use super::request::{RunRequest, database};
use super::snapshot::{File, Missing, TenantSnapshot};
use super::work::{self, Schedule, Task, Wave, Work, concerned};
use super::{
    ApplyError, RolloutStrategy, Source, Tenant, gone, owners, returning, sources, standing,
    waiting,
};
use crate::catalog::StepFile;
use crate::database::{Session, TenantPlace};
use crate::engine::extent::{Candidate, Extent, Plan, Standing};
use crate::engine::state::{self, Refusal, Verdict};
use crate::engine::{Engine, RunError};
use crate::journal::{self, LeaseRecord, Phase};

/// The files whose `migrate` is a part of this work.
pub(super) fn to_migrate(
    snapshot: &TenantSnapshot,
    work: Work,
    extent: &Extent,
) -> Result<Vec<StepFile>, RunError> {
    let mut schedule = work::schedule(snapshot, work, None);
    cut(&mut schedule, snapshot, work, extent)?;
    let migrates = |task: &&Task| task.phases.contains(&Phase::Migrate);
    let places = concerned(schedule.tasks().filter(migrates));
    let files = places.iter().filter_map(|place| snapshot.files.get(*place));
    Ok(files.map(|file| file.source.as_step(file.index)).collect())
}

/// The files that a new tenant begins with.
pub(super) fn for_new_tenants(snapshot: &TenantSnapshot) -> Vec<StepFile> {
    let files = snapshot.files.iter();
    let for_tenants = files.filter(|file| file.kind().is_for_tenants());
    for_tenants
        .map(|file| file.source.as_step(file.index))
        .collect()
}

/// What a request has to do: of a parallel run, for the tenants that are wanted.
pub(super) fn schedule(
    snapshot: &TenantSnapshot,
    failed: &Option<BTreeSet<String>>,
    request: &RunRequest<'_>,
    only: Option<usize>,
) -> Result<Schedule, RunError> {
    let mut schedule = work::schedule(snapshot, request.work, only);
    if let Some(failed) = failed {
        let is_wanted = |tenant: usize| {
            let name = snapshot.tenants.get(tenant);
            name.is_some_and(|name| failed.contains(name))
        };
        schedule.keep_tenants(is_wanted);
    }
    // What nobody lacks of those who are wanted is no step that counts.
    cut(&mut schedule, snapshot, request.work, &request.extent)?;
    Ok(schedule)
}

/// Why nothing of it is run: it waits for tenants that are not wanted.
pub(super) fn waiting(snapshot: &TenantSnapshot, schedule: &Schedule) -> Option<String> {
    let waiting = schedule.waiting.as_ref()?;
    let key = &snapshot.files.get(waiting.file)?.source.key;
    let name = |tenant: usize| snapshot.tenants.get(tenant).map(String::as_str);
    Some(waiting::not_wanted(&waiting.in_words(key, name)))
}

/// Leaves out the files that the operator does not want yet. Scripts and what is repeatable run with the last of the
/// migrations, for which they are written.
pub(super) fn cut(
    schedule: &mut Schedule,
    snapshot: &TenantSnapshot,
    work: Work,
    extent: &Extent,
) -> Result<(), RunError> {
    let Some(command) = work.command().filter(|_| *extent != Extent::All) else {
        return Ok(());
    };
    let places = |waves: &[Wave]| -> BTreeSet<usize> {
        let tasks = waves.iter().flatten();
        tasks.map(|task| task.file).collect()
    };
    let (first, last) = (places(&schedule.first), places(&schedule.finalize));
    let waiting = schedule.waiting.as_ref().map(|waiting| waiting.file);
    let is_missing = |place: &usize| {
        let missing = snapshot.missing.get(*place);
        missing.is_some_and(|missing| *missing != Missing::Nobody)
    };
    let files = (0..).zip(&snapshot.files);
    let migrations: Vec<(usize, &File)> =
        files.filter(|(_, file)| file.kind().runs_once()).collect();
    let candidates: Vec<Candidate<'_>> = migrations
        .iter()
        .map(|(place, file)| Candidate {
            index: file.index,
            name: &file.source.key,
            standing: match (first.contains(place), last.contains(place)) {
                (true, _) if work != Work::Reset => Standing::Pending,
                (false, false) if waiting == Some(*place) => match is_missing(place) {
                    true => Standing::Pending,
                    false => Standing::Migrated,
                },
                // Nobody is left who lacks it.
                (false, false) => Standing::Finalized,
                _ => Standing::Migrated,
            },
        })
        .collect();
    let is_applied = |(_, file): &&(usize, &File)| file.applied + file.started > 0;
    let applied = migrations.iter().filter(is_applied);
    let applied: Vec<u64> = applied.map(|(_, file)| file.index).collect();
    let plan = Plan::of(command, extent, &candidates, &applied).map_err(RunError::Refused)?;
    let all = Plan::of(command, &Extent::All, &candidates, &applied).map_err(RunError::Refused)?;
    let is_whole = plan.migrate == all.migrate;
    let is_taken = |place: &usize| {
        let file = snapshot.files.get(*place);
        file.is_some_and(|file| {
            plan.migrate.contains(&file.index) || plan.finalize.contains(&file.index)
        })
    };
    schedule.waiting.take_if(|waiting| !is_taken(&waiting.file));
    schedule.retain(|task| {
        let Some(file) = snapshot.files.get(task.file) else {
            return false;
        };
        let wanted = match task.phases {
            [Phase::Reset] => &plan.reset,
            [Phase::Finalize] => &plan.finalize,
            _ => &plan.migrate,
        };
        match file.kind().runs_once() {
            false => is_whole,
            true => wanted.contains(&file.index),
        }
    });
    Ok(())
}

/// The tenants whose failure stands, where a strategy wants only them.
pub(super) async fn failed(
    session: &mut dyn Session,
    snapshot: &TenantSnapshot,
    strategy: &RolloutStrategy,
) -> crate::database::Result<Option<BTreeSet<String>>> {
    let RolloutStrategy::Parallel {
        only_failed: true, ..
    } = strategy
    else {
        return Ok(None);
    };
    let failures = standing::failures(session, snapshot).await?;
    Ok(Some(failures.into_keys().collect()))
}

/// Refuses canaries that are no tenants.
pub(super) fn refuse_canaries(
    snapshot: &TenantSnapshot,
    strategy: &RolloutStrategy,
) -> Result<(), RunError> {
    let RolloutStrategy::Parallel { canaries, .. } = strategy else {
        return Ok(());
    };
    let is_known = |name: &String| snapshot.tenants.contains(name);
    match canaries.iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(canary) => Err(RunError::Refused(format!(
            "there is no tenant `{canary}`, which is to be a canary; nothing was run"
        ))),
    }
}

/// Refuses to run anything when migrations have changed since they were applied, or are gone.
pub(super) fn refuse(
    engine: &Engine,
    snapshot: &TenantSnapshot,
    work: Work,
) -> Result<(), ApplyError> {
    let missing = gone::problems(engine, snapshot);
    if !missing.is_empty() {
        return Err(RunError::Files(missing).into());
    }
    if work.finalizes_or_resets() {
        gone::refuse_unfinalized(snapshot)?;
    }
    if engine.options.allowances.changed {
        return Ok(());
    }
    if snapshot.changed().any(File::is_half_done) {
        return Err(RunError::Files(overview::changed(snapshot).collect()).into());
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
    match state::command(state, command, snapshot.has_pending()) {
        Verdict::Refuse(Refusal::FinalizationFailed) => Err(RunError::Refused(
            "the last finalize failed: run `finalize` again when its cause is fixed, or `reset` to undo the migration of what \
             is not finalized"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Refuses a new tenant whose files would run before one for the target itself that is pending and comes before them.
pub(super) fn refuse_ahead(
    snapshot: &TenantSnapshot,
    schedule: &Schedule,
    work: Work,
) -> Result<(), RunError> {
    let is_pending = |(place, file): &(usize, &File)| {
        let is_missing = |missing: &Missing| *missing != Missing::Nobody;
        file.kind().runs_once()
            && !file.kind().is_for_tenants()
            && snapshot.missing.get(*place).is_some_and(is_missing)
    };
    let mut files = snapshot.files.iter().enumerate();
    let Some((place, pending)) = files.find(is_pending).filter(|_| work != Work::Sync) else {
        return Ok(());
    };
    let mut tasks = schedule.tasks();
    let ahead = tasks.find(|task| task.tenant.is_some() && task.file > place);
    let Some(ahead) = ahead.and_then(|task| snapshot.files.get(task.file)) else {
        return Ok(());
    };
    Err(RunError::Refused(format!(
        "`{}` is pending, and comes before `{}` of the new tenant: run `wasmigrate migrate` first, and add the tenant then; \
         nothing was run",
        pending.source.key, ahead.source.key
    )))
}

/// The tenants, the new one after the others, of which is found out what it has already; and the schemas that are not there.
pub(super) async fn tenants(
    engine: &Engine,
    session: &mut dyn Session,
    snapshot: &mut TenantSnapshot,
    new_tenant: Option<&str>,
    manner: returning::Manner,
) -> Result<(Vec<Tenant>, BTreeSet<String>), ApplyError> {
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
        tenants.push(tenant);
    }
    let absent = match snapshot.place {
        TenantPlace::Schema => owners::check(session, &tenants).await?,
        TenantPlace::Database => BTreeSet::new(),
    };
    if let Some((name, tenant)) = new_tenant.zip(tenants.last()) {
        returning::read(snapshot, engine, session, tenant, manner).await?;
        snapshot.tenants.push(name.to_owned());
    }
    Ok((tenants, absent))
}

pub(super) fn tenants_of(snapshot: &TenantSnapshot, only: Option<usize>) -> u64 {
    match only {
        Some(_) => 1,
        None => snapshot.tenants.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::super::SourceKind;
    use super::super::snapshot::Missing;
    use super::*;

    fn request(canaries: &[&str]) -> RunRequest<'static> {
        RunRequest {
            work: Work::Migrate,
            extent: Extent::All,
            strategy: RolloutStrategy::Parallel {
                workers: 2,
                canaries: canaries.iter().map(|name| (*name).to_owned()).collect(),
                stop_after: None,
                only_failed: true,
            },
            new_tenant: None,
            adopts_schema: false,
            verbose: false,
            waits: false,
        }
    }

    fn snapshot() -> TenantSnapshot {
        let files = [
            ("shared", SourceKind::SingleMigration),
            ("one", SourceKind::TenantMigration),
        ];
        let mut snapshot = TenantSnapshot::of(&files, &["acme", "beta"]);
        snapshot.missing = vec![Missing::All, Missing::All];
        snapshot
    }

    #[test]
    fn only_the_tenants_that_failed_and_the_target_itself_are_left() {
        let snapshot = snapshot();
        let tenants = |failed: Option<BTreeSet<String>>| {
            let schedule = schedule(&snapshot, &failed, &request(&[]), None).unwrap();
            schedule.tasks().map(|task| task.tenant).collect::<Vec<_>>()
        };
        assert_eq!(tenants(None), [None, Some(0), Some(1)]);
        let beta = BTreeSet::from(["beta".to_owned()]);
        assert_eq!(tenants(Some(beta)), [None, Some(1)]);
        assert_eq!(tenants(Some(BTreeSet::new())), [None]);
    }

    #[test]
    fn a_number_of_steps_counts_those_that_somebody_lacks() {
        let mut snapshot = snapshot();
        snapshot.missing[0] = Missing::Nobody;
        let one = Extent::new(None, std::num::NonZero::new(1)).unwrap();
        let request = RunRequest {
            extent: one,
            ..request(&[])
        };
        let files = |snapshot: &TenantSnapshot, failed: Option<BTreeSet<String>>| {
            let schedule = schedule(snapshot, &failed, &request, None).unwrap();
            let waiting = schedule.waiting.as_ref().map(|waiting| waiting.file);
            let files: Vec<usize> = schedule.tasks().map(|task| task.file).collect();
            (files, waiting)
        };
        assert_eq!(files(&snapshot, None), (vec![1, 1], None));
        // `acme` alone lacks the first one for tenants, and the other one waits for it.
        let kinds = [
            ("one", SourceKind::TenantMigration),
            ("shared", SourceKind::SingleMigration),
        ];
        let mut snapshot = TenantSnapshot::of(&kinds, &["acme", "beta"]);
        snapshot.missing = vec![Missing::Some(vec![0]), Missing::All];
        let only = |name: &str| Some(BTreeSet::from([name.to_owned()]));
        assert_eq!(files(&snapshot, only("acme")), (vec![0], None));
        assert_eq!(files(&snapshot, only("beta")), (vec![], Some(1)));
    }

    #[test]
    fn a_canary_is_a_tenant() {
        let refused = |canary| refuse_canaries(&snapshot(), &request(&[canary]).strategy);
        assert!(refused("beta").is_ok());
        assert!(refused("gamma").is_err());
    }
}
