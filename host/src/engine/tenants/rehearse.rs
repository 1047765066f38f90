//! What a run of tenants would do: its files, and a try of them that is rolled back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::atomic::{self, AtomicRun};
use super::context::TenancyContext;
use super::forged::Announced;
use super::load::{files, load};
use super::look;
use super::owners;
use super::request::{TenancyReport, as_refusal, database};
use super::returning;
use super::select::{self, refuse, tenants, tenants_of, to_migrate};
use super::snapshot::Comeback;
use super::work::{self, Work};
use super::{ApplyError, FileFailure, RolloutStrategy, TenancyOptions};
use crate::catalog::StepFile;
use crate::database::{Access, Durability, Stop};
use crate::engine::event::{Event, Observer};
use crate::engine::extent::Extent;
use crate::engine::rehearse::uncommitted;
use crate::engine::{Engine, Rehearsal, RunError};
use crate::journal::Outcome;

/// The files that `migrate` would run, in order.
pub(in crate::engine) async fn pending(
    engine: &Engine,
    options: &TenancyOptions,
) -> Result<Vec<StepFile>, RunError> {
    let snapshot = look::current(engine, options).await?;
    to_migrate(&snapshot, Work::Migrate, &Extent::All)
}

/// What a rehearsal of all that `migrate` would run finds out.
pub(in crate::engine) async fn rehearsal(
    engine: &Engine,
    options: &TenancyOptions,
    extent: &Extent,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Rehearsal, RunError> {
    let heard = Arc::clone(&observer);
    let work = (Work::Migrate, extent);
    let rehearsed = rehearse(engine, options, work, None, observer, stop).await;
    let (mut report, rows_changed) = rehearsed.map_err(as_refusal)?;
    // A real run commits each file before the next.
    let commits_each = matches!(options.strategy, RolloutStrategy::Parallel { .. });
    let is_uncommitted = |failed: &mut FileFailure| failed.failure.is_uncommitted();
    if commits_each && let Some(failed) = report.failure.take_if(is_uncommitted) {
        heard.notify(&Event::Warning {
            message: uncommitted(&failed.key),
        });
    }
    Ok(Rehearsal {
        steps: report
            .files
            .into_iter()
            .map(|(source, _)| source.file.key)
            .collect(),
        left_out: Vec::new(),
        rows_changed,
        failure: report.failure.map(|failure| failure.failure),
    })
}

/// Runs the pending files in one transaction that is rolled back.
pub(super) async fn rehearse(
    engine: &Engine,
    options: &TenancyOptions,
    (work, extent): (Work, &Extent),
    new_tenant: Option<&str>,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<(TenancyReport, BTreeMap<String, u64>), ApplyError> {
    let mut session = database(engine.database.open(Access::Rehearsal, stop).await)?;
    database(session.begin(Durability::Deferred).await)?;
    let digests = engine.remembered_digests();
    let mut snapshot = look::read(engine, options, digests, &mut *session).await?;
    refuse(engine, &snapshot, work)?;
    let (tenants, absent_schemas) = tenants(
        engine,
        &mut *session,
        &mut snapshot,
        new_tenant,
        returning::Manner::default(),
    )
    .await?;
    let only = new_tenant.map(|_| snapshot.tenants.len() - 1);
    let mut schedule = work::schedule(&snapshot, work, only);
    select::cut(&mut schedule, &snapshot, work, extent)?;
    if only.is_some() {
        select::refuse_ahead(&snapshot, &schedule, work)?;
    }
    let mut tenancy = TenancyContext {
        absent_schemas,
        absent: Vec::new(),
        engine,
        options,
        files: &snapshot.files,
        ids: &[],
        loaded: BTreeMap::new(),
        tenants,
        known: &snapshot.known,
        observer,
        stop,
        lease: None,
        last_applied: AtomicI64::new(0),
        announced: Announced::default(),
        interrupted: Vec::new(),
        adopts_schema: false,
        comes_back: snapshot.comeback != Comeback::None,
    };
    let mut report = TenancyReport::nothing();
    if schedule.is_empty() && new_tenant.is_none() {
        return Ok((report, BTreeMap::new()));
    }
    report.tenants = tenants_of(&snapshot, only);
    let mut changed = BTreeMap::new();
    let loaded = match load(&mut tenancy, &schedule, true) {
        Ok(()) => owners::check_directories(&tenancy, &schedule, &mut *session).await,
        refused => refused,
    };
    match loaded {
        Err(failure) => report.failure = Some(tenancy.unnamed(failure)),
        Ok(()) => {
            let mut atomic =
                AtomicRun::new(&tenancy, session, work, only.and(new_tenant), &schedule);
            let tried = atomic.perform(1).await;
            let looked = match tried {
                Ok(()) => atomic.look().await,
                Err(failed) => Err(failed),
            };
            match looked {
                Ok(()) => report.files = files(&tenancy, &schedule)?,
                Err((task, failure)) => {
                    let failed = atomic::named(&tenancy, task, failure);
                    if failed.failure.is_uncommitted() {
                        let all = files(&tenancy, &schedule)?.into_iter();
                        let before = all.take_while(|(source, _)| source.file.key != failed.key);
                        report.files = before.collect();
                    }
                    report.failure = Some(failed);
                }
            }
            changed = atomic.roll_back().await;
        }
    }
    if report.failure.is_some() {
        report.outcome = Outcome::Failed;
    }
    Ok((report, changed))
}
