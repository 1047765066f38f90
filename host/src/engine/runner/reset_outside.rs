//! One step's reset outside a transaction, for statements that refuse to run in one.
//!
//! Each of them commits by itself. So the journal says that the step is begun before the first, and forgets the step after the
//! last. In between, a crash leaves it begun, and the next reset runs its statements from the beginning.

use std::time::Instant;

use super::{Interruption, Loaded, Run, cancelled, outcome_of};
use crate::database::Durability;
use crate::engine::event::Event;
use crate::engine::failure::Failure;
use crate::engine::transaction::StepTransaction;
use crate::journal::{self, AttemptRecord, Fenced, Lease, Outcome, Phase, StepState};

impl Run<'_> {
    /// Resets the step at a place among those that are loaded, with as many tries as it is worth.
    pub(super) async fn reset_outside(
        &mut self,
        place: usize,
        is_last: bool,
    ) -> Result<(), Interruption> {
        let steps = std::mem::take(&mut self.loaded);
        let result = match steps.get(place) {
            Some(loaded) => {
                let of = steps.len();
                self.reset_one(loaded, place + 1, of, is_last).await
            }
            None => Ok(()),
        };
        self.loaded = steps;
        result
    }

    async fn reset_one(
        &mut self,
        loaded: &Loaded,
        number: usize,
        of: usize,
        is_last: bool,
    ) -> Result<(), Interruption> {
        let (label, index) = (loaded.step.label.clone(), loaded.step.index);
        let first = Instant::now();
        self.with_retries(Some(&label), async |run, attempt| {
            if attempt > 1 && !run.left(Phase::Reset).contains(&index) {
                // The connection was lost after the commit.
                run.step_ended(loaded, Phase::Reset, Outcome::Done, first);
                return Ok(());
            }
            run.pause_before_unit(is_last).await?;
            let began = Instant::now();
            run.context.observer.notify(&Event::StepStarted {
                step: loaded.step.label.clone(),
                phase: Phase::Reset,
                attempt,
                number,
                of,
                resumed: false,
            });
            let tried = run.try_reset_outside(loaded, attempt).await;
            match &tried {
                Ok(()) => run.step_ended(loaded, Phase::Reset, Outcome::Done, began),
                Err(Interruption::Failed(failure) | Interruption::Disconnected(failure)) => {
                    run.step_ended(loaded, Phase::Reset, outcome_of(failure), began);
                }
                Err(Interruption::Refused(_) | Interruption::Over(_)) => {}
            }
            tried
        })
        .await?;
        self.snapshot.steps.remove(&index);
        self.plan.repeat.clear();
        self.committed_steps.note(index, None);
        Ok(())
    }

    async fn try_reset_outside(
        &mut self,
        loaded: &Loaded,
        attempt: u32,
    ) -> Result<(), Interruption> {
        let (label, index) = (&loaded.step.label, loaded.step.index);
        let mut transaction = self
            .begin(
                Durability::Flushed,
                &loaded.step,
                Phase::Reset,
                None,
                attempt,
            )
            .await
            .map_err(|failure| Interruption::Failed(failure.of(label, Phase::Reset)))?;
        let mut result = match start(&mut transaction, &self.lease).await {
            Ok(known) => {
                if let Some(record) = self.snapshot.steps.get_mut(&index) {
                    record.state = StepState::Started;
                    record.revision += 1;
                }
                let known = known.into_iter().collect();
                let (result, back) = self.perform_outside(loaded, transaction, &known).await;
                transaction = back;
                result
            }
            Err(error) => Err(Failure::from_database(error)),
        };
        if result.is_ok() && self.stop.is_cancelled() {
            result = Err(cancelled());
        }
        if result.is_ok() {
            let attempt = transaction.attempt(Outcome::Done, None);
            let forgotten =
                forget(&mut transaction, &self.lease, &attempt, &self.plan.repeat).await;
            result = forgotten.map_err(Failure::from_database);
        }
        let result = match result {
            Ok(()) => Ok(()),
            Err(failure) => {
                let failure = Failure {
                    is_kept: true,
                    ..failure.of(label, Phase::Reset)
                };
                Err(self.write_failure(&mut transaction, failure).await)
            }
        };
        self.session = Some(transaction.session);
        result
    }
}

/// Writes down that the step is begun, and returns the indexes that are invalid already.
async fn start(
    transaction: &mut StepTransaction,
    lease: &Lease,
) -> crate::database::Result<Vec<String>> {
    let known = transaction.session.invalid_indexes().await?;
    let mut fenced = Fenced::join(&mut *transaction.session, lease).await?;
    journal::reopen_steps(fenced.session(), &[transaction.step.index]).await?;
    let output = &*transaction.context.output;
    fenced.with_output(output).commit().await?;
    transaction.is_outside = true;
    Ok(known)
}

/// Forgets the step, and the repeatable ones that run again.
async fn forget(
    transaction: &mut StepTransaction,
    lease: &Lease,
    attempt: &AttemptRecord,
    repeat: &[u64],
) -> crate::database::Result<()> {
    let begun = Fenced::begin(&mut *transaction.session, lease, Durability::Deferred);
    let mut fenced = begun.await?;
    journal::write_attempt(fenced.session(), attempt).await?;
    journal::forget_steps(fenced.session(), &[transaction.step.index]).await?;
    journal::forget_repeatable(fenced.session(), repeat).await?;
    let output = &*transaction.context.output;
    fenced.with_output(output).commit().await
}
