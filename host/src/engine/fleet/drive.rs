//! One run of a fleet, from the look at the journal to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::atomic;
use super::crew::{Crew, outcome_of, refuse_outside};
use super::parallel::{self, Manner};
use super::standing::{self, Standing};
use super::work::{self, Stage, Work};
use super::{ApplyError, FileFailure, FleetOptions, Source, Spread, Tenant, name, sources};
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
pub(super) struct Task<'t> {
    pub(super) work: Work,
    pub(super) spread: Spread,
    /// The tenant to add; only its files are run then.
    pub(super) new_tenant: Option<&'t str>,
    pub(super) verbose: bool,
    /// Whether to wait for whoever else works on the target.
    pub(super) waits: bool,
}

/// What became of it.
pub(super) struct Driven {
    /// None when there was nothing to do, and in a dry run.
    pub(super) run: Option<i64>,
    pub(super) outcome: Outcome,
    pub(super) failure: Option<FileFailure>,
    /// For how many tenants it ran.
    pub(super) tenants: u64,
    /// The files that were run with how often they were, in order.
    pub(super) files: Vec<(Source, u64)>,
}

impl Driven {
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

/// Where the fleet stands now.
pub(super) async fn look(engine: &Engine, options: &FleetOptions) -> Result<Standing, RunError> {
    let mut session = engine.database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let digests = engine.remembered_digests();
    let standing = standing::read(engine, options, &digests, &mut *session).await;
    session.rollback().await?;
    standing
}

/// Runs a command of those that steps without a fleet have.
pub(in crate::engine) async fn run(
    engine: &Engine,
    options: &FleetOptions,
    order: Order,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Report, RunError> {
    let task = Task {
        work: match order.command {
            Command::Migrate => Work::Migrate,
            Command::Finalize => Work::Finalize,
            Command::Reset => Work::Reset,
        },
        spread: options.spread.clone(),
        new_tenant: None,
        verbose: order.verbose,
        waits: engine.options.wait,
    };
    let driven = drive(engine, options, &task, observer, stop).await;
    let driven = driven.map_err(as_refusal)?;
    Ok(Report {
        run: driven.run,
        outcome: driven.outcome,
        state: engine.overview().await.ok().map(|overview| overview.state),
        failure: driven.failure.map(|failure| failure.failure),
    })
}

/// Runs a task to its end.
pub(super) async fn drive(
    engine: &Engine,
    options: &FleetOptions,
    task: &Task<'_>,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Driven, ApplyError> {
    loop {
        if stop.is_cancelled() {
            return Err(RunError::Cancelled.into());
        }
        let standing = look(engine, options).await?;
        if let Some(lease) = standing.lease.clone().filter(LeaseRecord::is_live) {
            wait(engine, task, lease, &*observer, stop).await?;
            continue;
        }
        refuse(engine, &standing)?;
        let is_dead = standing.lease.is_some();
        if !has_work(&standing, task) && !is_dead {
            return Ok(Driven::nothing());
        }
        // A new tenant has no readers yet.
        let migrates = !matches!(task.work, Work::Reset | Work::Sync);
        if migrates && task.new_tenant.is_none() {
            engine.refuse_dangers_of(to_migrate(&standing, task.work).iter())?;
        }
        let mut session = match engine.open_to_run(stop).await {
            Ok(Some(session)) => session,
            Ok(None) => continue,
            Err(error) if error.kind == ErrorKind::Busy => {
                let lease = look(engine, options).await?.lease;
                let Some(lease) = lease.filter(|lease| !lease.is_known_dead()) else {
                    return Err(RunError::from(error).into());
                };
                wait(engine, task, lease, &*observer, stop).await?;
                continue;
            }
            Err(error) => return Err(RunError::from(error).into()),
        };
        let digests = engine.remembered_digests();
        let mut standing = standing::read(engine, options, &digests, &mut *session).await?;
        if standing.lease.as_ref().is_some_and(LeaseRecord::is_live) {
            continue;
        }
        refuse(engine, &standing)?;
        let tenants = tenants(engine, &mut *session, &mut standing, task.new_tenant).await?;
        let only = task.new_tenant.map(|_| standing.tenants.len() - 1);
        let mut stages = work::stages(&standing, task.work, only);
        narrow(&mut stages, &standing, &task.spread, &mut *session).await?;
        if stages.is_empty() && task.new_tenant.is_none() {
            // A host died between its last commit and the end of its run, or another has done it all.
            database(journal::end_dead_runs(&mut *session, None).await)?;
            database(session.commit().await)?;
            return Ok(Driven::nothing());
        }
        let ids = write_sources(engine, &standing, &stages, &mut *session).await?;
        let phase = match task.work {
            Work::Reset => Phase::Reset,
            _ => Phase::Prepare,
        };
        let lease = database(
            journal::start_run(
                &mut *session,
                task.work.as_str(),
                phase,
                task.verbose,
                engine.options.lease,
            )
            .await,
        )?;
        database(session.commit().await)?;
        session.label(lease.run);
        observer.notify(&Event::RunStarted {
            run: lease.run,
            command: task.work.as_str().to_owned(),
            steps: concerned(&stages).len(),
        });
        if session.server().is_superuser {
            observer.notify(&Event::Warning {
                message: SUPERUSER.to_owned(),
            });
        }
        let heartbeat = Heartbeat::start(Arc::clone(&engine.database), lease.clone(), stop.clone());
        engine.is_at_work.store(true, Ordering::Relaxed);
        let crew = Crew {
            engine,
            options,
            files: &standing.files,
            ids: &ids,
            loaded: BTreeMap::new(),
            tenants,
            observer: Arc::clone(&observer),
            stop,
            lease: Some(lease.clone()),
            last_applied: AtomicI64::new(standing.last_applied),
        };
        let driven = run_stages(crew, task, only, stages, session, &lease).await;
        engine.is_at_work.store(false, Ordering::Relaxed);
        drop(heartbeat);
        return driven;
    }
}

/// The files whose `migrate` is a part of this work.
pub(super) fn to_migrate(standing: &Standing, work: Work) -> Vec<StepFile> {
    let mut stages = work::stages(standing, work, None);
    for stage in &mut stages {
        stage.retain(|piece| piece.phases.contains(&Phase::Migrate));
    }
    let places = concerned(&stages);
    let files = places.iter().filter_map(|place| standing.files.get(*place));
    files.map(|file| file.source.as_step(file.index)).collect()
}

pub(super) fn as_refusal(error: ApplyError) -> RunError {
    match error {
        ApplyError::Run(error) => error,
        other => RunError::Refused(other.to_string()),
    }
}

/// Runs the stages and ends the run.
async fn run_stages(
    mut crew: Crew<'_>,
    task: &Task<'_>,
    only: Option<usize>,
    stages: Vec<Stage>,
    mut session: Box<dyn Session>,
    lease: &Lease,
) -> Result<Driven, ApplyError> {
    let mut driven = Driven {
        run: Some(lease.run),
        tenants: match (only, &task.new_tenant) {
            (Some(_), _) => 1,
            (None, _) => crew.tenants.len() as u64,
        },
        ..Driven::nothing()
    };
    let mut ready = Ok(());
    if task.work != Work::Sync {
        let is_one_transaction = task.spread == Spread::Atomic || only.is_some();
        ready = load(&mut crew, task.work, &stages, is_one_transaction);
    }
    if ready.is_ok() && task.work.finalizes() {
        ready = pass_the_gate(&crew, &stages, lease).await;
    }
    if ready.is_ok() {
        ready = set_phase(&mut *session, task.work, lease).await;
    }
    let output = Arc::new(RunOutput::default());
    let result = match (ready, &task.spread) {
        (Err(failure), _) => {
            let outcome = match failure.code.as_str() {
                "refused" => Outcome::Refused,
                _ => outcome_of(&failure),
            };
            end(&mut *session, lease, &output, outcome, Some(&failure)).await;
            Err((outcome, crew.unnamed(failure)))
        }
        (
            Ok(()),
            Spread::Parallel {
                workers,
                canaries,
                stop_after,
                ..
            },
        ) if only.is_none() && task.work != Work::Sync => {
            let manner = Manner {
                workers: *workers,
                canaries,
                stop_after: *stop_after,
            };
            parallel::run(&crew, session, &manner, &stages, lease, &output).await
        }
        (Ok(()), _) => {
            let new_tenant = only.and(task.new_tenant);
            atomic::run(
                &crew, session, task.work, new_tenant, &stages, lease, &output,
            )
            .await
        }
    };
    match result {
        Ok(()) => driven.files = files(&crew, &stages)?,
        Err((outcome, failure)) => {
            driven.outcome = outcome;
            driven.failure = Some(failure);
        }
    }
    crew.observer.notify(&Event::RunEnded {
        run: lease.run,
        outcome: driven.outcome,
        state: crew
            .engine
            .overview()
            .await
            .ok()
            .map(|overview| overview.state),
        failure: driven
            .failure
            .clone()
            .map(|failure| Box::new(failure.failure)),
    });
    Ok(driven)
}

/// Reads the files that are to be run, and refuses those that cannot be.
pub(super) fn load(
    crew: &mut Crew<'_>,
    work: Work,
    stages: &[Stage],
    is_one_transaction: bool,
) -> Result<(), Failure> {
    let migrated: BTreeSet<usize> = stages
        .iter()
        .flatten()
        .filter(|piece| piece.phases.contains(&Phase::Migrate))
        .map(|piece| piece.file)
        .collect();
    let places = concerned(stages);
    let steps: Vec<_> = places
        .iter()
        .filter_map(|place| crew.files.get(*place))
        .map(|file| file.source.as_step(file.index))
        .collect();
    let steps: Vec<_> = steps.iter().collect();
    let loaded = loaded::load(crew.engine, &steps, &*crew.observer, crew.stop)?;
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
                    "`{}` is a component of the world `transform`, which works in transactions of its own: a fleet runs files \
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
    crew.loaded = places.into_iter().zip(loaded).collect();
    Ok(())
}

/// The places of the files that the stages run, in order.
pub(super) fn concerned(stages: &[Stage]) -> Vec<usize> {
    let mut places: Vec<usize> = stages.iter().flatten().map(|piece| piece.file).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// The files that were run, with how often each was.
pub(super) fn files(crew: &Crew<'_>, stages: &[Stage]) -> Result<Vec<(Source, u64)>, RunError> {
    let mut counts: BTreeMap<usize, BTreeSet<Option<usize>>> = BTreeMap::new();
    for piece in stages.iter().flatten() {
        counts.entry(piece.file).or_default().insert(piece.tenant);
    }
    let read = counts.into_iter().filter_map(|(place, tenants)| {
        let file = crew.files.get(place)?;
        Some(sources::read(crew.engine, &file.source).map(|source| (source, tenants.len() as u64)))
    });
    read.collect()
}

async fn pass_the_gate(crew: &Crew<'_>, stages: &[Stage], lease: &Lease) -> Result<(), Failure> {
    let Some(gate) = &crew.engine.options.gate else {
        return Ok(());
    };
    let places = concerned(stages);
    let loaded = places.iter().filter_map(|place| crew.loaded.get(place));
    let labels = loaded.map(|loaded| loaded.step.label.clone()).collect();
    gate::pass(
        gate,
        crew.engine.database.name(),
        lease.run,
        labels,
        crew.stop,
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
fn has_work(standing: &Standing, task: &Task<'_>) -> bool {
    if task.new_tenant.is_some() {
        return true;
    }
    !work::stages(standing, task.work, None).is_empty()
}

/// Leaves out the tenants that are not wanted.
async fn narrow(
    stages: &mut Vec<Stage>,
    standing: &Standing,
    spread: &Spread,
    session: &mut dyn Session,
) -> Result<(), RunError> {
    let Spread::Parallel {
        canaries,
        only_failed,
        ..
    } = spread
    else {
        return Ok(());
    };
    if let Some(canary) = canaries
        .iter()
        .find(|name| !standing.tenants.contains(name))
    {
        return Err(RunError::Refused(format!(
            "there is no tenant `{canary}`, which is to be a canary; nothing was run"
        )));
    }
    if *only_failed {
        let run = standing.last_run.as_ref().map(|run| run.id);
        let failed = parallel::failed_tenants(session, run).await?;
        let is_wanted = |tenant: usize| {
            let name = standing.tenants.get(tenant);
            name.is_some_and(|name| failed.contains(name))
        };
        for stage in stages.iter_mut() {
            stage.retain(|piece| piece.tenant.is_none_or(is_wanted));
        }
        stages.retain(|stage| !stage.is_empty());
    }
    Ok(())
}

/// Refuses to run anything when migrations have changed since they were applied.
pub(super) fn refuse(engine: &Engine, standing: &Standing) -> Result<(), ApplyError> {
    if engine.options.allowances.changed {
        return Ok(());
    }
    let changed: Result<Vec<Source>, RunError> = standing
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
    standing: &mut Standing,
    new_tenant: Option<&str>,
) -> Result<Vec<Tenant>, ApplyError> {
    let reserved = database(name::reserved_words(session).await)?;
    let mut tenants: Vec<Tenant> = Vec::with_capacity(standing.tenants.len() + 1);
    let mut schemas = BTreeMap::new();
    for name in &standing.tenants {
        let tenant = Tenant::new(name, standing.kind, &reserved);
        if standing.kind == Kind::Postgres
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
        let tenant = Tenant::new(name, standing.kind, &reserved);
        let exists = standing.tenants.iter().any(|tenant| tenant == name);
        if exists || schemas.contains_key(&tenant.schema) {
            return Err(ApplyError::TenantExists(name.to_owned()));
        }
        standing::read_new(standing, engine, name).await?;
        standing.tenants.push(name.to_owned());
        tenants.push(tenant);
    }
    Ok(tenants)
}

pub(super) fn tenants_of(standing: &Standing, only: Option<usize>) -> u64 {
    match only {
        Some(_) => 1,
        None => standing.tenants.len() as u64,
    }
}

/// Writes down the files that are about to run, as they are now; returns the numbers of all files.
async fn write_sources(
    engine: &Engine,
    standing: &Standing,
    stages: &[Stage],
    session: &mut dyn Session,
) -> Result<Vec<i64>, ApplyError> {
    let known = database(journal::read_sources(session).await)?;
    let mut next = known.last().map_or(0, |record| record.id) + 1;
    let mut ids: Vec<i64> = standing
        .files
        .iter()
        .map(|file| file.id.unwrap_or(0))
        .collect();
    for place in concerned(stages) {
        let (Some(file), Some(id)) = (standing.files.get(place), ids.get_mut(place)) else {
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
    task: &Task<'_>,
    lease: LeaseRecord,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<(), RunError> {
    if task.waits {
        return engine.wait_until_free(lease, observer, stop).await;
    }
    Err(RunError::Held(lease))
}

pub(super) fn database<T>(result: crate::database::Result<T>) -> Result<T, RunError> {
    result.map_err(RunError::Database)
}
