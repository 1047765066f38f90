//! What a run of a fleet would do: its files, and a try of them that is rolled back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::atomic::{self, Atomic};
use super::crew::Crew;
use super::drive::{
    Driven, as_refusal, database, files, load, look, refuse, tenants, tenants_of, to_migrate,
};
use super::standing;
use super::work::{self, Work};
use super::{ApplyError, FleetOptions};
use crate::catalog::StepFile;
use crate::database::{Access, Durability, Stop};
use crate::engine::event::Observer;
use crate::engine::{Engine, Rehearsal, RunError};
use crate::journal::Outcome;

/// The files that `migrate` would run, in order.
pub(in crate::engine) async fn pending(
    engine: &Engine,
    options: &FleetOptions,
) -> Result<Vec<StepFile>, RunError> {
    let standing = look(engine, options).await?;
    Ok(to_migrate(&standing, Work::Migrate))
}

/// What a rehearsal of all that `migrate` would run finds out.
pub(in crate::engine) async fn rehearsal(
    engine: &Engine,
    options: &FleetOptions,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Rehearsal, RunError> {
    let rehearsed = rehearse(engine, options, Work::Migrate, None, observer, stop).await;
    let (driven, rows_changed) = rehearsed.map_err(as_refusal)?;
    Ok(Rehearsal {
        steps: driven
            .files
            .into_iter()
            .map(|(source, _)| source.file.key)
            .collect(),
        rows_changed,
        failure: driven.failure.map(|failure| failure.failure),
    })
}

/// Runs the pending files in one transaction that is rolled back.
pub(super) async fn rehearse(
    engine: &Engine,
    options: &FleetOptions,
    work: Work,
    new_tenant: Option<&str>,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<(Driven, BTreeMap<String, u64>), ApplyError> {
    let mut session = database(engine.database.open(Access::Rehearsal, stop).await)?;
    database(session.begin(Durability::Deferred).await)?;
    let digests = engine.remembered_digests();
    let mut standing = standing::read(engine, options, &digests, &mut *session).await?;
    refuse(engine, &standing)?;
    let tenants = tenants(engine, &mut *session, &mut standing, new_tenant).await?;
    let only = new_tenant.map(|_| standing.tenants.len() - 1);
    let stages = work::stages(&standing, work, only);
    let mut crew = Crew {
        engine,
        options,
        files: &standing.files,
        ids: &[],
        loaded: BTreeMap::new(),
        tenants,
        observer,
        stop,
        lease: None,
        last_applied: AtomicI64::new(0),
    };
    let mut driven = Driven::nothing();
    if stages.is_empty() && new_tenant.is_none() {
        return Ok((driven, BTreeMap::new()));
    }
    driven.tenants = tenants_of(&standing, only);
    let mut changed = BTreeMap::new();
    match load(&mut crew, work, &stages, true) {
        Err(failure) => driven.failure = Some(crew.unnamed(failure)),
        Ok(()) => {
            let mut atomic = Atomic::new(&crew, session, work, only.and(new_tenant));
            let tried = atomic.perform(&stages, 1).await;
            let looked = match tried {
                Ok(()) => atomic.look().await,
                Err(failed) => Err(failed),
            };
            match looked {
                Ok(()) => driven.files = files(&crew, &stages)?,
                Err((piece, failure)) => {
                    driven.failure = Some(atomic::named(&crew, piece, failure))
                }
            }
            changed = atomic.roll_back().await;
        }
    }
    if driven.failure.is_some() {
        driven.outcome = Outcome::Failed;
    }
    Ok((driven, changed))
}
