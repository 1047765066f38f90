//! Another try of something that failed.
//!
//! When the connection was lost nobody knows whether the last commit came through, or whether those before it are still
//! there. So before the next try the journal is asked ([`recover`](crate::engine::recover)): what it says was done is not
//! done twice, and what comes after a commit that was lost is not done.

use std::sync::Arc;

use super::Run;
use super::end::migrate_took_place;
use crate::catalog::index_label;
use crate::database::{Error, ErrorKind};
use crate::engine::end::gap;
use crate::engine::failure::Failure;
use crate::engine::interruption::Interruption;
use crate::engine::recover::{self, Lost};
use crate::engine::retries::await_next_try;
use crate::journal::{self, AttemptRecord, Phase, Snapshot};

impl Run<'_> {
    /// Does something with as many tries as it is worth. Each try is told its number, and has to look for itself, from the
    /// second one on, whether a try before it has done the work: its commit may have come through unheard.
    pub(super) async fn with_retries<T>(
        &mut self,
        label: Option<&str>,
        mut work: impl AsyncFnMut(&mut Self, u32) -> Result<T, Interruption>,
    ) -> Result<T, Interruption> {
        let mut attempt = 1;
        loop {
            match work(self, attempt).await {
                Ok(done) => return Ok(done),
                Err(interruption) => self.try_again(label, interruption, &mut attempt).await?,
            }
        }
    }

    /// Waits for the next try after an interruption, or gives that back when it is worth none. The snapshot may be a new one
    /// afterwards.
    async fn try_again(
        &mut self,
        label: Option<&str>,
        mut interruption: Interruption,
        attempt: &mut u32,
    ) -> Result<(), Interruption> {
        loop {
            let is_disconnected = interruption.is_disconnected();
            let failure = match &interruption {
                Interruption::Failed(failure) | Interruption::Disconnected(failure) => failure,
                // Nothing was changed yet, so that there is no doubt of what was done.
                Interruption::Refused(failure) if is_disconnected || failure.retryable => failure,
                Interruption::Refused(_) | Interruption::Over(_) => return Err(interruption),
            };
            let Some(pause) = self.engine.options.retries.pause(failure, *attempt) else {
                return Err(interruption);
            };
            *attempt += 1;
            let label = label.or(failure.step.as_deref());
            let label = label.unwrap_or("what was under way");
            let observer = &*self.context.observer;
            if !await_next_try(observer, label, failure, *attempt, pause, &self.stop).await {
                let cancelled = failure.cancelled_meanwhile();
                return Err(match is_disconnected {
                    true => Interruption::Disconnected(cancelled),
                    false => Interruption::Failed(cancelled),
                });
            }
            if !is_disconnected {
                return Ok(());
            }
            interruption = match self.recover().await {
                Ok(()) => return self.refuse_a_gap().map_err(Interruption::Failed),
                Err(error) if error.kind == ErrorKind::LeaseLost => {
                    return Err(Interruption::Over(Failure::from_database(error)));
                }
                Err(error) => Interruption::Disconnected(Failure::from_database(error)),
            };
        }
    }

    /// Refuses to continue where a server that went down has lost commits: they had not reached the disk yet, and what comes
    /// after them must not be done without them.
    pub(super) fn refuse_a_gap(&self) -> Result<(), Failure> {
        let now = |index: &u64| self.snapshot.steps.get(index).map(|step| step.state);
        match self.committed_steps.gap(now) {
            Some(index) => Err(gap(&format!("step {}", index_label(*index)))),
            None => Ok(()),
        }
    }

    /// Finds out what was committed before the connection was lost, and writes down what could not be written then.
    pub(super) async fn recover(&mut self) -> Result<(), Error> {
        let context = Arc::clone(&self.context);
        let Some(session) = self.session.as_mut() else {
            return Err(Error::new(ErrorKind::Other, "the session is gone"));
        };
        let unwritten = &self.unwritten;
        let settle = async |fenced: &mut journal::Fenced<'_, journal::NoStep>| {
            let snapshot = journal::read(fenced.session()).await?;
            for attempt in unwritten {
                // One whose commit came through is there, and was done.
                if !journal::has_attempt(fenced.session(), attempt).await? {
                    let attempt = known(attempt, &snapshot);
                    journal::write_attempt(fenced.session(), &attempt).await?;
                }
            }
            Ok(snapshot)
        };
        let output = &*context.output;
        let recovered = recover::recover(&mut **session, &self.lease, Lost::OfRun, output, settle);
        let mut snapshot = recovered.await?;
        self.engine.supersede(&self.catalog, &mut snapshot);
        self.keep_open(&mut snapshot);
        self.unwritten.clear();
        self.snapshot = snapshot;
        Ok(())
    }
}

/// The try that failed, now that it is known whether its commit took place.
fn known(attempt: &AttemptRecord, snapshot: &Snapshot) -> AttemptRecord {
    let mut attempt = attempt.clone();
    let step = snapshot.steps.get(&attempt.index);
    if attempt.phase == Phase::Migrate
        && let Some(took_place) = migrate_took_place(step)
        && let Some(failure) = attempt.error.as_ref().and_then(Failure::from_json)
    {
        attempt.error = Some(failure.with_known_commit(took_place).to_json());
    }
    attempt
}
