//! Rows that changed while others were computed: their keys wait in the capture, and are computed anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bad_rows;
use super::captured::{Captured, HOWEVER_LARGE};
use super::function::{Computed, Function};
use super::holdup;
use super::lock::LOCK_WAIT;
use super::pace::{Throttle, within_limit};
use super::plan::Plan;
use super::refused::{self, Care, is_refusal};
use crate::database::{Durability, Session, Value};
use crate::engine::failure::{Blame, Failure};
use crate::engine::{OnBadRow, pause};
use crate::journal::{self, BadRow, Fenced, Lease};
use crate::sandbox;

/// How many captured changes are drained at once.
pub(super) const AT_ONCE: usize = 1_000;

/// Fewer than these are left for the next drain: while the application works, there is always one more.
pub(super) const FEW: usize = 100;

/// How often all that is captured is drained. What is left then comes as fast as it goes, from the application or from a
/// trigger that changes what the function is given whenever a derived column is written.
const MOST_PASSES: u32 = 20;

/// After so many drains there must be fewer changes left: else they come faster than they are drained.
const GROWING: usize = 20;

/// How often rows are tried that meet a lock of the application, and the pause before that.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Computes captured rows anew.
pub(super) struct Drain<'d> {
    pub(super) function: Function<'d>,
    pub(super) plan: &'d Plan,
    /// How many captured changes are drained at once beside the application.
    pub(super) at_once: usize,
    throttle: Throttle,
    /// When it was looked last for what holds the drain up.
    looked_at: Option<Instant>,
}

/// What one drain did.
#[derive(Clone, Copy, Default)]
pub(super) struct Drained {
    /// How many captured changes were read.
    pub(super) changes: usize,
    /// How many rows were captured again, because somebody touched them meanwhile or kept them from being written.
    pub(super) again: usize,
}

/// Some changed rows, computed and not written yet.
pub(super) struct Anew {
    pub(super) captured: Captured,
    computed: Computed,
}

impl Anew {
    /// Takes out the rows without an answer but for so many, as if they had not been computed.
    fn put_off_bad_rows(&mut self, room: u64) -> Vec<BadRow> {
        let bad = &mut self.computed.bad;
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(bad.len());
        let put_off = bad.split_off(room);
        for row in &put_off {
            self.captured.keys.remove(&row.key);
        }
        put_off
    }
}

impl<'d> Drain<'d> {
    pub(super) fn new(function: Function<'d>, plan: &'d Plan) -> Self {
        let limit = function.engine.options.transform.max_rows_per_second;
        Self {
            function,
            plan,
            at_once: within_limit(AT_ONCE, limit),
            throttle: Throttle::new(limit),
            looked_at: None,
        }
    }

    /// Drains in transactions of its own, until few changes are left or they come faster than they are drained. Returns how
    /// many are left because of that.
    pub(super) async fn until_few(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
    ) -> Result<usize, Failure> {
        let mut passes = Passes::default();
        loop {
            self.wait_for_turn(session, lease).await?;
            let drained = self.once(session, lease).await?.changes;
            self.throttle.reserve(drained);
            if drained < FEW.min(self.at_once) {
                return Ok(0);
            }
            session.begin_read().await.map_err(Failure::from_database)?;
            let goes_on = passes.go_on(session, self.plan, drained).await;
            let is_slower = match self.throttle.is_limited() {
                true => passes.grow(session, self.plan).await,
                false => Ok(false),
            };
            session.rollback().await.map_err(Failure::from_database)?;
            if !goes_on? || passes.is_falling_back() || is_slower? {
                return Ok(passes.left);
            }
        }
    }

    /// Waits between two drains while anything holds the run up, and until the operator's limit of rows in a second allows the
    /// next one.
    async fn wait_for_turn(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
    ) -> Result<(), Failure> {
        let (engine, stop) = (self.function.engine, self.function.stop);
        let observer = Arc::clone(&self.function.context.observer);
        let mut held_up: Option<String> = None;
        loop {
            let is_due = |looked_at: Instant| looked_at.elapsed() >= pause::INTERVAL;
            if self.looked_at.is_none_or(is_due) {
                self.looked_at = Some(Instant::now());
                let looked = async {
                    session.begin_read().await?;
                    let seen = holdup::look(engine, lease.run, session).await?;
                    session.rollback().await?;
                    if seen.why != held_up {
                        pause::tell(session, &*observer, lease, seen.why.as_deref()).await?;
                    }
                    crate::database::Result::Ok(seen.why)
                };
                held_up = looked.await.map_err(Failure::from_database)?;
            }
            let wait = match held_up {
                Some(_) => pause::INTERVAL,
                None => self.throttle.wait().min(pause::INTERVAL),
            };
            if wait.is_zero() {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                reason = stop.stopped() => {
                    return Err(Failure::from_sandbox(sandbox::Error::Stopped(reason)));
                }
            }
        }
    }

    /// Drains some changes in a transaction of its own.
    pub(super) async fn once(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
    ) -> Result<Drained, Failure> {
        self.with_patience(session, lease, None).await
    }

    /// Tries all bad rows again: they or the function may have been fixed, and some may be gone.
    pub(super) async fn retry_bad_rows(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
    ) -> Result<(), Failure> {
        // Those that are still bad stay where they are.
        let wanted = std::mem::replace(&mut self.function.on_bad_row, OnBadRow::Quarantine);
        let retried = self.retry_each_bad_row(session, lease).await;
        self.function.on_bad_row = wanted;
        retried
    }

    async fn retry_each_bad_row(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
    ) -> Result<(), Failure> {
        let index = self.plan.table.index;
        let mut after = String::new();
        loop {
            session.begin_read().await.map_err(Failure::from_database)?;
            let most = u32::try_from(HOWEVER_LARGE).unwrap_or(1);
            let read = journal::read_bad_rows(session, (index, &after), most).await;
            session.rollback().await.map_err(Failure::from_database)?;
            let mut rows = read.map_err(Failure::from_database)?;
            rows.retain(|row| row.index == index);
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.key.clone();
            let keys = rows.iter().map(|row| journal::read_key(&row.key));
            let keys = keys.collect::<Result<Vec<_>, _>>();
            let keys = keys.map_err(Failure::from_database)?;
            self.again(session, lease, keys).await?;
        }
    }

    /// Computes the rows of these keys again, whether they have changed or not.
    async fn again(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
        keys: Vec<Vec<Value>>,
    ) -> Result<(), Failure> {
        self.with_patience(session, lease, Some(keys))
            .await
            .map(|_| ())
    }

    /// Drains everything, in the open transaction, beside which nobody can write.
    pub(super) async fn all(&mut self, session: &mut dyn Session) -> Result<(), Failure> {
        let mut passes = Passes::default();
        loop {
            let drained = self.in_transaction(session).await?.changes;
            if drained == 0 {
                return Ok(());
            }
            if !passes.go_on(session, self.plan, drained).await? {
                return Err(Failure::new(
                    "failed",
                    Blame::Operator,
                    format!(
                        "a trigger of the table {} changes what the function is given whenever its derived columns are written, \
                         or keeps them from being written, so that they are never right: disable it for the finalize",
                        self.plan.table.name
                    ),
                ));
            }
        }
    }

    /// Drains some changes in the open transaction.
    pub(super) async fn in_transaction(
        &mut self,
        session: &mut dyn Session,
    ) -> Result<Drained, Failure> {
        let anew = self.compute(session, None, AT_ONCE).await?;
        match anew.captured.is_nothing() {
            true => Ok(Drained::default()),
            false => self.write(session, anew, None).await,
        }
    }

    async fn with_patience(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
        keys: Option<Vec<Vec<Value>>>,
    ) -> Result<Drained, Failure> {
        let mut tries = 1;
        let mut care = Care::None;
        let stop = self.function.stop;
        let output = Arc::clone(&self.function.context.output);
        loop {
            if let Some(reason) = stop.reason() {
                return Err(Failure::from_sandbox(sandbox::Error::Stopped(reason)));
            }
            stop.set_deadline(Some(self.function.engine.deadline()));
            let said = output.last();
            let drained = self.by_itself(session, lease, keys.clone(), care).await;
            stop.set_deadline(None);
            let pause = match &drained {
                Err(failure) if stop.reason().is_some() || refused::is_cut_off(failure) => {
                    // They stay captured, and are computed again.
                    output.forget_between(said, output.last());
                    return drained;
                }
                Err(failure) if failure.retryable && tries < TRIES => {
                    tries += 1;
                    PAUSE
                }
                Err(failure) if care == Care::None && is_refusal(failure) => {
                    care = Care::FindRefused;
                    Duration::ZERO
                }
                _ => return drained,
            };
            session.rollback().await.map_err(Failure::from_database)?;
            // The next try says it again.
            output.forget_between(said, output.last());
            tokio::time::sleep(pause).await;
        }
    }

    async fn by_itself(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
        keys: Option<Vec<Vec<Value>>>,
        care: Care,
    ) -> Result<Drained, Failure> {
        // Whoever has the only write lock reads and computes before taking it.
        let has_one_writer = session.server().capabilities.has_one_writer();
        let begun = match has_one_writer {
            true => session.begin_read().await,
            false => session.begin(Durability::Deferred).await,
        };
        begun.map_err(Failure::from_database)?;
        give_way(session).await?;
        let anew = self.compute(session, keys, self.at_once).await?;
        if anew.captured.is_nothing() {
            session.rollback().await.map_err(Failure::from_database)?;
            return Ok(Drained::default());
        }
        if has_one_writer {
            session.rollback().await.map_err(Failure::from_database)?;
            let begun = session.begin(Durability::Deferred).await;
            begun.map_err(Failure::from_database)?;
        }
        let drained = self.write(session, anew, Some(care)).await?;
        let committed = async {
            let fenced = Fenced::of_steps(session, lease).verify().await?;
            let output = &*self.function.context.output;
            fenced.with_output(output).commit().await
        };
        committed.await.map_err(Failure::from_database)?;
        Ok(drained)
    }

    /// Computes captured rows, but for those without an answer for which there is no `room` among the bad ones. What the
    /// function says of these it says again in a run.
    pub(super) async fn compute_without_bad_rows(
        &mut self,
        session: &mut dyn Session,
        room: u64,
    ) -> Result<(Anew, Vec<BadRow>), Failure> {
        let output = Arc::clone(&self.function.context.output);
        let mut waiting = Vec::new();
        let mut numbers = None;
        let mut keys = None;
        loop {
            let said = output.last();
            let mut anew = self.compute(session, keys, self.at_once).await?;
            let before = anew.captured.keys.len();
            let put_off = anew.put_off_bad_rows(room);
            if let Some(row) = put_off.first()
                && anew.captured.keys.len() == before
            {
                // By that key it was not captured, and would come again and again.
                return Err(Failure::new("failed", Blame::Step, row.message.clone()));
            }
            let numbers = numbers.get_or_insert_with(|| anew.captured.numbers.clone());
            if put_off.is_empty() {
                anew.captured.numbers.clone_from(numbers);
                return Ok((anew, waiting));
            }
            output.forget_between(said, output.last());
            waiting.extend(put_off);
            keys = Some(anew.captured.keys.into_values().collect());
        }
    }

    async fn compute(
        &mut self,
        session: &mut dyn Session,
        keys: Option<Vec<Vec<Value>>>,
        most: usize,
    ) -> Result<Anew, Failure> {
        let read = async {
            let mut captured = match keys {
                Some(keys) => Captured::of(keys),
                None => Captured::read(session, self.plan, most).await?,
            };
            let mut at_once = most;
            loop {
                match captured.rows(session, self.plan).await? {
                    Some(chunk) => return Ok((captured, chunk)),
                    None => {
                        at_once = (at_once / 4).max(HOWEVER_LARGE.min(most));
                        captured = Captured::read(session, self.plan, at_once).await?;
                    }
                }
            }
        };
        let read: crate::database::Result<_> = read.await;
        let (captured, chunk) = read.map_err(Failure::from_database)?;
        let computed = self.function.compute(self.plan, chunk).await?;
        Ok(Anew { captured, computed })
    }

    /// Writes what was computed: with some care in a transaction that is begun anew when that fails, else in one that is not.
    pub(super) async fn write(
        &self,
        session: &mut dyn Session,
        anew: Anew,
        care: Option<Care>,
    ) -> Result<Drained, Failure> {
        let Anew { captured, computed } = anew;
        let (function, plan) = (&self.function, self.plan);
        let table = &plan.table;
        let index = table.index;
        // What is not as it has to be afterwards is captured again before it is forgotten.
        let cleared = match captured.is_nothing() {
            true => 0,
            false => {
                let cleared = table.clear(session, &captured.keys()).await;
                cleared.map_err(Failure::from_database)?
            }
        };
        let (again, bad) = match care {
            Some(care) => refused::write(function, plan, session, computed, false, care).await?,
            None => refused::write_within(function, plan, session, computed).await?,
        };
        let again = cleared + again;
        let written = async {
            table.forget(session, &captured.numbers).await?;
            session.verify().await?;
            // Those that are still bad are kept again.
            if journal::count_bad_rows(session, index).await? > 0 {
                let keys: Vec<String> = captured.keys.keys().cloned().collect();
                journal::forget_bad_rows(session, index, &keys).await?;
            }
            crate::database::Result::Ok(usize::try_from(again).unwrap_or(usize::MAX))
        };
        let again = written.await.map_err(Failure::from_database)?;
        bad_rows::keep(self.function.engine, self.plan, session, &bad).await?;
        Ok(Drained {
            changes: captured.numbers.len(),
            again,
        })
    }
}

/// Lets the open transaction give way to the application where they wait for each other.
pub(super) async fn give_way(session: &mut dyn Session) -> Result<(), Failure> {
    if session.server().capabilities.has_one_writer() {
        return Ok(());
    }
    let transforming = session.server().transforming;
    let set = transforming.set_lock_timeout(session, LOCK_WAIT).await;
    set.map_err(Failure::from_database)
}

/// How often all that was captured has been drained.
#[derive(Default)]
struct Passes {
    count: u32,
    left: usize,
    /// How many changes the last passes began with, the newest last.
    began_with: Vec<usize>,
    /// How many were left after each drain, the newest last. Where a limit holds drains back, one pass may take long.
    left_after: Vec<usize>,
}

impl Passes {
    /// Takes note of what was drained; returns whether there may be a next time.
    async fn go_on(
        &mut self,
        session: &mut dyn Session,
        plan: &Plan,
        drained: usize,
    ) -> Result<bool, Failure> {
        self.left = self.left.saturating_sub(drained);
        if self.left == 0 {
            self.count += 1;
            let left = plan.table.count_captured(session, i64::MAX as u64).await;
            let left = left.map_err(Failure::from_database)?;
            self.left = usize::try_from(left).unwrap_or(usize::MAX);
            self.began_with.push(self.left);
        }
        Ok(self.count <= MOST_PASSES)
    }

    /// Takes note of how many changes are left after a drain; returns whether there are as many as some drains ago.
    async fn grow(&mut self, session: &mut dyn Session, plan: &Plan) -> Result<bool, Failure> {
        let left = plan.table.count_captured(session, i64::MAX as u64).await;
        let left = left.map_err(Failure::from_database)?;
        self.left = usize::try_from(left).unwrap_or(usize::MAX);
        let before = self.left_after.iter().rev().nth(GROWING - 1).copied();
        self.left_after.push(self.left);
        Ok(before.is_some_and(|before| self.left >= before))
    }

    /// Whether there is more to do than two passes ago.
    fn is_falling_back(&self) -> bool {
        let mut newest = self.began_with.iter().rev();
        matches!((newest.next(), newest.nth(1)), (Some(now), Some(before)) if now >= before)
    }
}
