//! One of those who go through a table at the same time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::bad_rows;
use super::context::Backfill;
use super::drain::Drain;
use super::function::Function;
use super::lock::LOCK_WAIT;
use super::pace::{ChunkSize, Throttle};
use super::plan::Plan;
use super::range::next_of;
use super::refused::{self, Care, is_refusal};
use crate::database::{Access, Durability, Result, Session, Stop};
use crate::engine::Unit;
use crate::engine::failure::Failure;
use crate::engine::meter::Meter;
use crate::journal::{self, Fenced, Lease, Range};
use crate::sandbox;

/// How often a chunk is tried that meets a lock.
const TRIES: u32 = 10;

/// The pause before the second try; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How long SQLite's only write lock is held, all in all, before others get their turn, and how long that is. Who waits for
/// the lock is in no queue, but looks again, at last every 100 ms: <https://www.sqlite.org/c3ref/busy_timeout.html>
const HELD_AT_MOST: Duration = Duration::from_millis(100);
const ROOM: Duration = Duration::from_millis(110);

/// The same while no other program has the file open: then it is this process that has something else to write.
const HELD_ALONE: Duration = Duration::from_secs(2);

/// What the workers share.
pub(super) struct Shared<'s> {
    pub(super) plan: Plan,
    ranges: Mutex<VecDeque<Range>>,
    /// SQLite takes one writer at a time: how long they have held its lock since the application's last turn.
    writer: tokio::sync::Mutex<Duration>,
    /// How many drains have begun and how many have ended, in one sum: odd while one is at work.
    drains: AtomicU64,
    has_failed: AtomicBool,
    pub(super) done: AtomicU64,
    pub(super) total: u64,
    pub(super) chunk_rows: AtomicU64,
    meter: Mutex<Meter>,
    pub(super) throttle: Throttle,
    /// What holds the work up.
    gate: watch::Sender<Option<String>>,
    stop: &'s Stop,
}

impl<'s> Shared<'s> {
    pub(super) fn new(backfill: &Backfill<'s>, plan: Plan, ranges: Vec<Range>, total: u64) -> Self {
        let options = &backfill.engine.options.transform;
        let done: i64 = ranges.iter().map(|range| range.rows_done).sum();
        let label = &backfill.loaded.step.label;
        Self {
            plan,
            done: AtomicU64::new(u64::try_from(done).unwrap_or(0)),
            total,
            ranges: Mutex::new(ranges.into_iter().filter(|range| !range.is_done).collect()),
            writer: tokio::sync::Mutex::default(),
            drains: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            chunk_rows: AtomicU64::new(0),
            meter: Mutex::new(Meter::new(&backfill.context.observer, label, Some(total))),
            throttle: Throttle::new(options.max_rows_per_second),
            gate: watch::Sender::new(None),
            stop: backfill.stop,
        }
    }

    /// Ends the work of all.
    pub(super) fn fail(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.hold(None);
    }

    /// Holds the work up, or lets it continue; returns whether that is new.
    pub(super) fn hold(&self, why: Option<String>) -> bool {
        self.gate.send_if_modified(|gate| {
            let is_new = *gate != why;
            *gate = why;
            is_new
        })
    }

    /// Drains some changes. No worker writes over what comes of that with what it has read before.
    pub(super) async fn drain(
        &self,
        drain: &mut Drain<'_>,
        session: &mut dyn Session,
        lease: &Lease,
    ) -> std::result::Result<(), Failure> {
        self.drains.fetch_add(1, Ordering::SeqCst);
        let drained = drain.once(session, lease).await;
        self.drains.fetch_add(1, Ordering::SeqCst);
        self.throttle.reserve(drained?.changes);
        Ok(())
    }

    /// How many drains there were, unless one is at work.
    fn drains(&self) -> Option<u64> {
        let drains = self.drains.load(Ordering::SeqCst);
        drains.is_multiple_of(2).then_some(drains)
    }

    /// SQLite reads beside a writer, and only then takes the lock; a server does both in one transaction.
    pub(super) async fn begin_to_read(&self, session: &mut dyn Session) -> Result<()> {
        if session.server().capabilities.has_one_writer() {
            return session.begin_read().await;
        }
        session.begin(Durability::Deferred).await?;
        let transforming = session.server().transforming;
        transforming.set_lock_timeout(session, LOCK_WAIT).await
    }

    /// Holds the other writers of this process back, where there can be only one.
    pub(super) async fn begin_to_write<'w>(
        &'w self,
        session: &mut dyn Session,
    ) -> Result<Option<tokio::sync::MutexGuard<'w, Duration>>> {
        if !session.server().capabilities.has_one_writer() {
            return Ok(None);
        }
        session.rollback().await?;
        let turn = self.writer.lock().await;
        session.begin(Durability::Deferred).await?;
        Ok(Some(turn))
    }

    /// Leaves room for the writes of others, when the workers have written for long enough.
    async fn leave_room(
        &self,
        session: &dyn Session,
        turn: Option<tokio::sync::MutexGuard<'_, Duration>>,
        written: Duration,
    ) {
        let Some(mut held) = turn else { return };
        *held += written;
        if *held >= HELD_ALONE || (*held >= HELD_AT_MOST && session.has_other_connections()) {
            tokio::time::sleep(ROOM).await;
            *held = Duration::ZERO;
        }
    }

    /// Waits until nothing holds the work up; false when it is to end.
    async fn may_go_on(&self, rows: usize) -> std::result::Result<bool, Failure> {
        let mut gate = self.gate.subscribe();
        let opened = async {
            // The sender lives as long as this does.
            let _ = gate.wait_for(Option::is_none).await;
            tokio::time::sleep(self.throttle.reserve(rows)).await;
            // It may have been closed meanwhile.
            let _ = gate.wait_for(Option::is_none).await;
        };
        tokio::select! {
            biased;
            reason = self.stop.stopped() => return Err(Failure::from_sandbox(sandbox::Error::Stopped(reason))),
            () = opened => {}
        }
        Ok(!self.has_failed.load(Ordering::Relaxed))
    }
}

/// One worker, on a thread and a session of its own.
pub(super) struct Worker<'w> {
    backfill: Backfill<'w>,
    shared: &'w Shared<'w>,
}

impl<'w> Worker<'w> {
    pub(super) fn new(backfill: Backfill<'w>, shared: &'w Shared<'w>) -> Self {
        Self { backfill, shared }
    }

    /// Takes ranges until there are no more.
    pub(super) async fn work(self) -> std::result::Result<(), Failure> {
        let Backfill { engine, lease, .. } = self.backfill;
        let stop = self.backfill.stop.child();
        let opened = engine.database.open(Access::Write, &stop).await;
        let mut session = opened.map_err(Failure::from_database)?;
        session.label(lease.run);
        let mut function = self.backfill.function(&stop);
        let options = &engine.options.transform;
        let mut size = ChunkSize::new(options.chunk, options.max_rows_per_second);
        let next = || lock(&self.shared.ranges).pop_front();
        while let Some(mut range) = next() {
            while !range.is_done {
                if !self.shared.may_go_on(size.rows).await? {
                    return Ok(());
                }
                let began = Instant::now();
                stop.set_deadline(Some(engine.deadline()));
                let rows = self
                    .chunk(&mut *session, &mut function, &mut range, size.rows)
                    .await?;
                stop.set_deadline(None);
                size.adapt(rows, began.elapsed());
                let done = self.shared.done.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
                let chunk_rows = size.rows as u64;
                self.shared.chunk_rows.store(chunk_rows, Ordering::Relaxed);
                lock(&self.shared.meter).progress(done, None, Unit::Rows);
            }
        }
        Ok(())
    }

    /// One chunk, with as many tries as it takes to get the locks, and one more to find rows whose values the database refuses;
    /// returns how many rows it has.
    async fn chunk(
        &self,
        session: &mut dyn Session,
        function: &mut Function<'_>,
        range: &mut Range,
        most: usize,
    ) -> std::result::Result<usize, Failure> {
        let output = &self.backfill.context.output;
        let (mut tries, mut pause) = (1, Duration::ZERO);
        let mut care = Care::None;
        loop {
            let said = output.last();
            let tried = self.try_chunk(session, function, range, most, care).await;
            match &tried {
                Err(failure) if self.is_cut_off(failure) => {
                    // The next run, or the next try of the step, computes the chunk again.
                    output.forget_between(said, output.last());
                    return tried;
                }
                Err(failure) if failure.retryable && tries < TRIES => {
                    tries += 1;
                    pause = (pause * 2).max(FIRST_PAUSE);
                }
                Err(failure) if care == Care::None && is_refusal(failure) => {
                    care = Care::FindRefused;
                }
                _ => return tried,
            }
            session.rollback().await.map_err(Failure::from_database)?;
            // The next try says it again.
            output.forget_between(said, output.last());
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether a chunk failed by no fault of its own.
    fn is_cut_off(&self, failure: &Failure) -> bool {
        self.shared.stop.reason().is_some() || refused::is_cut_off(failure)
    }

    async fn try_chunk(
        &self,
        session: &mut dyn Session,
        function: &mut Function<'_>,
        range: &mut Range,
        most: usize,
        care: Care,
    ) -> std::result::Result<usize, Failure> {
        let shared = self.shared;
        let plan = &shared.plan;
        let drains = shared.drains();
        let read = async {
            shared.begin_to_read(session).await?;
            next_of(range, session, plan, most).await
        };
        let (chunk, after) = read.await.map_err(Failure::from_database)?;
        let rows = chunk.row_count();
        let computed = function.compute(plan, chunk).await?;
        let turn = shared
            .begin_to_write(session)
            .await
            .map_err(Failure::from_database)?;
        let began = Instant::now();
        // What changed since is captured, and computed anew in its turn, unless that has been done already.
        let is_captured = drains.is_some() && drains == shared.drains();
        let written = refused::write(function, plan, session, computed, is_captured, care);
        let (_, bad) = written.await?;
        session.verify().await.map_err(Failure::from_database)?;
        bad_rows::keep(self.backfill.engine, plan, session, &bad).await?;
        let committed = async {
            let mut fenced = Fenced::of_steps(session, self.backfill.lease)
                .verify()
                .await?;
            journal::advance_range(fenced.session(), plan.table.index, range, &after).await?;
            let output = &*self.backfill.context.output;
            fenced.with_output(output).commit().await
        };
        committed.await.map_err(Failure::from_database)?;
        *range = after;
        shared.leave_room(session, turn, began.elapsed()).await;
        Ok(rows)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
