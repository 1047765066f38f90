//! One step's `migrate`, in a transaction of its own.

use std::time::Instant;

use super::{Atomicity, Interruption, Loaded, Run, cancelled, outcome_of};
use crate::catalog::{runs_last, step_label};
use crate::database::Durability;
use crate::engine::Replacement;
use crate::engine::event::Event;
use crate::engine::failure::Failure;
use crate::engine::program::Circumstances;
use crate::engine::step_output::StepOutput;
use crate::engine::transaction::Ran;
use crate::journal::{Outcome, Phase, StepRecord, StepState};
use crate::output::Level;
use crate::sandbox::OutputWriter as _;

impl Run<'_> {
    /// Runs one step's `migrate`, with as many tries as it is worth.
    pub(super) async fn migrate_step(
        &mut self,
        loaded: &mut Loaded,
        atomicity: Atomicity,
        number: usize,
        of: usize,
    ) -> Result<(), Interruption> {
        let label = loaded.step.label.clone();
        let first = Instant::now();
        self.with_retries(Some(&label), async |run, attempt| {
            let is_migrated = |record: &StepRecord| record.state != StepState::Started;
            if attempt > 1 && run.record_of(loaded).is_some_and(is_migrated) {
                // The connection was lost after the commit.
                run.step_ended(loaded, Phase::Migrate, Outcome::Done, first);
                return Ok(());
            }
            if loaded.deferred {
                // Its tables are there now, if they ever will be.
                match run.inquire(loaded, Circumstances::First).await {
                    Ok(()) => {}
                    Err(Interruption::Refused(failure)) => {
                        return Err(Interruption::Failed(failure));
                    }
                    Err(interruption) => return Err(interruption),
                }
            }
            if attempt == 1 {
                run.say_what_came_before(loaded);
            }
            let began = Instant::now();
            if run.started.take() != Some(loaded.step.index) {
                run.context.observer.notify(&Event::StepStarted {
                    step: loaded.step.label.clone(),
                    phase: Phase::Migrate,
                    attempt,
                    number,
                    of,
                    resumed: run.continues(loaded),
                });
            }
            let tried = match atomicity {
                Atomicity::Chunk => run.try_transform(loaded, attempt).await,
                Atomicity::Statement => run.try_migrate_outside(loaded, attempt).await,
                Atomicity::All | Atomicity::Group | Atomicity::Step => {
                    run.try_migrate(loaded, attempt).await
                }
            };
            match &tried {
                Ok(()) => run.step_ended(loaded, Phase::Migrate, Outcome::Done, began),
                Err(Interruption::Failed(failure) | Interruption::Disconnected(failure)) => {
                    run.step_ended(loaded, Phase::Migrate, outcome_of(failure), began);
                }
                Err(Interruption::Refused(_) | Interruption::Over(_)) => {}
            }
            tried
        })
        .await
    }

    /// Whether a step continues where an earlier try or run was.
    fn continues(&self, loaded: &Loaded) -> bool {
        let starts_over =
            self.engine.options.replacement == Replacement::Restart && self.begun(loaded).is_some();
        loaded.transactional && !starts_over && self.record_of(loaded).is_some()
    }

    /// Says of a step that comes late that it does, where those who read the run's output later find it.
    pub(super) fn say_what_came_before(&self, loaded: &Loaded) {
        let index = loaded.step.index;
        let before = |step: &&StepRecord| step.run != self.lease.run && !runs_last(step.index);
        let Some(last) = self.snapshot.steps.values().rfind(before) else {
            return;
        };
        if last.index > index && self.record_of(loaded).is_none() {
            let last = step_label(last.index, &last.name);
            let line = format!("runs out of order: {last} was applied before it");
            StepOutput::new(&self.context, &loaded.step, Phase::Migrate)
                .write(Level::Warning, line);
        }
    }

    async fn try_migrate(&mut self, loaded: &Loaded, attempt: u32) -> Result<(), Interruption> {
        let label = &loaded.step.label;
        let failed = |failure: Failure| Interruption::Failed(failure.of(label, Phase::Migrate));
        let transaction = self
            .begin(
                Durability::Deferred,
                &loaded.step,
                Phase::Migrate,
                loaded.rows,
                attempt,
            )
            .await
            .map_err(failed)?;
        let (mut result, mut transaction) =
            loaded.perform(self.engine, transaction, &self.stop).await;
        if self.stop.is_cancelled() {
            result = Err(cancelled());
        }
        if result.is_ok() {
            let committed = transaction.commit_migrated(&self.lease, Ran::Step).await;
            result = committed.map_err(Failure::from_database);
        }
        let result = match result {
            Ok(()) => Ok(()),
            Err(failure) => {
                let failure = failure.of(label, Phase::Migrate);
                Err(self.write_failure(&mut transaction, failure).await)
            }
        };
        self.take_back(transaction);
        result
    }
}
