//! Another try of something that failed.
//!
//! When the connection was lost nobody knows whether the last commit came through. So before the next try, whatever the
//! lost connection still has open on the server is ended, and the journal is read again: what it says was done is not done
//! twice.

use std::sync::Arc;

use super::{Ended, Run, cancelled};
use crate::database::{Durability, Error, ErrorKind};
use crate::engine::failure::{Blame, Failure};
use crate::engine::retries::await_next_try;
use crate::journal::{self, Lease, StepState};

impl Run<'_> {
    /// Waits for the next try of something that `ended`, or gives that back when it is worth none. The snapshot may be a new
    /// one afterwards.
    pub(super) async fn try_again(
        &mut self,
        lease: &Lease,
        label: Option<&str>,
        mut ended: Ended,
        attempt: &mut u32,
    ) -> Result<(), Ended> {
        loop {
            let failure = match &ended {
                Ended::Failed(failure) => failure,
                Ended::Lost(failure) | Ended::TurnedDown(failure)
                    if failure.is_lost_connection() || failure.retryable =>
                {
                    failure
                }
                Ended::Lost(_) | Ended::TurnedDown(_) => return Err(ended),
            };
            let Some(pause) = self.engine.options.retries.pause(failure, *attempt) else {
                return Err(ended);
            };
            *attempt += 1;
            let label = label.or(failure.step.as_deref()).unwrap_or_default();
            let observer = &*self.context.observer;
            if !await_next_try(observer, label, failure, *attempt, pause, &self.stop).await {
                return Err(Ended::Failed(cancelled()));
            }
            let is_certain = matches!(ended, Ended::Failed(_)) && !failure.is_lost_connection();
            if is_certain {
                return Ok(());
            }
            let Err(error) = self.look_again(lease).await else {
                return self.refuse_a_gap();
            };
            let is_over = error.kind == ErrorKind::LeaseLost;
            ended = Ended::Lost(Failure::from_database(error));
            if is_over {
                return Err(ended);
            }
        }
    }

    /// Refuses to go on where a server that went down has lost commits: they had not reached the disk yet, and what comes
    /// behind them must not be done without them.
    fn refuse_a_gap(&self) -> Result<(), Ended> {
        let is_lost = |(index, kept): &(&u32, &Option<StepState>)| {
            let state = self.snapshot.steps.get(index).map(|step| step.state);
            // The commit that was under way may have come through.
            state != **kept && state != Some(StepState::Finalized)
        };
        let Some((index, _)) = self.kept.iter().find(is_lost) else {
            return Ok(());
        };
        Err(Ended::Failed(Failure::new(
            "database",
            Blame::Database,
            format!(
                "the database went down and has lost the last commits of this run, from step {index:04} on, which had not reached \
                 its disk: nothing is half done; run the command again"
            ),
        )))
    }

    /// Finds out what was committed before the target was lost, and writes down what could not be written then.
    async fn look_again(&mut self, lease: &Lease) -> Result<(), Error> {
        let context = Arc::clone(&self.context);
        context.output.connection_lost();
        let Some(session) = self.session.as_mut() else {
            return Err(Error::new(ErrorKind::Other, "the session is gone"));
        };
        session.rollback().await?;
        session.reconnect().await?;
        session.begin(Durability::Deferred).await?;
        journal::end_lost_transactions(&mut **session, lease.run).await?;
        let snapshot = journal::read(&mut **session).await?;
        for attempt in &self.unwritten {
            journal::write_attempt(&mut **session, attempt).await?;
        }
        context.write_output(&mut **session).await?;
        lease.fence(&mut **session).await?;
        session.commit().await?;
        context.output.committed();
        self.unwritten.clear();
        self.snapshot = snapshot;
        Ok(())
    }
}
