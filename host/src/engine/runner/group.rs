//! Brief steps, which share their commits.
//!
//! What a commit costs, the look before it and the wait for its answer, is paid once for all steps that are over in a moment. Each has a
//! savepoint before it: where one fails, those before it are committed, and it runs again by itself, in a transaction of its own, where
//! its failure is told and written down as any. Until the commit the steps are told to have run, and not to be done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Atomicity, Interruption, Loaded, Run, outcome_of};
use crate::database::Durability;
use crate::engine::event::Event;
use crate::engine::failure::Failure;
use crate::engine::transaction::{Migrated, commit_migrated};
use crate::engine::uncommitted::Uncommitted;
use crate::journal::{Phase, StepState};

/// After so long what has run is committed.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// So many steps at most are committed together.
const MOST_STEPS: usize = 500;

/// What became of some steps that were tried together.
#[derive(Clone, Copy, Default)]
struct Tried {
    /// How many of them are committed, from the first on.
    committed: usize,
    /// How many after these have to run by themselves.
    alone: usize,
}

impl Run<'_> {
    /// Runs the `migrate` of brief steps, of which the first has this place in the plan.
    pub(super) async fn migrate_group(
        &mut self,
        steps: &mut [Loaded],
        first: usize,
        of: usize,
    ) -> Result<(), Interruption> {
        let mut done = 0;
        while done < steps.len() {
            if first + done > 0 {
                self.pause().await?;
            }
            let left = steps.get(done..).unwrap_or_default();
            let tried = self
                .with_retries(None, async |run, attempt| match attempt {
                    1 => run.try_group(left, first + done, of).await,
                    // The connection was lost, and with it the transaction, unless that was after its commit.
                    _ => Ok(run.committed_before(left)),
                })
                .await?;
            for step in left.iter().take(tried.committed) {
                self.note_migrated(&step.step);
            }
            done += tried.committed;
            for step in steps.iter_mut().skip(done).take(tried.alone) {
                done += 1;
                self.migrate_step(step, Atomicity::Step, first + done, of)
                    .await?;
                self.note_migrated(&step.step);
            }
        }
        Ok(())
    }

    /// How many of the steps are there, now that it is known again.
    fn committed_before(&self, steps: &[Loaded]) -> Tried {
        let is_there = |step: &&Loaded| {
            let record = self.record_of(step);
            record.is_some_and(|record| record.state != StepState::Started)
        };
        let committed = steps.iter().take_while(is_there).count();
        Tried {
            committed,
            alone: usize::from(committed == 0),
        }
    }

    async fn try_group(
        &mut self,
        steps: &[Loaded],
        first: usize,
        of: usize,
    ) -> Result<Tried, Interruption> {
        let observer = Arc::clone(&self.context.observer);
        let mut ran = Uncommitted::default();
        let tried = self.run_group(steps, first, of, &mut ran).await;
        match &tried {
            Ok(tried) if tried.committed > 0 => ran.committed(&*observer),
            // They run again by themselves.
            Ok(_) => {}
            Err(interruption) if interruption.is_disconnected() => {
                ran.lost(&*observer, outcome_of(interruption.failure()));
            }
            Err(interruption) => {
                ran.rolled_back(&*observer, outcome_of(interruption.failure()));
            }
        }
        tried
    }

    async fn run_group(
        &mut self,
        steps: &[Loaded],
        first: usize,
        of: usize,
        ran: &mut Uncommitted,
    ) -> Result<Tried, Interruption> {
        let lost = |failure: Failure| match failure.is_lost_connection() {
            true => Err(Interruption::Disconnected(failure)),
            false => Ok(()),
        };
        let began = Instant::now();
        let output = Arc::clone(&self.context.output);
        let said = output.last();
        let session = self.session_mut()?;
        if let Err(error) = session.begin(Durability::Deferred).await {
            lost(Failure::from_database(error))?;
            return Ok(Tried {
                committed: 0,
                alone: 1,
            });
        }
        let mut migrated: Vec<Migrated> = Vec::new();
        let mut is_cut = false;
        for (place, loaded) in steps.iter().take(MOST_STEPS).enumerate() {
            if self.stop.is_cancelled() {
                break;
            }
            let before = output.last();
            let performed = self.run_one_of_group(loaded, first + place + 1, of).await?;
            match performed {
                Ok((step, took)) => {
                    let label = loaded.step.label.clone();
                    ran.ran(&*self.context.observer, label, Phase::Migrate, took);
                    migrated.push(step);
                }
                Err(failure) => {
                    lost(failure)?;
                    output.forget_between(before, output.last());
                    self.started = Some(loaded.step.index);
                    is_cut = true;
                    break;
                }
            }
            if began.elapsed() >= LONG_ENOUGH {
                break;
            }
        }
        let count = migrated.len();
        let alone = Tried {
            committed: 0,
            alone: count + usize::from(is_cut),
        };
        if count == 0 {
            self.roll_back().await?;
            return Ok(Tried { alone: 1, ..alone });
        }
        ran.begin_commit();
        let (lease, after) = (self.lease.clone(), self.last_migrated);
        let session = self.session_mut()?;
        let committed = commit_migrated(session, &lease, after, &migrated, &output).await;
        if let Err(error) = committed {
            lost(Failure::from_database(error))?;
            // Which of them it was shows when each runs by itself.
            self.started = None;
            self.roll_back().await?;
            output.forget_between(said, output.last());
            return Ok(alone);
        }
        for step in migrated {
            self.snapshot.steps.insert(step.record.index, step.record);
        }
        Ok(Tried {
            committed: count,
            alone: usize::from(is_cut),
        })
    }

    /// Runs one of the steps after a savepoint, to which it is undone when it fails.
    async fn run_one_of_group(
        &mut self,
        loaded: &Loaded,
        number: usize,
        of: usize,
    ) -> Result<Result<(Migrated, Instant), Failure>, Interruption> {
        let prepared = async {
            let session = self.session_mut()?;
            let prepared = async {
                session.enter_schema(None).await?;
                session.savepoint().await
            };
            Ok(prepared.await.map_err(Failure::from_database))
        };
        let savepoint = match prepared.await? {
            Ok(savepoint) => savepoint,
            Err(failure) => return Ok(Err(failure)),
        };
        self.say_what_came_before(loaded);
        let began = Instant::now();
        self.context.observer.notify(&Event::StepStarted {
            step: loaded.step.label.clone(),
            phase: Phase::Migrate,
            attempt: 1,
            number,
            of,
            resumed: false,
        });
        let transaction = self.transaction(&loaded.step, Phase::Migrate, loaded.rows, 1)?;
        let (result, mut transaction) = loaded.run(self.engine, transaction, &self.stop).await;
        let session = &mut transaction.session;
        let result = match result {
            Ok(()) => {
                let kept = session.release(savepoint).await;
                kept.map_err(Failure::from_database)
            }
            Err(failure) => {
                // Where that fails, the commit does, too.
                let _ = session.roll_back_to(savepoint).await;
                Err(failure)
            }
        };
        let (session, migrated) = transaction.migrated();
        self.session = Some(session);
        Ok(result.map(|()| (migrated, began)))
    }

    async fn roll_back(&mut self) -> Result<(), Interruption> {
        let rolled_back = self.session_mut()?.rollback().await;
        rolled_back.map_err(|error| Interruption::of_bookkeeping(error, &self.stop))
    }
}
