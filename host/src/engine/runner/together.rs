//! The finalize of all steps, and the reset of all: one transaction each, but for steps that are reset outside of one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::{Atomicity, Interruption, Loaded, Run, cancelled, outcome_of};
use crate::database::{Durability, SchemaChanges, Session};
use crate::engine::event::Event;
use crate::engine::failure::{Blame, Failure};
use crate::engine::gate;
use crate::engine::irreversible::{self, half_done};
use crate::engine::program::Program;
use crate::engine::step_output::RunContext;
use crate::engine::uncommitted::Uncommitted;
use crate::journal::{self, AttemptRecord, Fenced, Lease, Outcome, Phase, StepRecord, StepState};

impl Run<'_> {
    /// Finalizes the steps that are migrated and planned for it, in one transaction.
    pub(super) async fn finalize(&mut self) -> Result<(), Interruption> {
        let finalized = self.plan.finalize.clone();
        // Only repeatable steps were pending.
        if finalized.is_empty() {
            return Ok(());
        }
        self.load_the_rest(|record| {
            record.state == StepState::Migrated && finalized.contains(&record.index)
        })?;
        self.pass_the_gate().await?;
        self.with_retries(None, async |run, _| {
            run.set_phase(Phase::Finalize, None).await
        })
        .await?;
        self.each_unit(Phase::Finalize).await
    }

    /// Asks whether the finalize may begin, where the operator wants that.
    async fn pass_the_gate(&self) -> Result<(), Interruption> {
        let Some(gate) = &self.engine.options.gate else {
            return Ok(());
        };
        let labels = self.loaded.iter().map(|loaded| loaded.step.label.clone());
        let target = self.engine.database.name();
        gate::pass(gate, target, self.lease.run, labels.collect(), &self.stop)
            .await
            .map_err(|failure| match failure.is_closed_gate() {
                true => Interruption::Refused(failure),
                false => Interruption::Failed(failure),
            })
    }

    /// Resets the planned steps, none of which is finalized, the newest first, in one transaction, but for those that refuse one.
    pub(super) async fn reset(&mut self) -> Result<(), Interruption> {
        let order: HashMap<u64, usize> = self.plan.reset.iter().copied().zip(0..).collect();
        self.load_the_rest(|record| order.contains_key(&record.index))?;
        self.loaded
            .sort_by_key(|loaded| order.get(&loaded.step.index).copied());
        for step in &self.loaded {
            let settings = &self.context.settings;
            let refused = irreversible::refuse(self.engine, step, settings, &self.stop).await;
            refused.map_err(|failure| {
                let is_begun = |record: &StepRecord| record.state == StepState::Started;
                Interruption::Refused(match self.record_of(step).is_some_and(is_begun) {
                    true => Failure {
                        message: format!("{}; {}", failure.message, half_done(&step.step.label)),
                        ..failure
                    },
                    false => failure,
                })
            })?;
        }
        self.each_unit(Phase::Reset).await
    }

    /// Runs one phase of all loaded steps.
    async fn each_unit(&mut self, phase: Phase) -> Result<(), Interruption> {
        let mut units = self.units(phase, &self.loaded).into_iter().peekable();
        while let Some(unit) = units.next() {
            let is_last = units.peek().is_none();
            match unit.atomicity {
                Atomicity::All => self.all_at_once(phase, unit.steps, is_last).await?,
                Atomicity::Statement if phase == Phase::Reset && self.rolls_back() => {
                    self.reset_outside(unit.steps.start, is_last).await?;
                }
                // On a database that commits changes of the schema at once; there is none yet.
                Atomicity::Group | Atomicity::Step | Atomicity::Statement | Atomicity::Chunk => {
                    return Err(Interruption::Refused(Failure::new(
                        "refused",
                        Blame::Host,
                        "this database cannot commit the steps together, and the host cannot do it in parts",
                    )));
                }
            }
        }
        Ok(())
    }

    /// Whether changes of the schema are a part of transactions.
    fn rolls_back(&self) -> bool {
        let capabilities = self.engine.database.capabilities();
        capabilities.schema_changes == SchemaChanges::InTransaction
    }

    /// Runs one phase of these of the loaded steps in one transaction, with as many tries as it is worth.
    async fn all_at_once(
        &mut self,
        phase: Phase,
        steps: Range<usize>,
        is_last: bool,
    ) -> Result<(), Interruption> {
        let concerned = self.left_of(phase, &self.loaded, &steps);
        let first = Instant::now();
        self.with_retries(None, async |run, attempt| {
            // The connection may have been lost after the commit.
            if attempt > 1 && run.left_of(phase, &run.loaded, &steps).is_empty() {
                let observer = Arc::clone(&run.context.observer);
                let mut done = Uncommitted::default();
                let tried = run.loaded.get(steps.clone()).unwrap_or_default();
                for loaded in run.concerned(tried, phase) {
                    done.ran(&*observer, loaded.step.label.clone(), phase, first);
                }
                done.committed(&*observer);
                return Ok(());
            }
            run.try_all_at_once(phase, &steps, attempt, is_last).await
        })
        .await?;
        self.plan.repeat.clear();
        let state = (phase == Phase::Finalize).then_some(StepState::Finalized);
        for index in concerned {
            self.committed_steps.note(index, state);
        }
        Ok(())
    }

    /// The steps of the journal that this phase is for.
    pub(super) fn left(&self, phase: Phase) -> Vec<u64> {
        let steps = self.snapshot.steps.values();
        let left = steps.filter(|step| match phase {
            Phase::Finalize => {
                step.state == StepState::Migrated && self.plan.finalize.contains(&step.index)
            }
            _ => step.state != StepState::Finalized && self.plan.reset.contains(&step.index),
        });
        left.map(|step| step.index).collect()
    }

    /// Those of them that one transaction is for. What is finalized may have no file any more.
    fn left_of(&self, phase: Phase, loaded: &[Loaded], steps: &Range<usize>) -> Vec<u64> {
        let mut left = self.left(phase);
        if phase == Phase::Reset {
            let steps = loaded.get(steps.clone()).unwrap_or_default();
            left.retain(|index| steps.iter().any(|step| step.step.index == *index));
        }
        left
    }

    async fn try_all_at_once(
        &mut self,
        phase: Phase,
        of: &Range<usize>,
        attempt: u32,
        is_last: bool,
    ) -> Result<(), Interruption> {
        if phase == Phase::Finalize {
            self.before_cut_overs().await?;
        }
        self.pause_before_unit(is_last).await?;
        self.session_mut()?
            .begin(Durability::Deferred)
            .await
            .map_err(|error| Interruption::Failed(Failure::from_database(error)))?;
        let steps = std::mem::take(&mut self.loaded);
        let result = self.run_all(&steps, of, phase, attempt).await;
        self.loaded = steps;
        result
    }

    /// Those of the steps that have something to do in this phase.
    fn concerned<'l>(&self, steps: &'l [Loaded], phase: Phase) -> Vec<&'l Loaded> {
        let has = |step: &&Loaded| match &step.program {
            // One that failed before its set-up left nothing.
            Program::Transformation(_) => self.begun(step).is_some(),
            _ => step.program.has(phase),
        };
        steps.iter().filter(has).collect()
    }

    /// Runs one phase of these steps in the open transaction and commits it. They are told as done only then.
    async fn run_all(
        &mut self,
        steps: &[Loaded],
        of: &Range<usize>,
        phase: Phase,
        attempt: u32,
    ) -> Result<(), Interruption> {
        let observer = Arc::clone(&self.context.observer);
        let mut ran = Uncommitted::default();
        let result = self
            .run_and_commit(steps, of, phase, attempt, &mut ran)
            .await;
        match &result {
            Ok(()) => ran.committed(&*observer),
            Err(interruption) if interruption.is_disconnected() => {
                ran.lost(&*observer, outcome_of(interruption.failure()));
            }
            Err(interruption) => {
                ran.rolled_back(&*observer, outcome_of(interruption.failure()));
            }
        }
        result
    }

    async fn run_and_commit(
        &mut self,
        steps: &[Loaded],
        of: &Range<usize>,
        phase: Phase,
        attempt: u32,
        ran: &mut Uncommitted,
    ) -> Result<(), Interruption> {
        let concerned = self.concerned(steps.get(of.clone()).unwrap_or_default(), phase);
        self.lock_transformed(&concerned, phase, attempt).await?;
        // Written when all steps are done: whatever the transaction did to the journal before then, a step did.
        let mut attempts = Vec::new();
        for (number, loaded) in (1..).zip(&concerned) {
            let label = &loaded.step.label;
            let began = Instant::now();
            self.context.observer.notify(&Event::StepStarted {
                step: label.clone(),
                phase,
                attempt,
                number,
                of: concerned.len(),
                resumed: false,
            });
            let transaction = self.transaction(&loaded.step, phase, None, attempt)?;
            let (mut result, mut transaction) = match (&loaded.program, phase) {
                (Program::Transformation(_), _) => {
                    let before = number.checked_sub(2).and_then(|place| concerned.get(place));
                    let before = before.copied();
                    self.perform_transformation(loaded, before, transaction)
                        .await
                }
                _ => loaded.perform(self.engine, transaction, &self.stop).await,
            };
            if self.stop.is_cancelled() {
                result = Err(cancelled());
            }
            if result.is_ok() {
                // So that a failure is told of the step whose it is.
                let settled = transaction.session.settle().await;
                result = settled.map_err(Failure::from_database);
            }
            let result = match result {
                Ok(()) => {
                    attempts.push(transaction.attempt(Outcome::Done, None));
                    Ok(())
                }
                Err(failure) => {
                    let failure = failure.of(label, phase);
                    self.step_ended(loaded, phase, outcome_of(&failure), began);
                    Err(self.write_failure(&mut transaction, failure).await)
                }
            };
            self.session = Some(transaction.session);
            result?;
            ran.ran(&*self.context.observer, label.clone(), phase, began);
        }
        ran.begin_commit();
        let left = self.left_of(phase, steps, of);
        let all = AllAtOnce {
            phase,
            steps: &left,
            repeat: self.plan.repeat.clone(),
            attempts: &attempts,
            transformations: left
                .iter()
                .copied()
                .filter(|index| self.snapshot.transformations.contains_key(index))
                .collect(),
        };
        let (context, lease) = (Arc::clone(&self.context), self.lease.clone());
        let is_cancelled = self.stop.is_cancelled();
        let session = self.session_mut()?;
        let committed = match is_cancelled {
            true => Err(cancelled()),
            false => {
                let committed = all.commit(session, &context, &lease).await;
                committed.map_err(|error| Failure {
                    phase: Some(phase),
                    ..Failure::from_database(error)
                })
            }
        };
        let Err(failure) = committed else {
            return Ok(());
        };
        let rolled_back = session.rollback().await;
        Err(match rolled_back {
            _ if failure.is_lost_connection() => Interruption::Disconnected(failure),
            Ok(()) => Interruption::Failed(failure),
            Err(error) => Interruption::of_bookkeeping(error, &self.stop),
        })
    }
}

/// What the transaction of all steps leaves in the journal.
struct AllAtOnce<'a> {
    phase: Phase,
    /// The steps of the journal that it is for.
    steps: &'a [u64],
    /// The repeatable ones that run again.
    repeat: Vec<u64>,
    attempts: &'a [AttemptRecord],
    /// Those of them that are transformations.
    transformations: Vec<u64>,
}

impl AllAtOnce<'_> {
    async fn commit(
        &self,
        session: &mut dyn Session,
        context: &RunContext,
        lease: &Lease,
    ) -> crate::database::Result<()> {
        let mut fenced = Fenced::of_steps(session, lease).verify().await?;
        let session = fenced.session();
        for attempt in self.attempts {
            journal::write_attempt(session, attempt).await?;
        }
        journal::forget_transformations(session, &self.transformations).await?;
        match self.phase {
            Phase::Finalize => journal::finalize_steps(session, self.steps).await?,
            Phase::Reset => {
                journal::forget_steps(session, self.steps).await?;
                journal::forget_repeatable(session, &self.repeat).await?;
            }
            Phase::Prepare | Phase::Migrate => {}
        }
        fenced.with_output(&*context.output).commit().await
    }
}
