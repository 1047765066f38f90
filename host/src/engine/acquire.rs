//! How a run comes to its lease: one way for all that changes a target.
//!
//! ```text
//!   look ── somebody is at work ──> wait ──> look
//!    │
//!    ├── nothing to do, and no dead run to end ──> done: the target was not even opened for writing
//!    ▼
//!   lock the target, shut out the last holder, look again ── taken meanwhile ──> look
//!    │
//!    ├── nothing to do any more ──> end the dead run, commit ──> done
//!    ▼
//!   write the run down, take the lease, commit to the disk ──> label, events, heartbeat
//! ```
//!
//! What a command wants on a target is its [`Job`]. The commit waits for the disk: a server that forgot it would give the
//! same run, under the same token, to another host.

use std::sync::Arc;

use super::at_work::AtWork;
use super::event::{Event, Observer};
use super::heartbeat::Heartbeat;
use super::{Engine, RunError, SUPERUSER, WAIT_INTERVAL};
use crate::database::{self, Access, Durability, ErrorKind, Session, Stop};
use crate::journal::{
    self, Fenced, Lease, LeaseRecord, Pause, Phase, Right as _, Start, TargetLock,
};

/// What a command wants on a target.
pub(super) trait Job {
    /// What a look at the target finds.
    type Found;

    /// Why it is refused.
    type Refusal: From<RunError>;

    /// Looks, in the session's open transaction; changes nothing.
    async fn look(&mut self, session: &mut dyn Session) -> Result<Self::Found, Self::Refusal>;

    /// Who holds the lease, or died holding it, by what was found.
    fn lease(found: &Self::Found) -> Option<&LeaseRecord>;

    /// What holds up the run of whoever holds it, by what was found.
    fn pause(found: &Self::Found) -> Option<&Pause>;

    /// Writes down, in the open transaction of whoever has locked the target, what a host has left that died.
    async fn settle(
        &mut self,
        _found: &Self::Found,
        _session: &mut dyn Session,
    ) -> Result<(), Self::Refusal> {
        Ok(())
    }

    /// Whether there is anything to do; refuses what is not possible.
    fn wants(&mut self, found: &Self::Found) -> Result<bool, Self::Refusal>;

    /// Refuses what should not be done. Asked before the lock, because it may take long.
    async fn permit(&mut self, found: &Self::Found) -> Result<(), Self::Refusal>;

    /// Whether to wait for whoever is at work.
    fn waits(&self) -> bool;
}

/// What came of looking for work.
pub(super) enum Turn<F> {
    /// There is nothing to do.
    Nothing(F),
    /// The target is locked.
    Locked(Locked<F>),
}

/// A session in an open transaction, during which nobody else takes the lease or commits under one that is over.
pub(super) struct Locked<F> {
    pub(super) session: Box<dyn Session>,
    /// What was found under the lock; it stays so.
    pub(super) found: F,
}

/// How a run is written down when it begins.
pub(super) struct Beginning {
    /// The command, as the user writes it.
    pub(super) command: &'static str,
    pub(super) phase: Phase,
    pub(super) verbose: bool,
    /// How many steps it is about.
    pub(super) steps: usize,
}

/// A run that has begun: its lease, and what keeps it.
pub(super) struct Acquired<'e> {
    pub(super) session: Box<dyn Session>,
    pub(super) lease: Lease,
    /// Renews the lease and says that the engine is at work, until it is dropped, be it by a panic.
    pub(super) presence: Presence<'e>,
}

/// What shows others that a run is at work.
pub(super) struct Presence<'e> {
    _at_work: AtWork<'e>,
    _heartbeat: Heartbeat,
}

/// What an error means before there is a run.
fn before_the_run(error: database::Error, stop: &Stop) -> RunError {
    match error.kind {
        ErrorKind::Stopped if stop.is_cancelled() => RunError::Cancelled,
        _ => RunError::from(error),
    }
}

/// Looks for work, waits for whoever is at work, and locks the target when there is something to do.
pub(super) async fn lock<J: Job>(
    engine: &Engine,
    job: &mut J,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Turn<J::Found>, J::Refusal> {
    loop {
        if stop.is_cancelled() {
            return Err(RunError::Cancelled.into());
        }
        let found = look(engine, job, stop).await?;
        if let Some(lease) = J::lease(&found).filter(|lease| lease.is_live()) {
            let pause = J::pause(&found);
            wait(job.waits(), lease.clone(), pause, observer, stop).await?;
            continue;
        }
        // Whoever has nothing to do, and nobody's run to end, must not even open the target for writing.
        if !job.wants(&found)? && J::lease(&found).is_none() {
            return Ok(Turn::Nothing(found));
        }
        job.permit(&found).await?;
        let (mut session, right) = match open(engine, stop).await {
            Ok(Some(locked)) => locked,
            Ok(None) => continue,
            Err(error) if error.kind == ErrorKind::Busy => {
                // Another host's one long transaction may have the lock. It may have begun since we looked, and it
                // cannot renew its lease meanwhile.
                let found = look(engine, job, stop).await?;
                let Some(lease) = J::lease(&found).filter(|lease| !lease.is_known_dead()) else {
                    return Err(RunError::from(error).into());
                };
                let pause = J::pause(&found);
                wait(job.waits(), lease.clone(), pause, observer, stop).await?;
                continue;
            }
            Err(error) => return Err(before_the_run(error, stop).into()),
        };
        let found = job.look(&mut *session).await?;
        if J::lease(&found).is_some_and(LeaseRecord::is_live) {
            continue;
        }
        job.settle(&found, &mut *session).await?;
        if job.wants(&found)? {
            if let Some(release) = &engine.options.release {
                release.check(&mut *session).await?;
            }
            return Ok(Turn::Locked(Locked { session, found }));
        }
        // A host died between its last commit and the end of its run, or another has done it all.
        let ended = end_dead_runs(&mut *session, right).await;
        ended.map_err(RunError::from)?;
        return Ok(Turn::Nothing(found));
    }
}

/// Begins a run in the open transaction of whoever has locked the target, and commits that to the disk.
pub(super) async fn begin<'e>(
    engine: &'e Engine,
    mut session: Box<dyn Session>,
    beginning: &Beginning,
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Acquired<'e>, database::Error> {
    let start = Start {
        command: beginning.command,
        phase: beginning.phase,
        verbose: beginning.verbose,
        lasts: engine.options.lease,
        by: &engine.options.commander,
        request: engine.options.request.as_ref(),
    };
    let lease = journal::start_run(&mut *session, &start).await?;
    let warning = match &engine.options.release {
        Some(release) => release.write(&mut *session, lease.run).await?,
        None => None,
    };
    Fenced::join(&mut *session, &lease).await?.commit().await?;
    session.label(lease.run());
    let presence = Presence::of(engine, &lease, stop);
    observer.notify(&Event::RunStarted {
        run: lease.run,
        command: beginning.command.to_owned(),
        steps: beginning.steps,
        release: engine.source().cloned().map(Box::new),
    });
    if let Some(message) = warning {
        observer.notify(&Event::Warning { message });
    }
    if session.server().is_superuser {
        observer.notify(&Event::Warning {
            message: SUPERUSER.to_owned(),
        });
    }
    Ok(Acquired {
        session,
        lease,
        presence,
    })
}

impl<'e> Presence<'e> {
    fn of(engine: &'e Engine, lease: &Lease, stop: &Stop) -> Self {
        Self {
            _at_work: engine.work_on(lease.run),
            _heartbeat: Heartbeat::start(
                Arc::clone(&engine.database),
                lease.clone(),
                stop.clone(),
                engine.options.hears_cancels,
            ),
        }
    }
}

async fn look<J: Job>(engine: &Engine, job: &mut J, stop: &Stop) -> Result<J::Found, J::Refusal> {
    let begun = begin_to_read(engine, stop).await;
    let mut session = begun.map_err(|error| before_the_run(error, stop))?;
    let found = job.look(&mut *session).await?;
    session.rollback().await.map_err(RunError::from)?;
    Ok(found)
}

async fn begin_to_read(engine: &Engine, stop: &Stop) -> Result<Box<dyn Session>, database::Error> {
    let mut session = engine.database.open(Access::Read, stop).await?;
    session.begin_read().await?;
    Ok(session)
}

/// A session that has locked the target; none when somebody has taken the lease since.
pub(super) async fn open(
    engine: &Engine,
    stop: &Stop,
) -> Result<Option<(Box<dyn Session>, TargetLock)>, database::Error> {
    let mut session = engine.database.open(Access::Write, stop).await?;
    session.begin(Durability::Flushed).await?;
    let locked = journal::lock(&mut *session).await?;
    Ok(locked.map(|right| (session, right)))
}

async fn end_dead_runs(
    session: &mut dyn Session,
    right: TargetLock,
) -> Result<(), database::Error> {
    let mut fenced = Fenced::join(session, &right).await?;
    journal::end_dead_runs(fenced.session(), None).await?;
    fenced.commit().await
}

/// Waits for a while for whoever holds the lease, where the operator `waits`.
pub(super) async fn wait(
    waits: bool,
    lease: LeaseRecord,
    pause: Option<&Pause>,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<(), RunError> {
    if !waits {
        return Err(RunError::Held(lease));
    }
    observer.notify(&Event::waiting_for(lease, pause));
    tokio::select! {
        () = tokio::time::sleep(WAIT_INTERVAL) => Ok(()),
        _ = stop.stopped() => Err(RunError::Cancelled),
    }
}
