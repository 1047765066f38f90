//! One step's `migrate`, in a transaction of its own.

use std::time::Instant;

use super::{Ended, Loaded, Run, cancelled, outcome_of, write_failure};
use crate::engine::event::Event;
use crate::engine::failure::Failure;
use crate::engine::program::{Circumstances, Program};
use crate::engine::transaction::StepTransaction;
use crate::journal::{Lease, Outcome, Phase, StepRecord, StepState};

impl Run<'_> {
    /// Runs one step's `migrate`, with as many tries as it is worth.
    pub(super) async fn migrate_step(
        &mut self,
        lease: &Lease,
        loaded: &mut Loaded,
        number: usize,
        of: usize,
    ) -> Result<(), Ended> {
        let label = loaded.step.label.clone();
        let mut attempt = 1;
        while loaded.deferred {
            // Its tables are there now, if they ever will be.
            let ended = match self.inquire(loaded, Circumstances::First).await {
                Ok(()) => break,
                Err(Ended::TurnedDown(failure)) => Ended::Failed(failure),
                Err(ended) => ended,
            };
            self.try_again(lease, Some(&label), ended, &mut attempt)
                .await?;
        }
        loop {
            let began = Instant::now();
            self.context.observer.notify(&Event::StepStarted {
                step: loaded.step.label.clone(),
                phase: Phase::Migrate,
                attempt,
                number,
                of,
                resumed: loaded.transactional && self.record_of(loaded).is_some(),
            });
            let tried = match (&loaded.program, loaded.transactional) {
                (Program::Transformation(_), _) => self.try_transform(lease, loaded, attempt).await,
                (_, true) => self.try_migrate(lease, loaded, attempt).await,
                (_, false) => self.try_migrate_outside(lease, loaded, attempt).await,
            };
            let ended = match tried {
                Ok(()) => {
                    self.step_ended(loaded, Phase::Migrate, Outcome::Done, began);
                    return Ok(());
                }
                Err(ended) => ended,
            };
            if let Ended::Failed(failure) = &ended {
                self.step_ended(loaded, Phase::Migrate, outcome_of(failure), began);
            }
            self.try_again(lease, Some(&label), ended, &mut attempt)
                .await?;
            let is_migrated = |record: &StepRecord| record.state == StepState::Migrated;
            if self.record_of(loaded).is_some_and(is_migrated) {
                // The connection was lost behind the commit.
                self.step_ended(loaded, Phase::Migrate, Outcome::Done, began);
                return Ok(());
            }
        }
    }

    async fn try_migrate(
        &mut self,
        lease: &Lease,
        loaded: &Loaded,
        attempt: u32,
    ) -> Result<(), Ended> {
        let label = &loaded.step.label;
        let failed = |failure: Failure| Ended::Failed(failure.of(label, Phase::Migrate));
        let transaction = self
            .begin(&loaded.step, Phase::Migrate, loaded.rows, attempt)
            .await
            .map_err(failed)?;
        let (mut result, mut transaction) =
            loaded.perform(self.engine, transaction, &self.stop).await;
        if result.is_ok() && self.stop.is_cancelled() {
            result = Err(cancelled());
        }
        let result = match result {
            Ok(()) => commit_step(&mut transaction, lease).await,
            Err(failure) => Err(failure),
        };
        let result = match result {
            Ok(()) => Ok(()),
            Err(failure) => {
                let failure = failure.of(label, Phase::Migrate);
                write_failure(&mut self.unwritten, &mut transaction, lease, &failure).await
            }
        };
        if let Some(record) = transaction.committed.take() {
            self.snapshot.steps.insert(record.index, record);
        }
        self.session = Some(transaction.session);
        result
    }
}

pub(super) async fn commit_step(
    transaction: &mut StepTransaction,
    lease: &Lease,
) -> Result<(), Failure> {
    let committed = async {
        transaction.record_migrated().await?;
        lease.fence(&mut *transaction.session).await?;
        transaction.session.commit().await?;
        transaction.context.output.committed();
        transaction.committed = Some(transaction.record.clone());
        Ok(())
    }
    .await;
    committed.map_err(Failure::from_database)
}
