//! The finalize of all steps, and the reset of all: one transaction each.

use std::time::Instant;

use super::{Ended, Loaded, Run, cancelled, outcome_of, write_failure};
use crate::database::{Durability, Session};
use crate::engine::event::Event;
use crate::engine::failure::{Blame, Failure};
use crate::engine::gate;
use crate::engine::program::Program;
use crate::engine::transaction::RunContext;
use crate::journal::{self, AttemptRecord, Lease, Outcome, Phase, StepState};

impl Run<'_> {
    /// Finalizes all steps that are migrated, in one transaction.
    pub(super) async fn finalize(&mut self, lease: &Lease) -> Result<(), Ended> {
        self.load_the_rest(|record| record.state == StepState::Migrated)?;
        self.pass_the_gate(lease).await?;
        let mut attempt = 1;
        while let Err(ended) = self.set_phase(lease, Phase::Finalize, None).await {
            self.try_again(lease, None, ended, &mut attempt).await?;
        }
        self.all_at_once(lease, Phase::Finalize).await?;
        Ok(())
    }

    /// Asks whether the finalize may begin, where the operator wants that.
    async fn pass_the_gate(&self, lease: &Lease) -> Result<(), Ended> {
        let Some(gate) = &self.engine.options.gate else {
            return Ok(());
        };
        let labels = self.loaded.iter().map(|loaded| loaded.step.label.clone());
        let target = self.engine.database.name();
        gate::pass(gate, target, lease.run, labels.collect(), &self.stop)
            .await
            .map_err(|failure| match failure.code.as_str() {
                "cancelled" => Ended::Failed(failure),
                _ => Ended::TurnedDown(failure),
            })
    }

    /// Resets all steps that are not finalized, the newest first, in one transaction.
    pub(super) async fn reset(&mut self, lease: &Lease) -> Result<(), Ended> {
        self.load_the_rest(|record| record.state != StepState::Finalized)?;
        self.loaded.reverse();
        if let Some(step) = self
            .loaded
            .iter()
            .find(|step| step.program.has(Phase::Migrate) && !step.program.has(Phase::Reset))
        {
            return Err(Ended::TurnedDown(
                Failure::new(
                    "refused",
                    Blame::Step,
                    "it has no section `-- wasmigrate:reset`, so that what it did cannot be undone; nothing was reset",
                )
                .of(&step.step.label, Phase::Reset),
            ));
        }
        self.all_at_once(lease, Phase::Reset).await?;
        Ok(())
    }

    /// Runs one phase of all loaded steps in one transaction, with as many tries as it is worth.
    async fn all_at_once(&mut self, lease: &Lease, phase: Phase) -> Result<(), Ended> {
        let mut attempt = 1;
        loop {
            let concerned = self.left(phase);
            let tried = self.try_all_at_once(lease, phase, attempt).await;
            let is_done = tried.is_ok();
            if let Err(ended) = tried {
                self.try_again(lease, None, ended, &mut attempt).await?;
            }
            // The connection may have been lost behind the commit.
            if is_done || self.left(phase).is_empty() {
                let state = (phase == Phase::Finalize).then_some(StepState::Finalized);
                self.kept
                    .extend(concerned.into_iter().map(|index| (index, state)));
                return Ok(());
            }
        }
    }

    /// The steps of the journal that this phase is for.
    fn left(&self, phase: Phase) -> Vec<u32> {
        let steps = self.snapshot.steps.values();
        let left = steps.filter(|step| match phase {
            Phase::Finalize => step.state == StepState::Migrated,
            _ => step.state != StepState::Finalized,
        });
        left.map(|step| step.index).collect()
    }

    async fn try_all_at_once(
        &mut self,
        lease: &Lease,
        phase: Phase,
        attempt: u32,
    ) -> Result<(), Ended> {
        if phase == Phase::Finalize {
            self.before_cut_overs(lease).await?;
        }
        self.session_mut()?
            .begin(Durability::Deferred)
            .await
            .map_err(|error| Ended::Failed(Failure::from_database(error)))?;
        let steps = std::mem::take(&mut self.loaded);
        let result = self.run_all(&steps, lease, phase, attempt).await;
        self.loaded = steps;
        result
    }

    async fn run_all(
        &mut self,
        steps: &[Loaded],
        lease: &Lease,
        phase: Phase,
        attempt: u32,
    ) -> Result<(), Ended> {
        let concerned: Vec<&Loaded> = steps
            .iter()
            .filter(|step| match &step.program {
                // One that failed before its set-up left nothing.
                Program::Transformation(_) => self.begun(step).is_some(),
                _ => step.program.has(phase),
            })
            .collect();
        self.lock_transformed(lease, &concerned, phase, attempt)
            .await?;
        let transformations = self.snapshot.transformations.len();
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
                    self.perform_transformation(loaded, transaction).await
                }
                _ => loaded.perform(self.engine, transaction, &self.stop).await,
            };
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
                    write_failure(&mut self.unwritten, &mut transaction, lease, &failure).await
                }
            };
            self.session = Some(transaction.session);
            result?;
            self.step_ended(loaded, phase, Outcome::Done, began);
        }
        let is_cancelled = self.stop.is_cancelled();
        let context = std::sync::Arc::clone(&self.context);
        let session = self.session_mut()?;
        let committed = if is_cancelled {
            Err(cancelled())
        } else {
            commit_all(session, &context, lease, phase, &attempts, transformations)
                .await
                .map_err(Failure::from_database)
        };
        if let Err(failure) = committed {
            let rolled_back = session.rollback().await;
            context.output.rolled_back();
            return Err(match rolled_back {
                Ok(()) => Ended::Failed(failure),
                Err(error) => Ended::Lost(Failure::from_database(error)),
            });
        }
        context.output.committed();
        Ok(())
    }
}

async fn commit_all(
    session: &mut dyn Session,
    context: &RunContext,
    lease: &Lease,
    phase: Phase,
    attempts: &[AttemptRecord],
    transformations: usize,
) -> crate::database::Result<()> {
    context.write_output(session).await?;
    for attempt in attempts {
        journal::write_attempt(session, attempt).await?;
    }
    if transformations > 0 {
        journal::forget_transformations(session, transformations).await?;
    }
    match phase {
        Phase::Finalize => journal::finalize_steps(session).await?,
        Phase::Reset => journal::forget_unfinalized(session).await?,
        Phase::Prepare | Phase::Migrate => {}
    }
    lease.fence(session).await?;
    session.commit().await
}
