//! One run of tenants, from the look at the journal to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::add;
use super::atomic;
use super::context::TenancyContext;
use super::end::{as_written, end};
use super::failed::outcome_of_refusal;
use super::forged::Announced;
use super::job::TenantsJob;
use super::load::{files, load, refuse_irreversible};
use super::parallel::{self, ParallelOptions};
use super::phases::{self, pass_the_gate, set_phase};
use super::request::{RunRequest, TenancyReport, as_refusal, database};
use super::select::{self, tenants};
use super::snapshot::Comeback;
use super::sources::write_new;
use super::work::{Schedule, Work, concerned};
use super::{ApplyError, RolloutStrategy, TenancyOptions, known, made, owners, returning};
use crate::database::{Session, Stop};
use crate::engine::acquire::{self, Acquired, Beginning, Locked, Turn};
use crate::engine::event::{Event, Observer};
use crate::engine::failure::Failure;
use crate::engine::order::Order;
use crate::engine::run_output::RunOutput;
use crate::engine::state::Command;
use crate::engine::{Engine, Report, RunError};
use crate::journal::{self, Lease};

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
        extent: order.extent,
        strategy: options.strategy.clone(),
        new_tenant: None,
        adopts_schema: false,
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
    let mut job = TenantsJob {
        engine,
        options,
        request,
        observer: Arc::clone(&observer),
        stop,
    };
    let Locked { mut session, found } =
        match acquire::lock(engine, &mut job, &*observer, stop).await? {
            Turn::Locked(locked) => locked,
            Turn::Nothing(_) => return Ok(TenancyReport::nothing()),
        };
    let mut snapshot = found.snapshot;
    let (name, adopts) = (request.new_tenant, request.adopts_schema);
    let manner = returning::Manner {
        adopts,
        runs_nothing: request.work == Work::Sync,
    };
    let (tenants, absent_schemas) =
        tenants(engine, &mut *session, &mut snapshot, name, manner).await?;
    let only = request.new_tenant.map(|_| snapshot.tenants.len() - 1);
    let schedule = select::schedule(&snapshot, &found.failed, request, only)?;
    if only.is_some() {
        select::refuse_ahead(&snapshot, &schedule, request.work)?;
    }
    let ids = write_new(engine, &snapshot, &schedule, &mut *session).await?;
    // Of what a run has made that did not come to its end.
    let unknown = snapshot.unknown.iter().map(String::as_str);
    database(known::write(unknown, &mut *session).await)?;
    if let Some(name) = name {
        database(returning::write(&snapshot, options, name, &mut *session).await)?;
    }
    let interrupted = database(journal::interrupted_runs(&mut *session).await)?;
    let had = snapshot.had_by_new.len() as u64;
    let beginning = Beginning {
        command: match only {
            Some(_) => journal::ADD_TENANT,
            None => request.work.as_str(),
        },
        phase: phases::first(request.work, &schedule),
        verbose: request.verbose,
        steps: concerned(schedule.tasks()).len(),
    };
    let acquired = acquire::begin(engine, session, &beginning, &observer, stop).await;
    let Acquired {
        session,
        lease,
        presence,
    } = database(acquired)?;
    if let Some(message) = name.and_then(|name| returning::message(&snapshot, name)) {
        observer.notify(&Event::Warning { message });
    }
    let absent = made::absent(engine, &snapshot, &tenants, only);
    let tenancy = TenancyContext {
        absent_schemas,
        engine,
        options,
        absent,
        files: &snapshot.files,
        ids: &ids,
        loaded: BTreeMap::new(),
        tenants,
        known: &snapshot.known,
        observer: Arc::clone(&observer),
        stop,
        lease: Some(lease.clone()),
        last_applied: AtomicI64::new(snapshot.last_applied),
        announced: Announced::default(),
        interrupted,
        adopts_schema: adopts,
        comes_back: snapshot.comeback != Comeback::None,
    };
    let report = perform(tenancy, request, only, schedule, session, &lease).await;
    drop(presence);
    Ok(TenancyReport { had, ..report? })
}

/// Loads and runs what is scheduled, and ends the run.
async fn perform(
    mut tenancy: TenancyContext<'_>,
    request: &RunRequest<'_>,
    only: Option<usize>,
    schedule: Schedule,
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
    let new_tenant = only.and(request.new_tenant);
    let mut parallel = match &request.strategy {
        RolloutStrategy::Parallel {
            workers,
            canaries,
            stop_after,
            ..
        } if only.is_none() && request.work != Work::Sync => Some(ParallelOptions {
            workers: *workers,
            canaries,
            stop_after: *stop_after,
        }),
        _ => None,
    };
    let ready = get_ready(
        &mut tenancy,
        request,
        &schedule,
        parallel.is_some(),
        &mut *session,
        lease,
    );
    let mut ready = ready.await;
    if let Some(name) = new_tenant
        && ready.is_ok()
        && tenancy.runs_outside(&schedule)
    {
        ready = add::alone(&tenancy, &mut *session, name, lease).await;
        // It is a tenant from now on, however far its files come.
        tenancy.absent.clear();
        parallel = Some(ParallelOptions {
            workers: 1,
            canaries: &[],
            stop_after: None,
        });
    }
    let output = Arc::new(RunOutput::default());
    let result = match (ready, parallel) {
        (Err(failure), _) => {
            let outcome = outcome_of_refusal(&failure);
            let written = async {
                session.rollback().await?;
                session.reconnect().await?;
                end(
                    &mut *session,
                    lease,
                    &output,
                    outcome,
                    Some(&failure),
                    &[],
                    &[],
                )
                .await
            };
            let (outcome, failure) = as_written(written.await, outcome, failure);
            Err((outcome, tenancy.unnamed(failure)))
        }
        (Ok(()), Some(options)) => {
            let ended = parallel::run(&tenancy, session, &options, &schedule, lease, &output).await;
            ended.map_err(|(outcome, mut failed)| {
                if let Some(name) = new_tenant {
                    failed.failure.message.push_str(&add::is_half_way(name));
                }
                (outcome, failed)
            })
        }
        (Ok(()), None) => {
            atomic::run(
                &tenancy,
                session,
                request.work,
                new_tenant,
                &schedule,
                lease,
                &output,
            )
            .await
        }
    };
    match result {
        Ok(()) => report.files = files(&tenancy, &schedule)?,
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

/// Loads what is to run, and says that it runs now.
async fn get_ready(
    tenancy: &mut TenancyContext<'_>,
    request: &RunRequest<'_>,
    schedule: &Schedule,
    is_parallel: bool,
    session: &mut dyn Session,
    lease: &Lease,
) -> Result<(), Failure> {
    let work = request.work;
    if work != Work::Sync {
        // What is outside a transaction makes a new tenant's files run one by one.
        load(
            tenancy,
            schedule,
            !is_parallel && request.new_tenant.is_none(),
        )?;
        session.begin_read().await.map_err(Failure::from_database)?;
        let checked = owners::check_directories(tenancy, schedule, session).await;
        session.rollback().await.map_err(Failure::from_database)?;
        checked?;
    }
    if work == Work::Reset {
        refuse_irreversible(tenancy, schedule).await?;
    }
    // Tenants beside each other are migrated before the gate is asked. Where all is one transaction it is asked before that:
    // the transaction keeps others out, and must not be open for as long as an answer takes.
    if work == Work::Apply || (work == Work::Finalize && !is_parallel) {
        pass_the_gate(tenancy, schedule, lease).await?;
    }
    match phases::second(work, schedule) {
        Some(phase) => set_phase(session, phase, lease).await,
        None => Ok(()),
    }
}
