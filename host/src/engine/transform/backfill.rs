//! migrate: the set-up, and the work that follows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::anew::Anew;
use super::context::Backfill;
use super::cutover::{remove, secure};
use super::drain::Drain;
use super::lock::lock_table;
use super::neighbours::{dependents, refuse_conflicts};
use super::pace::SMALLEST_CHUNK;
use super::plan::{Plan, Stage};
use super::questions::{goes_along, refuse_left_out, refuse_nameless};
use super::record::{self, demand_watch, recorded};
use super::trial::{remove_triggers_of, try_cut_over};
use super::watch;
use super::worker::{Shared, Worker};
use crate::database::{Durability, Session};
use crate::engine::failure::{Blame, Failure};
use crate::engine::step_output::RunContext;
use crate::engine::transaction::{Ran, StepTransaction};
use crate::engine::{Event, Replacement};
use crate::journal::{self, Fenced, Range, TransformationRecord};

/// How many ranges each worker gets, so that none is idle for long at the end.
const RANGES_OF_WORKER: u64 = 8;

impl Backfill<'_> {
    /// Makes the table ready for the function and records that the step was started, in one transaction that it commits;
    /// or makes sure that what an earlier run began can continue, `is_replaced` by another component since. Returns how many
    /// rows there are, where they were counted. The session has no transaction open.
    pub(in crate::engine) async fn set_up(
        &self,
        transaction: &mut StepTransaction,
        begun: Option<&TransformationRecord>,
        is_replaced: bool,
    ) -> Result<Option<u64>, Failure> {
        let description = self.function(self.stop).describe().await?;
        let before = begun.map(|begun| begun.description.as_str());
        let begun = begun.map(recorded).transpose()?;
        match begun {
            Some(begun) if self.engine.options.replacement != Replacement::Restart => {
                let session = &mut *transaction.session;
                let record = before.unwrap_or_default();
                let old = self.plan_of(session, begun, record).await?;
                if !is_replaced {
                    secure(session, &old, self).await?;
                    return Ok(None);
                }
                self.neighbours(session, &description).await?;
                let new = self.plan_now(session, description, Stage::Either).await?;
                let refused = |why| Failure::new("incompatible", Blame::Step, why);
                old.fits(&new).map_err(refused)?;
                self.tell("continues from its last chunk with another component");
                self.replace(transaction, &old, &new, record).await?;
                Ok(None)
            }
            begun => {
                let session = &mut *transaction.session;
                let old = match begun {
                    Some(begun) => {
                        self.tell("starts over");
                        Some(self.plan_now(session, begun, Stage::Either).await?)
                    }
                    None => None,
                };
                let rows = self.install(transaction, old, before, description).await?;
                Ok(Some(rows))
            }
        }
    }

    fn tell(&self, what: &str) {
        let message = format!("{} {what}", self.loaded.step.label);
        self.context.observer.notify(&Event::Warning { message });
    }

    /// The transformations that were begun and are not final, with all of which this one can be finalized.
    async fn neighbours(
        &self,
        session: &mut dyn Session,
        description: &crate::sandbox::Transformation,
    ) -> Result<BTreeMap<u64, TransformationRecord>, Failure> {
        session.begin_read().await.map_err(Failure::from_database)?;
        let snapshot = journal::read(session).await;
        session.rollback().await.map_err(Failure::from_database)?;
        let snapshot = snapshot.map_err(Failure::from_database)?;
        refuse_conflicts(self.loaded.step.index, description, &snapshot)?;
        Ok(snapshot.transformations)
    }

    /// Lays a description beside the table as it is now, in a transaction of its own.
    async fn plan_now(
        &self,
        session: &mut dyn Session,
        description: crate::sandbox::Transformation,
        stage: Stage,
    ) -> Result<Plan, Failure> {
        session.begin_read().await.map_err(Failure::from_database)?;
        let plan = Plan::new(session, self.loaded.step.index, description, stage).await;
        session.rollback().await.map_err(Failure::from_database)?;
        plan
    }

    /// What was begun, laid beside its table, whose capture has noticed every change since.
    async fn plan_of(
        &self,
        session: &mut dyn Session,
        begun: crate::sandbox::Transformation,
        record: &str,
    ) -> Result<Plan, Failure> {
        session.begin_read().await.map_err(Failure::from_database)?;
        let index = self.loaded.step.index;
        let plan = async {
            let plan = Plan::new(session, index, begun, Stage::SetUp).await?;
            demand_watch(session, &plan, record).await?;
            Ok(plan)
        };
        let plan = plan.await;
        session.rollback().await.map_err(Failure::from_database)?;
        plan
    }

    /// Adds columns, capture and ranges; takes away first what an earlier run had added. Returns how many rows there are.
    async fn install(
        &self,
        transaction: &mut StepTransaction,
        old: Option<Plan>,
        before: Option<&str>,
        description: crate::sandbox::Transformation,
    ) -> Result<u64, Failure> {
        let index = self.loaded.step.index;
        let session = &mut *transaction.session;
        // Looked at before the table is locked: a row that comes later is captured, or after the last border.
        let stage = match &old {
            Some(_) => Stage::Either,
            None => Stage::New,
        };
        session.begin_read().await.map_err(Failure::from_database)?;
        let looked = async {
            let plan = Plan::new(session, index, description.clone(), stage).await?;
            refuse_nameless(session, &plan).await?;
            refuse_left_out(session, &plan, false).await?;
            if let Some(goes_along) = goes_along(session, &plan).await? {
                self.tell(&goes_along);
            }
            let looked = async {
                let rows = plan.table.count(session).await?;
                Ok((rows, self.ranges(session, &plan, rows).await?))
            };
            looked.await.map_err(Failure::from_database)
        }
        .await;
        session.rollback().await.map_err(Failure::from_database)?;
        let (rows, ranges) = looked?;
        let begun = self.neighbours(session, &description).await?;
        self.begin(session).await?;
        if let Some(old) = &old {
            lock_table(session, old, self.stop)
                .await
                .map_err(Failure::from_database)?;
            // Their captures would hold on to the columns that go.
            remove_triggers_of(session, &dependents(&[index], &begun), &begun).await?;
            let removed = remove(session, old).await;
            if let Some(message) = removed.map_err(Failure::from_database)? {
                self.context.observer.notify(&Event::Warning { message });
            }
        }
        let plan = Plan::new(session, index, description, Stage::New).await?;
        let installed = async {
            lock_table(session, &plan, self.stop).await?;
            plan.table.install(session).await?;
            record::write(session, &plan).await
        };
        let text = installed.await.map_err(Failure::from_database)?;
        try_cut_over(session, &plan, &begun).await?;
        // Now, or in a later run when this one is interrupted.
        let anew = Anew::capture(session, &dependents(&[index], &begun), &begun).await?;
        let begun = async {
            // Types of the step's have run code of its own.
            session.verify().await?;
            journal::begin_transformation(session, index, before, &text, &ranges).await?;
            for dependent in anew {
                dependent.write(session).await?;
            }
            Ok(())
        };
        begun.await.map_err(Failure::from_database)?;
        self.commit_started(transaction).await?;
        Ok(rows)
    }

    /// Puts another component in the place of the one that began.
    async fn replace(
        &self,
        transaction: &mut StepTransaction,
        old: &Plan,
        new: &Plan,
        before: &str,
    ) -> Result<(), Failure> {
        let session = &mut *transaction.session;
        self.begin(session).await?;
        let replaced = async {
            new.table.install_function(session).await?;
            if old.table.watched != new.table.watched {
                lock_table(session, new, self.stop).await?;
                old.table.remove_triggers(session).await?;
                new.table.install_triggers(session).await?;
            }
            let text = record::write(session, new).await?;
            session.verify().await?;
            journal::redescribe(session, new.table.index, before, &text).await
        };
        replaced.await.map_err(Failure::from_database)?;
        self.commit_started(transaction).await
    }

    async fn begin(&self, session: &mut dyn Session) -> Result<(), Failure> {
        let begun = session.begin(Durability::Deferred).await;
        begun.map_err(Failure::from_database)
    }

    async fn commit_started(&self, transaction: &mut StepTransaction) -> Result<(), Failure> {
        // Types of the step's have run code of its own.
        let committed = transaction.commit_started(self.lease, Ran::Step).await;
        committed.map_err(Failure::from_database)
    }

    /// Splits the table and its `rows` into ranges that have about as many each.
    async fn ranges(
        &self,
        session: &mut dyn Session,
        plan: &Plan,
        rows: u64,
    ) -> crate::database::Result<Vec<Range>> {
        let workers = self.engine.options.transform.workers() as u64;
        let part = rows.div_ceil(workers * RANGES_OF_WORKER);
        let part = part.max(SMALLEST_CHUNK as u64);
        let borders = plan.table.borders(session, rows, part).await?;
        let mut position = None;
        let mut ranges = Vec::new();
        for (number, upper) in (1..).zip(borders.into_iter().map(Some).chain([None])) {
            ranges.push(Range {
                number,
                upper: upper.clone(),
                position,
                rows_done: 0,
                is_done: false,
            });
            position = upper;
        }
        Ok(ranges)
    }

    /// Goes through the ranges that are not done, and drains what changed meanwhile; returns how many rows were gone
    /// through in all. `total` is how many there are, where they were counted. The session has no transaction open.
    pub(in crate::engine) async fn run(
        &self,
        session: &mut dyn Session,
        total: Option<u64>,
    ) -> Result<u64, Failure> {
        let index = self.loaded.step.index;
        session.begin_read().await.map_err(Failure::from_database)?;
        let looked = async {
            let snapshot = journal::read(session)
                .await
                .map_err(Failure::from_database)?;
            let record = snapshot.transformations.get(&index);
            let record = record.ok_or_else(|| {
                Failure::new("host", Blame::Host, "the transformation was not set up")
            })?;
            let plan = Plan::new(session, index, recorded(record)?, Stage::SetUp).await?;
            let read = async {
                let ranges = journal::read_ranges(session, index).await?;
                let total = match total {
                    Some(total) => total,
                    None => plan.table.count(session).await?,
                };
                Ok((ranges, total))
            };
            let read = read.await.map_err(Failure::from_database)?;
            Ok((plan, read))
        }
        .await;
        session.rollback().await.map_err(Failure::from_database)?;
        let (plan, (ranges, total)) = looked?;
        let output = &self.context.output;
        if output.is_waiting() {
            // Those before come first.
            let kept = async {
                let fenced = Fenced::begin(session, self.lease, Durability::Deferred).await?;
                fenced.with_output(&**output).commit().await
            };
            kept.await.map_err(Failure::from_database)?;
        }
        let shared = Shared::new(self, plan, ranges, total);
        let failures = self.work(&shared);
        if let Some(failure) = failures.into_iter().next() {
            return Err(failure);
        }
        let mut drain = Drain::new(self.function(self.stop), &shared.plan);
        drain.until_few(session, self.lease).await?;
        drain.retry_bad_rows(session, self.lease).await?;
        session.begin_read().await.map_err(Failure::from_database)?;
        let last = journal::last_place(session, self.lease.run).await;
        // Some may have come since the beginning.
        let refused = refuse_left_out(session, &shared.plan, true).await;
        session.rollback().await.map_err(Failure::from_database)?;
        refused?;
        output.is_alone_after(last.map_err(Failure::from_database)?);
        Ok(shared.done.into_inner())
    }

    /// Lets the workers work, and somebody watch them, to the end of all; returns why they ended early.
    fn work(&self, shared: &Shared<'_>) -> Vec<Failure> {
        let workers = self.engine.options.transform.workers();
        // Each keeps what it says with its own commits.
        let of_worker = || Arc::new(self.context.of_worker());
        let contexts: Vec<Arc<RunContext>> = (0..workers).map(|_| of_worker()).collect();
        let of_watch = of_worker();
        let backfill = |context| Backfill { context, ..*self };
        let failures = std::thread::scope(|scope| {
            // Closed when the last worker ends.
            let (at_work, ended) = tokio::sync::mpsc::channel::<()>(1);
            let threads: Vec<_> = contexts
                .iter()
                .map(|context| {
                    let at_work = at_work.clone();
                    let backfill = backfill(context);
                    scope.spawn(move || {
                        let _at_work = at_work;
                        let worker = Worker::new(backfill, shared);
                        finished(shared, worker.work())
                    })
                })
                .collect();
            drop(at_work);
            let backfill = backfill(&of_watch);
            let watching =
                scope.spawn(move || finished(shared, watch::watch(&backfill, shared, ended)));
            threads
                .into_iter()
                .chain([watching])
                .map(|thread| {
                    thread.join().unwrap_or_else(|_| {
                        Err(Failure::new("host", Blame::Host, "a worker broke down"))
                    })
                })
                .filter_map(Result::err)
                .collect()
        });
        for context in contexts.iter().chain([&of_watch]) {
            self.context.output.take_over(&context.output);
        }
        failures
    }
}

/// Runs the work of one thread to its end; a failure ends that of all others.
fn finished(
    shared: &Shared<'_>,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let worked = crate::engine::supervisor::on_this_thread(work)
        .map_err(|error| Failure::new("host", Blame::Host, error.to_string()))
        .and_then(|result| result);
    if worked.is_err() {
        shared.fail();
    }
    worked
}
