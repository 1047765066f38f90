//! One run of tenants, from the look at the journal to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::atomic;
use super::context::{TenancyContext, outcome_of, refuse_outside};
use super::parallel::{self, ParallelOptions};
use super::snapshot::{self, TenantSnapshot};
use super::work::{self, Wave, Work};
use super::{
    ApplyError, FileFailure, RolloutStrategy, Source, TenancyOptions, Tenant, name, sources,
};
use crate::catalog::StepFile;
use crate::database::{Access, Durability, ErrorKind, Kind, Session, Stop};
use crate::engine::event::{Event, Observer};
use crate::engine::failure::{Blame, Failure};
use crate::engine::heartbeat::Heartbeat;
use crate::engine::program::Program;
use crate::engine::run_output::RunOutput;
use crate::engine::state::{Command, Order};
use crate::engine::{Engine, Report, RunError, SUPERUSER, gate, loaded};
use crate::journal::{self, Lease, LeaseRecord, Outcome, Phase};

/// What a run is to do, and how.
pub(super) struct RunRequest<'t> {
    pub(super) work: Work,
    pub(super) strategy: RolloutStrategy,
    /// The tenant to add; only its files are run then.
    pub(super) new_tenant: Option<&'t str>,
    pub(super) verbose: bool,
    /// Whether to wait for whoever else works on the target.
    pub(super) waits: bool,
}

/// What became of it.
pub(super) struct TenancyReport {
    /// None when there was nothing to do, and in a dry run.
    pub(super) run: Option<i64>,
    pub(super) outcome: Outcome,
    pub(super) failure: Option<FileFailure>,
    /// For how many tenants it ran.
    pub(super) tenants: u64,
    /// The files that were run with how often they were, in order.
    pub(super) files: Vec<(Source, u64)>,
}

impl TenancyReport {
    pub(super) fn nothing() -> Self {
        Self {
            run: None,
            outcome: Outcome::Done,
            failure: None,
            tenants: 0,
            files: Vec::new(),
        }
    }
}

/// Where the target and its tenants stand now.
pub(super) async fn look(
    engine: &Engine,
    options: &TenancyOptions,
) -> Result<TenantSnapshot, RunError> {
    let mut session = engine.database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let digests = engine.remembered_digests();
    let snapshot = snapshot::read(engine, options, &digests, &mut *session).await;
    session.rollback().await?;
    snapshot
}

/// Runs a command of those that steps without tenants have.
pub(in crate::engine) async fn run(
    engine: &Engine,
    options: &TenancyOptions,
    order: Order,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Report, RunError> {
    let request = RunRequest {
        work: match order.command {
            Command::Migrate => Work::Migrate,
            Command::Finalize => Work::Finalize,
            Command::Reset => Work::Reset,
        },
        strategy: options.strategy.clone(),
        new_tenant: None,
        verbose: order.verbose,
        waits: engine.options.wait,
    };
    let report = drive(engine, options, &request, observer, stop).await;
    let report = report.map_err(as_refusal)?;
    Ok(Report {
        run: report.run,
        outcome: report.outcome,
        state: engine.overview().await.ok().map(|overview| overview.state),
        failure: report.failure.map(|failure| failure.failure),
    })
}

/// Runs a request to its end.
pub(super) async fn drive(
    engine: &Engine,
    options: &TenancyOptions,
    request: &RunRequest<'_>,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<TenancyReport, ApplyError> {
    loop {
        if stop.is_cancelled() {
            return Err(RunError::Cancelled.into());
        }
        let snapshot = look(engine, options).await?;
        if let Some(lease) = snapshot.lease.clone().filter(LeaseRecord::is_live) {
            wait(engine, request, lease, &*observer, stop).await?;
            continue;
        }
        refuse(engine, &snapshot)?;
        let is_dead = snapshot.lease.is_some();
        if !has_work(&snapshot, request) && !is_dead {
            return Ok(TenancyReport::nothing());
        }
        // A new tenant has no readers yet.
        let migrates = !matches!(request.work, Work::Reset | Work::Sync);
        if migrates && request.new_tenant.is_none() {
            engine.refuse_dangers_of(to_migrate(&snapshot, request.work).iter())?;
        }
        let mut session = match engine.open_to_run(stop).await {
            Ok(Some(session)) => session,
            Ok(None) => continue,
            Err(error) if error.kind == ErrorKind::Busy => {
                let lease = look(engine, options).await?.lease;
                let Some(lease) = lease.filter(|lease| !lease.is_known_dead()) else {
                    return Err(RunError::from(error).into());
                };
                wait(engine, request, lease, &*observer, stop).await?;
                continue;
            }
            Err(error) => return Err(RunError::from(error).into()),
        };
        let digests = engine.remembered_digests();
        let mut snapshot = snapshot::read(engine, options, &digests, &mut *session).await?;
        if snapshot.lease.as_ref().is_some_and(LeaseRecord::is_live) {
            continue;
        }
        refuse(engine, &snapshot)?;
        let tenants = tenants(engine, &mut *session, &mut snapshot, request.new_tenant).await?;
        let only = request.new_tenant.map(|_| snapshot.tenants.len() - 1);
        let mut waves = work::waves(&snapshot, request.work, only);
        narrow(&mut waves, &snapshot, &request.strategy, &mut *session).await?;
        if waves.is_empty() && request.new_tenant.is_none() {
            // A host died between its last commit and the end of its run, or another has done it all.
            database(journal::end_dead_runs(&mut *session, None).await)?;
            database(session.commit().await)?;
            return Ok(TenancyReport::nothing());
        }
        let ids = write_sources(engine, &snapshot, &waves, &mut *session).await?;
        let phase = match request.work {
            Work::Reset => Phase::Reset,
            _ => Phase::Prepare,
        };
        let lease = database(
            journal::start_run(
                &mut *session,
                request.work.as_str(),
                phase,
                request.verbose,
                engine.options.lease,
            )
            .await,
        )?;
        database(session.commit().await)?;
        session.label(lease.run);
        observer.notify(&Event::RunStarted {
            run: lease.run,
            command: request.work.as_str().to_owned(),
            steps: concerned(&waves).len(),
        });
        if session.server().is_superuser {
            observer.notify(&Event::Warning {
                message: SUPERUSER.to_owned(),
            });
        }
        let heartbeat = Heartbeat::start(Arc::clone(&engine.database), lease.clone(), stop.clone());
        engine.is_at_work.store(true, Ordering::Relaxed);
        let tenancy = TenancyContext {
            engine,
            options,
            files: &snapshot.files,
            ids: &ids,
            loaded: BTreeMap::new(),
            tenants,
            observer: Arc::clone(&observer),
            stop,
            lease: Some(lease.clone()),
            last_applied: AtomicI64::new(snapshot.last_applied),
        };
        let report = run_waves(tenancy, request, only, waves, session, &lease).await;
        engine.is_at_work.store(false, Ordering::Relaxed);
        drop(heartbeat);
        return report;
    }
}

/// The files whose `migrate` is a part of this work.
pub(super) fn to_migrate(snapshot: &TenantSnapshot, work: Work) -> Vec<StepFile> {
    let mut waves = work::waves(snapshot, work, None);
    for wave in &mut waves {
        wave.retain(|task| task.phases.contains(&Phase::Migrate));
    }
    let places = concerned(&waves);
    let files = places.iter().filter_map(|place| snapshot.files.get(*place));
    files.map(|file| file.source.as_step(file.index)).collect()
}

pub(super) fn as_refusal(error: ApplyError) -> RunError {
    match error {
        ApplyError::Run(error) => error,
        other => RunError::Refused(other.to_string()),
    }
}

/// Runs the waves and ends the run.
async fn run_waves(
    mut tenancy: TenancyContext<'_>,
    request: &RunRequest<'_>,
    only: Option<usize>,
    waves: Vec<Wave>,
    mut session: Box<dyn Session>,
    lease: &Lease,
) -> Result<TenancyReport, ApplyError> {
    let mut report = TenancyReport {
        run: Some(lease.run),
        tenants: match (only, &request.new_tenant) {
            (Some(_), _) => 1,
            (None, _) => tenancy.tenants.len() as u64,
        },
        ..TenancyReport::nothing()
    };
    let mut ready = Ok(());
    if request.work != Work::Sync {
        let is_one_transaction = request.strategy == RolloutStrategy::Atomic || only.is_some();
        ready = load(&mut tenancy, request.work, &waves, is_one_transaction);
    }
    if ready.is_ok() && request.work.finalizes() {
        ready = pass_the_gate(&tenancy, &waves, lease).await;
    }
    if ready.is_ok() {
        ready = set_phase(&mut *session, request.work, lease).await;
    }
    let output = Arc::new(RunOutput::default());
    let result = match (ready, &request.strategy) {
        (Err(failure), _) => {
            let outcome = match failure.code.as_str() {
                "refused" => Outcome::Refused,
                _ => outcome_of(&failure),
            };
            end(&mut *session, lease, &output, outcome, Some(&failure)).await;
            Err((outcome, tenancy.unnamed(failure)))
        }
        (
            Ok(()),
            RolloutStrategy::Parallel {
                workers,
                canaries,
                stop_after,
                ..
            },
        ) if only.is_none() && request.work != Work::Sync => {
            let options = ParallelOptions {
                workers: *workers,
                canaries,
                stop_after: *stop_after,
            };
            parallel::run(&tenancy, session, &options, &waves, lease, &output).await
        }
        (Ok(()), _) => {
            let new_tenant = only.and(request.new_tenant);
            atomic::run(
                &tenancy,
                session,
                request.work,
                new_tenant,
                &waves,
                lease,
                &output,
            )
            .await
        }
    };
    match result {
        Ok(()) => report.files = files(&tenancy, &waves)?,
        Err((outcome, failure)) => {
            report.outcome = outcome;
            report.failure = Some(failure);
        }
    }
    tenancy.observer.notify(&Event::RunEnded {
        run: lease.run,
        outcome: report.outcome,
        state: tenancy
            .engine
            .overview()
            .await
            .ok()
            .map(|overview| overview.state),
        failure: report
            .failure
            .clone()
            .map(|failure| Box::new(failure.failure)),
    });
    Ok(report)
}

/// Reads the files that are to be run, and refuses those that cannot be.
pub(super) fn load(
    tenancy: &mut TenancyContext<'_>,
    work: Work,
    waves: &[Wave],
    is_one_transaction: bool,
) -> Result<(), Failure> {
    let migrated: BTreeSet<usize> = waves
        .iter()
        .flatten()
        .filter(|task| task.phases.contains(&Phase::Migrate))
        .map(|task| task.file)
        .collect();
    let places = concerned(waves);
    let steps: Vec<_> = places
        .iter()
        .filter_map(|place| tenancy.files.get(*place))
        .map(|file| file.source.as_step(file.index))
        .collect();
    let steps: Vec<_> = steps.iter().collect();
    let loaded = loaded::load(tenancy.engine, &steps, &*tenancy.observer, tenancy.stop)?;
    for (place, step) in places.iter().zip(&loaded) {
        let label = &step.step.label;
        if is_one_transaction && step.is_outside() && migrated.contains(place) {
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
        let cannot_be_undone = work == Work::Reset
            && step.program.has(Phase::Migrate)
            && !step.program.has(Phase::Reset);
        if cannot_be_undone {
            return Err(Failure::new(
                "refused",
                Blame::Step,
                "it has no section `-- wasmigrate:reset`, so that what it did cannot be undone; nothing was reset",
            )
            .of(label, Phase::Reset));
        }
    }
    tenancy.loaded = places.into_iter().zip(loaded).collect();
    Ok(())
}

/// The places of the files that the waves run, in order.
pub(super) fn concerned(waves: &[Wave]) -> Vec<usize> {
    let mut places: Vec<usize> = waves.iter().flatten().map(|task| task.file).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// The files that were run, with how often each was.
pub(super) fn files(
    tenancy: &TenancyContext<'_>,
    waves: &[Wave],
) -> Result<Vec<(Source, u64)>, RunError> {
    let mut counts: BTreeMap<usize, BTreeSet<Option<usize>>> = BTreeMap::new();
    for task in waves.iter().flatten() {
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

async fn pass_the_gate(
    tenancy: &TenancyContext<'_>,
    waves: &[Wave],
    lease: &Lease,
) -> Result<(), Failure> {
    let Some(gate) = &tenancy.engine.options.gate else {
        return Ok(());
    };
    let places = concerned(waves);
    let loaded = places.iter().filter_map(|place| tenancy.loaded.get(place));
    let labels = loaded.map(|loaded| loaded.step.label.clone()).collect();
    gate::pass(
        gate,
        tenancy.engine.database.name(),
        lease.run,
        labels,
        tenancy.stop,
    )
    .await
}

async fn set_phase(session: &mut dyn Session, work: Work, lease: &Lease) -> Result<(), Failure> {
    let phase = match work {
        Work::Reset => return Ok(()),
        Work::Apply | Work::Sync | Work::Migrate | Work::Finalize => Phase::Migrate,
    };
    let written = async {
        session.begin(Durability::Deferred).await?;
        journal::set_phase(session, lease.run, phase, None).await?;
        lease.fence(session).await?;
        session.commit().await
    };
    written.await.map_err(Failure::from_database)
}

/// Ends a run that left nothing to commit. What cannot be written down is found by the next host.
pub(super) async fn end(
    session: &mut dyn Session,
    lease: &Lease,
    output: &RunOutput,
    outcome: Outcome,
    failure: Option<&Failure>,
) {
    let written = async {
        session.rollback().await?;
        session.reconnect().await?;
        output.rolled_back();
        session.begin(Durability::Flushed).await?;
        let error = failure.map(Failure::to_json);
        journal::end_run(session, lease.run, outcome, error.as_ref()).await?;
        output.write(session, lease).await?;
        lease.fence(session).await?;
        lease.release(session).await?;
        session.commit().await
    };
    let written: crate::database::Result<()> = written.await;
    if let Err(error) = written {
        tracing::warn!(
            "the end of run {} could not be written down: {error}",
            lease.run
        );
    }
}

/// Whether there is anything to do.
fn has_work(snapshot: &TenantSnapshot, request: &RunRequest<'_>) -> bool {
    if request.new_tenant.is_some() {
        return true;
    }
    !work::waves(snapshot, request.work, None).is_empty()
}

/// Leaves out the tenants that are not wanted.
async fn narrow(
    waves: &mut Vec<Wave>,
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
        let failed = parallel::failed_tenants(session, run).await?;
        let is_wanted = |tenant: usize| {
            let name = snapshot.tenants.get(tenant);
            name.is_some_and(|name| failed.contains(name))
        };
        for wave in waves.iter_mut() {
            wave.retain(|task| task.tenant.is_none_or(is_wanted));
        }
        waves.retain(|wave| !wave.is_empty());
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

/// The tenants, the new one behind the others.
pub(super) async fn tenants(
    engine: &Engine,
    session: &mut dyn Session,
    snapshot: &mut TenantSnapshot,
    new_tenant: Option<&str>,
) -> Result<Vec<Tenant>, ApplyError> {
    let reserved = database(name::reserved_words(session).await)?;
    let mut tenants: Vec<Tenant> = Vec::with_capacity(snapshot.tenants.len() + 1);
    let mut schemas = BTreeMap::new();
    for name in &snapshot.tenants {
        let tenant = Tenant::new(name, snapshot.kind, &reserved);
        if snapshot.kind == Kind::Postgres
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
        let tenant = Tenant::new(name, snapshot.kind, &reserved);
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

/// Writes down the files that are about to run, as they are now; returns the numbers of all files.
async fn write_sources(
    engine: &Engine,
    snapshot: &TenantSnapshot,
    waves: &[Wave],
    session: &mut dyn Session,
) -> Result<Vec<i64>, ApplyError> {
    let known = database(journal::read_sources(session).await)?;
    let mut next = known.last().map_or(0, |record| record.id) + 1;
    let mut ids: Vec<i64> = snapshot
        .files
        .iter()
        .map(|file| file.id.unwrap_or(0))
        .collect();
    for place in concerned(waves) {
        let (Some(file), Some(id)) = (snapshot.files.get(place), ids.get_mut(place)) else {
            continue;
        };
        if file.applied_digest.as_ref() == Some(&file.digest) {
            continue;
        }
        // One that was applied keeps what it held then.
        if file.applied + file.started > 0 {
            continue;
        }
        if *id == 0 {
            *id = next;
            next += 1;
        }
        let source = sources::read(engine, &file.source)?;
        let record = sources::record(*id, &source);
        database(journal::write_source(session, &record, &source.contents).await)?;
    }
    Ok(ids)
}

async fn wait(
    engine: &Engine,
    request: &RunRequest<'_>,
    lease: LeaseRecord,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<(), RunError> {
    if request.waits {
        return engine.wait_until_free(lease, observer, stop).await;
    }
    Err(RunError::Held(lease))
}

pub(super) fn database<T>(result: crate::database::Result<T>) -> Result<T, RunError> {
    result.map_err(RunError::Database)
}
