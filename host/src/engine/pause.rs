//! A run that pauses at the operator's word, and continues at another.

use std::time::Duration;

use super::event::{Event, Observer};
use super::failure::Failure;
use super::{Engine, RunError};
use crate::database::{Access, Durability, ErrorKind, Session, Stop};
use crate::journal::{self, Fenced, Lease, OperatorsWord, Pause};

/// How often a paused run looks whether it may continue.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// Why there is nothing to do for the operator's word.
const NO_RUN: &str = "no run is in progress: there is nothing to pause or to resume";

/// Asks the run in progress to pause, or to continue; returns its number.
pub(super) async fn request(engine: &Engine, pause: bool) -> Result<i64, RunError> {
    let snapshot = engine.snapshot(&Stop::default()).await?;
    let lease = snapshot.lease.filter(|lease| engine.seems_at_work(lease));
    let Some(lease) = lease else {
        return Err(RunError::Refused(NO_RUN.to_owned()));
    };
    let mut session = engine
        .database
        .open(Access::Write, &Stop::default())
        .await?;
    // Where there is one writer at a time, the transaction would be waited for otherwise.
    if pause && is_closed(&mut *session, lease.run).await? {
        return Err(closed(lease.run));
    }
    let begun = Fenced::begin(&mut *session, &OperatorsWord, Durability::Flushed);
    let mut fenced = begun.await?;
    // Some databases tell before the commit, some at it, that it has ended.
    let asked = async {
        journal::request_pause(fenced.session(), lease.run, pause).await?;
        let command = if pause { "pause" } else { "resume" };
        let by = &engine.options.commander;
        journal::write_order(fenced.session(), lease.run, command, by).await?;
        fenced.commit().await
    };
    match asked.await {
        Ok(()) => Ok(lease.run),
        Err(error) if error.kind == ErrorKind::Conflict => {
            session.rollback().await?;
            Err(match is_closed(&mut *session, lease.run).await? {
                true => closed(lease.run),
                // It has ended meanwhile.
                false => RunError::Refused(NO_RUN.to_owned()),
            })
        }
        Err(error) => Err(error.into()),
    }
}

async fn is_closed(session: &mut dyn Session, run: i64) -> crate::database::Result<bool> {
    session.begin_read().await?;
    let is_closed = journal::is_closed_to_pauses(session, run).await?;
    session.rollback().await?;
    Ok(is_closed)
}

fn closed(run: i64) -> RunError {
    RunError::Refused(format!(
        "run {run} cannot be paused any more: it is doing the last of its work; it can be cancelled"
    ))
}

/// Why a run is to pause, when its operator said so.
pub(super) fn reason(pause: Option<Pause>) -> Option<String> {
    let by = pause?.requested_by?;
    Some(format!("paused by {by}; `wasmigrate resume` continues it"))
}

/// Pauses while the operator wants it. The session has no transaction open.
pub(super) async fn wait_while_paused(
    session: &mut dyn Session,
    observer: &dyn Observer,
    lease: &Lease,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut has_paused = false;
    loop {
        let looked = look(session, lease.run).await;
        let reason = looked.map_err(Failure::from_database)?;
        if reason.is_some() != has_paused {
            has_paused = reason.is_some();
            let told = tell(session, observer, lease, reason.as_deref()).await;
            told.map_err(Failure::from_database)?;
        }
        if !has_paused {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            reason = stop.stopped() => {
                return Err(Failure::from_sandbox(crate::sandbox::Error::Stopped(reason)));
            }
        }
    }
}

/// Waits while the operator wants the run paused, and lets it be paused no more: what follows is one transaction. The session
/// has none open.
pub(super) async fn close(
    session: &mut dyn Session,
    observer: &dyn Observer,
    lease: &Lease,
    stop: &Stop,
) -> Result<(), Failure> {
    loop {
        let closed = async {
            let mut fenced = Fenced::begin(session, lease, Durability::Deferred).await?;
            let is_closed = journal::close_to_pauses(fenced.session(), lease.run).await?;
            fenced.commit().await?;
            crate::database::Result::Ok(is_closed)
        };
        if closed.await.map_err(Failure::from_database)? {
            return Ok(());
        }
        wait_while_paused(session, observer, lease, stop).await?;
    }
}

async fn look(session: &mut dyn Session, run: i64) -> crate::database::Result<Option<String>> {
    session.begin_read().await?;
    let pause = journal::read_pause(session, run).await?;
    session.rollback().await?;
    Ok(reason(pause))
}

/// Tells everybody what the run waits for, or that it works again.
pub(super) async fn tell(
    session: &mut dyn Session,
    observer: &dyn Observer,
    lease: &Lease,
    waits_for: Option<&str>,
) -> crate::database::Result<()> {
    let mut fenced = Fenced::begin(session, lease, Durability::Deferred).await?;
    journal::write_waiting(fenced.session(), lease.run, waits_for).await?;
    fenced.commit().await?;
    observer.notify(&match waits_for {
        Some(waits_for) => Event::Paused {
            waits_for: waits_for.to_owned(),
        },
        None => Event::Resumed,
    });
    Ok(())
}
