//! Tenants beside each other, each file in a transaction of its own.
//!
//! A few workers, each on a thread and a session of its own, take one tenant after the other. A tenant that fails is left
//! where it is, and the others go on. What is for the target itself runs alone, when all before it is done. The finalize of
//! one tenant's files, and their reset, are one transaction.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::atomic::write_failures;
use super::crew::{Crew, outcome_of};
use super::drive::end;
use super::work::{Piece, Stage};
use super::worker::Worker;
use super::{FileFailure, RunError};
use crate::database::{Durability, Kind, Session};
use crate::engine::failure::{Blame, Failure};
use crate::engine::run_output::RunOutput;
use crate::engine::supervisor::on_this_thread;
use crate::journal::{self, AppliedRecord, AttemptRecord, Lease, Outcome};

/// How a run goes from tenant to tenant.
pub(super) struct Manner<'m> {
    pub(super) workers: usize,
    pub(super) canaries: &'m [String],
    pub(super) stop_after: Option<usize>,
}

/// What all workers share.
pub(super) struct Shared<'s> {
    pub(super) crew: &'s Crew<'s>,
    pub(super) lease: &'s Lease,
    pub(super) stages: &'s [Stage],
    /// What this run has begun or migrated, for another try and for its finalize.
    pub(super) begun: Mutex<BTreeMap<(usize, Option<usize>), AppliedRecord>>,
    pub(super) failed: Mutex<Vec<(Piece, Failure)>>,
    /// Tries that the target's journal does not know yet.
    pub(super) unwritten: Mutex<Vec<AttemptRecord>>,
    pub(super) failures: AtomicUsize,
    pub(super) stop_after: Option<usize>,
}

/// Runs all stages, and ends the run.
pub(super) async fn run(
    crew: &Crew<'_>,
    session: Box<dyn Session>,
    manner: &Manner<'_>,
    stages: &[Stage],
    lease: &Lease,
    output: &Arc<RunOutput>,
) -> Result<(), (Outcome, FileFailure)> {
    let shared = Shared {
        crew,
        lease,
        stages,
        begun: Mutex::default(),
        failed: Mutex::default(),
        unwritten: Mutex::default(),
        failures: AtomicUsize::new(0),
        stop_after: manner.stop_after,
    };
    let mut target = Worker {
        shared: &shared,
        stop: crew.stop.clone(),
        output: Arc::clone(output),
        session: Some(session),
        lease: lease.clone(),
        looked_for_pause_at: Instant::now(),
    };
    let mut why_over = None;
    for stage in stages {
        let is_for_tenants = stage.first().is_some_and(|piece| piece.tenant.is_some());
        why_over = match is_for_tenants {
            true => tenants(&shared, &mut target, manner, stage).await,
            false => target.tenant(stage).await.err().map(|failed| {
                shared.fail(failed);
                "a file for the target itself failed"
            }),
        };
        if why_over.is_some() || crew.stop.is_cancelled() {
            break;
        }
    }
    let failure = shared.summary(why_over);
    let (outcome, error) = match &failure {
        None if crew.stop.is_cancelled() => (Outcome::Cancelled, Some(cancelled())),
        None => (Outcome::Done, None),
        Some((_, failure)) => (outcome_of(failure), Some(failure.clone())),
    };
    let Some(mut session) = target.session.take() else {
        let failure = error.unwrap_or_else(no_session);
        return Err((Outcome::Interrupted, crew.unnamed(failure)));
    };
    let unwritten = std::mem::take(&mut *lock(&shared.unwritten));
    write_failures(&mut *session, &unwritten, lease).await;
    keep_schema(&mut *session, lease).await;
    end(&mut *session, lease, output, outcome, error.as_ref()).await;
    match (failure, error) {
        (Some((piece, failure)), _) => Err((outcome, crew.file_failure(&piece, failure))),
        (None, Some(failure)) => Err((outcome, crew.unnamed(failure))),
        (None, None) => Ok(()),
    }
}

/// Runs the files of many tenants; returns why no further tenant may begin, when that is so.
async fn tenants(
    shared: &Shared<'_>,
    target: &mut Worker<'_>,
    manner: &Manner<'_>,
    stage: &Stage,
) -> Option<&'static str> {
    let crew = shared.crew;
    let failed: BTreeSet<Option<usize>> = lock(&shared.failed)
        .iter()
        .map(|(piece, _)| piece.tenant)
        .collect();
    let mut pieces: BTreeMap<Option<usize>, Vec<Piece>> = BTreeMap::new();
    for piece in stage.iter().filter(|piece| !failed.contains(&piece.tenant)) {
        pieces.entry(piece.tenant).or_default().push(piece.clone());
    }
    let is_canary = |pieces: &Vec<Piece>| {
        let tenant = pieces.first().and_then(|piece| crew.tenant(piece));
        tenant.is_some_and(|tenant| manner.canaries.contains(&tenant.name))
    };
    let (canaries, others): (Vec<_>, Vec<_>) = pieces.into_values().partition(is_canary);
    for (queue, are_canaries) in [(canaries, true), (others, false)] {
        if queue.is_empty() {
            continue;
        }
        let workers = manner.workers.clamp(1, queue.len());
        let queue = Mutex::new(VecDeque::from(queue));
        let outputs: Vec<Arc<RunOutput>> = (0..workers)
            .map(|_| Arc::new(target.output.of_worker()))
            .collect();
        std::thread::scope(|scope| {
            for output in &outputs {
                scope.spawn(|| work(shared, &queue, Arc::clone(output), are_canaries));
            }
        });
        target.keep_output(&outputs).await;
        if are_canaries && shared.failures.load(Ordering::Relaxed) > 0 {
            return Some("a canary failed, so that no other tenant was begun");
        }
        if shared.is_enough() {
            return Some("so many failed that no further tenant was begun");
        }
        if crew.stop.is_cancelled() {
            return None;
        }
    }
    None
}

/// The life of one worker's thread.
fn work(
    shared: &Shared<'_>,
    queue: &Mutex<VecDeque<Vec<Piece>>>,
    output: Arc<RunOutput>,
    are_canaries: bool,
) {
    let ended = on_this_thread(async {
        let mut worker = Worker {
            shared,
            stop: shared.crew.stop.child(),
            output,
            session: None,
            lease: shared.lease.clone(),
            looked_for_pause_at: Instant::now(),
        };
        loop {
            let is_over = shared.crew.stop.is_cancelled() || (!are_canaries && shared.is_enough());
            let next = lock(queue).pop_front();
            let Some(pieces) = next.filter(|_| !is_over) else {
                return;
            };
            if let Err(failed) = worker.tenant(&pieces).await {
                shared.fail(failed);
            }
            if shared.crew.engine.target_kind() == Kind::Sqlite {
                worker.session = None;
            }
        }
    });
    if let Err(error) = ended {
        tracing::warn!("a worker could not start: {error}");
    }
}

impl Shared<'_> {
    fn fail(&self, failed: (Piece, Failure)) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        lock(&self.failed).push(failed);
    }

    fn is_enough(&self) -> bool {
        self.stop_after
            .is_some_and(|most| self.failures.load(Ordering::Relaxed) >= most)
    }

    /// The piece with its row, when this run has written one.
    pub(super) fn with_record(&self, piece: &Piece) -> Piece {
        let mut piece = piece.clone();
        if piece.record.is_none() {
            let begun = lock(&self.begun);
            piece.record = begun.get(&(piece.file, piece.tenant)).cloned();
        }
        piece
    }

    /// One failure for all: how many tenants failed, and the first of them.
    fn summary(&self, why_over: Option<&str>) -> Option<(Piece, Failure)> {
        let failed = lock(&self.failed);
        let (piece, failure) = failed.first()?.clone();
        let of = self.crew.tenants.len();
        let Some(tenant) = self
            .crew
            .tenant(&piece)
            .filter(|_| failure.code != "cancelled")
        else {
            return Some((piece, failure));
        };
        let message = format!(
            "{} of {of} tenants failed; the first was `{}`: {}{}",
            failed.len(),
            tenant.name,
            failure.message,
            why_over.map_or_else(String::new, |why| format!(" ({why})"))
        );
        Some((piece, Failure { message, ..failure }))
    }
}

/// The tenants that failed in a run.
pub(super) async fn failed_tenants(
    session: &mut dyn Session,
    run: Option<i64>,
) -> Result<BTreeSet<String>, RunError> {
    let Some(run) = run else {
        return Ok(BTreeSet::new());
    };
    if !journal::has_fleet(session).await? {
        return Ok(BTreeSet::new());
    }
    let failures = journal::read_failures(session, run).await?;
    Ok(failures
        .into_iter()
        .filter_map(|failure| failure.tenant)
        .collect())
}

async fn keep_schema(session: &mut dyn Session, lease: &Lease) {
    let kept = async {
        session.rollback().await?;
        session.begin(Durability::Deferred).await?;
        journal::keep_schema(session, lease.run).await?;
        lease.fence(session).await?;
        session.commit().await
    };
    // A target that does not tell ends its run all the same; `verify` then says that it does not know.
    let _: crate::database::Result<()> = kept.await;
}

pub(super) fn cancelled() -> Failure {
    Failure::new("cancelled", Blame::Operator, "cancelled by the operator")
}

pub(super) fn no_session() -> Failure {
    Failure::new(
        "host",
        Blame::Host,
        "the session was not given back by a file",
    )
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
