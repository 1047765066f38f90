//! What a worker writes down besides what it has applied, and what it reads between two tasks.

use std::sync::Arc;
use std::time::Instant;

use super::end::{end, has_ended};
use super::failed::no_session;
use super::phases::set_phase;
use super::shared::lock;
use super::worker::Worker;
use crate::database::{Access, Durability};
use crate::engine::failure::Failure;
use crate::engine::pause;
use crate::engine::run_output::RunOutput;
use crate::journal::{self, AttemptRecord, Fenced, Outcome, Phase};

impl Worker<'_> {
    /// Writes down, in the target, what the run does now, with as many tries as that is worth.
    pub(super) async fn enter_phase(&mut self, phase: Phase) -> Result<(), Failure> {
        let mut attempt = 1;
        loop {
            let Err(failure) = self.try_enter_phase(phase).await else {
                return Ok(());
            };
            self.give_up(&failure).await;
            // The connection may have been lost long ago, and nobody has used it since.
            if attempt == 1 && failure.is_lost_connection() {
                attempt += 1;
                continue;
            }
            let what = "what was under way";
            if !self.tries_again(what, &failure, &mut attempt).await {
                return Err(failure);
            }
        }
    }

    async fn try_enter_phase(&mut self, phase: Phase) -> Result<(), Failure> {
        self.make_certain().await?;
        self.open(&[]).await.map_err(Failure::from_database)?;
        let session = self.session.as_mut().ok_or_else(no_session)?;
        set_phase(&mut **session, phase, self.shared.lease).await
    }

    /// Writes down what failed, in the target; what cannot be written now is left to the next time, or the end.
    pub(super) async fn write_failures(&mut self) {
        let failures = std::mem::take(&mut *lock(&self.shared.unwritten));
        let written = match self.writes_to_target() {
            true => self.write_with_output(&failures).await,
            false => self.write_beside(&failures).await,
        };
        let Err(error) = written else {
            return;
        };
        lock(&self.shared.unwritten).extend(failures);
        if let Some(error) = error.filter(|_| self.writes_to_target()) {
            self.give_up(&Failure::from_database(error)).await;
        }
    }

    /// Writes it in the worker's own session; no error when it has none.
    async fn write_with_output(
        &mut self,
        failures: &[AttemptRecord],
    ) -> Result<(), Option<crate::database::Error>> {
        let Some(session) = &mut self.session else {
            return Err(None);
        };
        let lease = self.shared.lease;
        let mut fenced = Fenced::begin(&mut **session, lease, Durability::Deferred).await?;
        for failure in failures {
            journal::write_failure(fenced.session(), failure).await?;
        }
        Ok(fenced.with_output(&*self.output).commit().await?)
    }

    /// Writes it beside the worker's session, which is in a tenant's own database.
    async fn write_beside(
        &self,
        failures: &[AttemptRecord],
    ) -> Result<(), Option<crate::database::Error>> {
        let database = &self.shared.tenancy.engine.database;
        let mut target = database.open(Access::Write, &self.stop).await?;
        let lease = self.shared.lease;
        let mut fenced = Fenced::begin(&mut *target, lease, Durability::Deferred).await?;
        for failure in failures {
            journal::write_failure(fenced.session(), failure).await?;
        }
        Ok(fenced.commit().await?)
    }

    /// The outputs of so many workers.
    pub(super) async fn outputs_of(&mut self, workers: usize) -> Vec<Arc<RunOutput>> {
        if workers == 1 || !self.writes_to_target() {
            // Lines have one order where only one writes them.
            return vec![Arc::clone(&self.output); workers];
        }
        // Those before come first.
        self.keep_output(&[Arc::clone(&self.output)]).await;
        let of_worker = |_| Arc::new(self.output.of_worker());
        (0..workers).map(of_worker).collect()
    }

    /// Writes down the lines that the workers could not. Says so when it cannot, either.
    pub(super) async fn keep_output(&mut self, outputs: &[Arc<RunOutput>]) {
        // The connection may have been lost while the workers worked.
        for _ in 0..2 {
            let kept = match self.make_certain().await {
                Ok(()) => self.try_keep(outputs).await.map_err(Failure::from_database),
                Err(failure) => Err(failure),
            };
            let Err(failure) = kept else {
                return;
            };
            tracing::warn!("output could not be written down: {failure}");
            self.give_up(&failure).await;
        }
    }

    async fn try_keep(&mut self, outputs: &[Arc<RunOutput>]) -> crate::database::Result<()> {
        self.open(&[]).await?;
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        for output in outputs {
            output.rolled_back();
            let fenced = Fenced::begin(&mut **session, self.shared.lease, Durability::Deferred);
            fenced.await?.with_output(&**output).commit().await?;
        }
        Ok(())
    }

    /// Pauses while the operator wants it; looks only now and then.
    pub(super) async fn pause_if_asked(&mut self) -> Result<(), Failure> {
        let is_due = |looked_at: Instant| looked_at.elapsed() >= pause::INTERVAL;
        if !self.looked_for_pause_at.is_none_or(is_due) {
            return Ok(());
        }
        self.looked_for_pause_at = Some(Instant::now());
        let tenancy = self.shared.tenancy;
        let mut of_target = None;
        if !self.writes_to_target() {
            // The word is in the target, and the session in a tenant's own file.
            let opened = tenancy
                .engine
                .database
                .open(Access::Write, &self.stop)
                .await;
            of_target = Some(opened.map_err(Failure::from_database)?);
        }
        let Some(session) = of_target.as_mut().or(self.session.as_mut()) else {
            return Ok(());
        };
        let observer = &tenancy.observer;
        pause::wait_while_paused(&mut **session, &**observer, self.shared.lease, &self.stop).await
    }

    /// Ends the run, whose session this worker has, with as many tries as that is worth. Returns how it ended.
    pub(super) async fn end_run(
        &mut self,
        outcome: Outcome,
        failure: Option<Failure>,
    ) -> (Outcome, Option<Failure>) {
        let (mut outcome, mut failure) = (outcome, failure);
        let mut attempt = 1;
        loop {
            let Err(lost) = self.try_end(outcome, failure.as_ref()).await else {
                return (outcome, failure);
            };
            self.give_up(&lost).await;
            if let Some(why) = self
                .shared
                .why_over()
                .filter(|why| failure.as_ref() != Some(why))
            {
                (outcome, failure) = (Outcome::Failed, Some(why));
                continue;
            }
            if attempt == 1 && lost.is_lost_connection() {
                attempt += 1;
                continue;
            }
            if !self
                .tries_again("the end of the run", &lost, &mut attempt)
                .await
            {
                // Whose lease was taken is cancelled by its own heartbeat: the operator has nothing to do with it.
                let is_taken = lost.code == "lease";
                let failure = failure.filter(|_| !is_taken).unwrap_or(lost);
                return (Outcome::Interrupted, Some(failure));
            }
        }
    }

    async fn try_end(
        &mut self,
        outcome: Outcome,
        failure: Option<&Failure>,
    ) -> Result<(), Failure> {
        let lease = self.shared.lease;
        if !self.is_certain
            && let Err(failure) = self.look_again(&[]).await
        {
            // The lease is not ours any more when the last commit came through.
            return match failure.code == "lease" && self.has_ended(outcome).await {
                true => Ok(()),
                false => Err(failure),
            };
        }
        self.open(&[]).await.map_err(Failure::from_database)?;
        let session = self.session.as_mut().ok_or_else(no_session)?;
        let unwritten = lock(&self.shared.unwritten).clone();
        let committed = lock(&self.shared.committed)
            .keys()
            .filter_map(|(_, tenant)| *tenant)
            .collect();
        let unknown: Vec<&str> = self.shared.tenancy.unknown(committed).collect();
        let ended = end(
            &mut **session,
            lease,
            &self.output,
            outcome,
            failure,
            &unwritten,
            &unknown,
        );
        ended.await.map_err(Failure::from_database)
    }

    /// Whether the journal says that the run ended so.
    async fn has_ended(&mut self, outcome: Outcome) -> bool {
        let Some(session) = self.session.as_mut() else {
            return false;
        };
        has_ended(&mut **session, self.shared.lease, outcome).await
    }
}
