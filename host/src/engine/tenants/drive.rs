//! One run of tenants, from the look at the journal to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::atomic;
use super::context::TenancyContext;
use super::end::end;
use super::failed::outcome_of;
use super::load::{files, load};
use super::parallel::{self, ParallelOptions};
use super::phases::{pass_the_gate, set_phase};
use super::request::{RunRequest, TenancyReport, as_refusal, database};
use super::select::{has_work, narrow, refuse, tenants, to_migrate};
use super::snapshot;
use super::sources::write_new;
use super::work::{self, Wave, Work, concerned};
use super::{ApplyError, RolloutStrategy, TenancyOptions};
use crate::database::{ErrorKind, Session, Stop};
use crate::engine::event::{Event, Observer};
use crate::engine::heartbeat::Heartbeat;
use crate::engine::run_output::RunOutput;
use crate::engine::state::{Command, Order};
use crate::engine::{Engine, Report, RunError, SUPERUSER};
use crate::journal::{self, Lease, LeaseRecord, Outcome, Phase};

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
        let snapshot = snapshot::current(engine, options).await?;
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
                let lease = snapshot::current(engine, options).await?.lease;
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
        let ids = write_new(engine, &snapshot, &waves, &mut *session).await?;
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
