//! Drives one run, from the lease to the last commit.
//!
//! Preparing (`prepare`) changes nothing of the target. Then each step has its own transaction (`migrate`), which also
//! holds its journal row, unless it can have none (`outside`); the finalize of all steps, and the reset of all, are one transaction each (`together`). A
//! transaction that fails is rolled back and the failure written down in the next one; what is worth another try gets it
//! (`again`). Only the run's last commit waits for the disk.

mod again;
mod migrate;
pub(super) mod outside;
mod prepare;
mod together;
mod transforming;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use super::event::Event;
use super::failure::{Blame, Failure};
use super::loaded::Loaded;
use super::overview;
use super::pause;
use super::state::{Command, State};
use super::transaction::{RunContext, StepIdentity, StepTransaction};
use crate::catalog::{Catalog, StepFile};
use crate::database::{Durability, ErrorKind, Session, Stop};
use crate::journal::{self, AttemptRecord, Lease, Outcome, Phase, Snapshot, StepRecord, StepState};

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its number; none when there was nothing to do.
    pub run: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
    /// The target's state after it; none when it cannot be told any more.
    pub state: Option<State>,
    /// Why it failed, when it did.
    pub failure: Option<Failure>,
}

/// What ends the steps of a run early.
pub(super) enum Ended {
    /// A step or its loading failed; the failure is to be written down.
    Failed(Failure),
    /// A step refused before anything was changed.
    TurnedDown(Failure),
    /// The journal cannot be written any more: there is nothing this host may do.
    Lost(Failure),
}

pub(super) struct Run<'e> {
    engine: &'e Engine,
    context: Arc<RunContext>,
    stop: Stop,
    /// None while a step has it.
    session: Option<Box<dyn Session>>,
    catalog: Catalog,
    snapshot: Snapshot,
    /// For finalizing, what was loaded for migrating.
    loaded: Vec<Loaded>,
    looked_for_pause_at: Instant,
    /// What the commits of this run have made of steps; none for one that was reset.
    kept: BTreeMap<u32, Option<StepState>>,
    /// How tries ended that could not be written down when they did.
    unwritten: Vec<AttemptRecord>,
}

impl<'e> Run<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        context: Arc<RunContext>,
        session: Box<dyn Session>,
        catalog: Catalog,
        snapshot: Snapshot,
        stop: &Stop,
    ) -> Self {
        Self {
            engine,
            context,
            stop: stop.clone(),
            session: Some(session),
            catalog,
            snapshot,
            loaded: Vec::new(),
            looked_for_pause_at: Instant::now(),
            kept: BTreeMap::new(),
            unwritten: Vec::new(),
        }
    }

    /// Does what the command asks, and ends the run. `first` is the state that the command leads to.
    pub(super) async fn drive(mut self, command: Command, first: State, lease: &Lease) -> Report {
        let result = match (command, first) {
            (Command::Reset, _) => self.reset(lease).await,
            (Command::Finalize, State::FinalizationRunning) => self.finalize(lease).await,
            (Command::Finalize, _) => match self.migrate(lease).await {
                Ok(()) => self.finalize(lease).await,
                ended => ended,
            },
            (Command::Migrate, _) => self.migrate(lease).await,
        };
        self.end(lease, result).await
    }

    async fn end(mut self, lease: &Lease, result: Result<(), Ended>) -> Report {
        let (mut outcome, mut failure) = match &result {
            Ok(()) => (Outcome::Done, None),
            Err(Ended::TurnedDown(failure)) => (Outcome::Refused, Some(failure.clone())),
            Err(Ended::Failed(failure)) => (outcome_of(failure), Some(failure.clone())),
            Err(Ended::Lost(failure)) => (Outcome::Interrupted, Some(failure.clone())),
        };
        let is_lost = matches!(result, Err(Ended::Lost(_)));
        if let Some(session) = self.session.as_mut().filter(|_| !is_lost) {
            // A target that does not tell ends its run all the same; `verify` then says that it does not know.
            let _ = keep_schema(&mut **session, lease).await;
            let error = failure.as_ref().map(Failure::to_json);
            if let Err(lost) = self.write_end(lease, outcome, error.as_ref()).await {
                outcome = Outcome::Interrupted;
                // Whose lease was taken is cancelled by its own heartbeat: the operator has nothing to do with it.
                if failure.is_none() || lost.kind == ErrorKind::LeaseLost {
                    failure = Some(Failure::from_database(lost));
                }
            }
        }
        drop(self.session.take());
        let report = Report {
            run: Some(lease.run),
            outcome,
            state: self.engine.state(&self.catalog, &self.stop).await,
            failure,
        };
        self.context.observer.notify(&Event::RunEnded {
            run: lease.run,
            outcome: report.outcome,
            state: report.state,
            failure: report.failure.clone().map(Box::new),
        });
        report
    }

    /// Writes down how the run ended, with as many tries as a lost connection is worth.
    async fn write_end(
        &mut self,
        lease: &Lease,
        outcome: Outcome,
        error: Option<&serde_json::Value>,
    ) -> crate::database::Result<()> {
        let mut attempt = 1;
        loop {
            let Some(session) = self.session.as_mut() else {
                return Ok(());
            };
            let written = write_end(&mut **session, &self.context, lease, outcome, error).await;
            let Err(lost) = written else {
                return Ok(());
            };
            let ended = Ended::Lost(Failure::from_database(lost.clone()));
            let again = self.try_again(lease, None, ended, &mut attempt).await;
            if again.is_err() {
                // The lease is not ours any more when the last commit came through.
                return match self.has_ended(lease, outcome).await {
                    true => Ok(()),
                    false => Err(lost),
                };
            }
        }
    }

    /// Whether the journal says that the run ended so.
    async fn has_ended(&mut self, lease: &Lease, outcome: Outcome) -> bool {
        let Some(session) = self.session.as_mut() else {
            return false;
        };
        let looked = async {
            session.rollback().await?;
            session.reconnect().await?;
            session.begin_read().await?;
            let runs = journal::read_runs(&mut **session, lease.run + 1, 1).await?;
            session.rollback().await?;
            crate::database::Result::Ok(runs)
        };
        let runs = looked.await.unwrap_or_default();
        runs.iter()
            .any(|run| run.id == lease.run && run.outcome == Some(outcome))
    }

    async fn migrate(&mut self, lease: &Lease) -> Result<(), Ended> {
        let loaded = self.get_ready(lease).await?;
        let of = loaded.len();
        for (number, mut step) in (1..).zip(loaded) {
            if number > 1 {
                self.rest(lease).await?;
            }
            self.migrate_step(lease, &mut step, number, of).await?;
            self.kept.insert(step.step.index, Some(StepState::Migrated));
            self.loaded.push(step);
        }
        Ok(())
    }

    /// Rests while the operator wants it; looks only now and then, because steps may be short.
    async fn rest(&mut self, lease: &Lease) -> Result<(), Ended> {
        if self.looked_for_pause_at.elapsed() < pause::INTERVAL {
            return Ok(());
        }
        self.looked_for_pause_at = Instant::now();
        let (context, stop) = (Arc::clone(&self.context), self.stop.clone());
        let mut attempt = 1;
        loop {
            let session = self.session_mut()?;
            let rested = pause::rest(session, &*context.observer, lease, &stop).await;
            let Err(failure) = rested else {
                return Ok(());
            };
            self.try_again(lease, None, Ended::Failed(failure), &mut attempt)
                .await?;
        }
    }

    /// Prepares all pending steps and says so, with as many tries as that is worth.
    async fn get_ready(&mut self, lease: &Lease) -> Result<Vec<Loaded>, Ended> {
        let pending: Vec<StepFile> = overview::pending(&self.catalog, &self.snapshot)
            .cloned()
            .collect();
        let mut attempt = 1;
        loop {
            let ready = async {
                let loaded = self.prepare(&pending).await?;
                let expected = loaded.iter().filter_map(|step| step.rows);
                let expected = expected.reduce(u64::saturating_add);
                self.set_phase(lease, Phase::Migrate, expected).await?;
                Ok(loaded)
            };
            match ready.await {
                Ok(loaded) => return Ok(loaded),
                // Nothing was changed yet, so that there is no doubt of what was done.
                Err(ended) => self.try_again(lease, None, ended, &mut attempt).await?,
            }
        }
    }

    /// Opens a transaction for one phase of one step.
    async fn begin(
        &mut self,
        step: &StepIdentity,
        phase: Phase,
        rows: Option<u64>,
        attempt: u32,
    ) -> Result<StepTransaction, Failure> {
        self.session_mut()
            .map_err(|_| no_session())?
            .begin(Durability::Deferred)
            .await
            .map_err(|error| match self.stop.is_cancelled() {
                true => cancelled(),
                false => Failure::from_database(error),
            })?;
        self.transaction(step, phase, rows, attempt)
            .map_err(|_| no_session())
    }

    /// Hands the session, with its open transaction, to one phase of one step.
    fn transaction(
        &mut self,
        step: &StepIdentity,
        phase: Phase,
        rows: Option<u64>,
        attempt: u32,
    ) -> Result<StepTransaction, Ended> {
        let session = self
            .session
            .take()
            .ok_or_else(|| Ended::Lost(no_session()))?;
        let record = self.snapshot.steps.get(&step.index).cloned();
        Ok(StepTransaction::open(
            &self.context,
            session,
            step,
            phase,
            rows,
            attempt,
            record,
        ))
    }

    fn session_mut(&mut self) -> Result<&mut dyn Session, Ended> {
        match self.session.as_mut() {
            Some(session) => Ok(&mut **session),
            None => Err(Ended::Lost(no_session())),
        }
    }

    async fn set_phase(
        &mut self,
        lease: &Lease,
        phase: Phase,
        expected_rows: Option<u64>,
    ) -> Result<(), Ended> {
        let expected_rows = expected_rows.and_then(|rows| i64::try_from(rows).ok());
        let context = Arc::clone(&self.context);
        let session = self.session_mut()?;
        let written = async {
            session.begin(Durability::Deferred).await?;
            journal::set_phase(session, lease.run, phase, expected_rows).await?;
            context.write_output(session).await?;
            lease.fence(session).await?;
            session.commit().await?;
            context.output.committed();
            crate::database::Result::Ok(())
        }
        .await;
        written.map_err(|error| lost_or_failed(error, &self.stop))
    }

    fn record_of(&self, loaded: &Loaded) -> Option<&StepRecord> {
        self.snapshot.steps.get(&loaded.step.index)
    }

    fn step_ended(&self, loaded: &Loaded, phase: Phase, outcome: Outcome, began: Instant) {
        self.context.observer.notify(&Event::StepEnded {
            step: loaded.step.label.clone(),
            phase,
            outcome,
            milliseconds: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
        });
    }
}

/// Rolls a step back and writes down why, in a transaction of its own; what cannot be written down stays `unwritten`.
async fn write_failure(
    unwritten: &mut Vec<AttemptRecord>,
    transaction: &mut StepTransaction,
    lease: &Lease,
    failure: &Failure,
) -> Result<(), Ended> {
    let attempt = transaction.attempt(outcome_of(failure), Some(failure.to_json()));
    let written = async {
        transaction.session.rollback().await?;
        transaction.session.reconnect().await?;
        transaction.context.output.rolled_back();
        transaction.session.begin(Durability::Deferred).await?;
        transaction.record_attempt(&attempt).await?;
        lease.fence(&mut *transaction.session).await?;
        transaction.session.commit().await?;
        transaction.context.output.committed();
        crate::database::Result::Ok(())
    }
    .await;
    if written.is_err() {
        unwritten.push(attempt);
    }
    Err(match written {
        Ok(()) => Ended::Failed(failure.clone()),
        // A server that crashed may have lost the lease with its last commits: the crash says more.
        Err(error) if error.kind == ErrorKind::LeaseLost && !failure.is_lost_connection() => {
            Ended::Lost(Failure::from_database(error))
        }
        Err(error) => Ended::Lost(Failure {
            message: format!(
                "{} (and that could not be written down: {error})",
                failure.message
            ),
            ..failure.clone()
        }),
    })
}

/// Keeps what the run leaves, for `verify` to compare with.
async fn keep_schema(session: &mut dyn Session, lease: &Lease) -> crate::database::Result<()> {
    session.rollback().await?;
    session.reconnect().await?;
    session.begin(Durability::Deferred).await?;
    journal::keep_schema(session, lease.run).await?;
    lease.fence(session).await?;
    session.commit().await
}

async fn write_end(
    session: &mut dyn Session,
    context: &RunContext,
    lease: &Lease,
    outcome: Outcome,
    error: Option<&serde_json::Value>,
) -> crate::database::Result<()> {
    session.rollback().await?;
    session.reconnect().await?;
    context.output.rolled_back();
    session.begin(Durability::Flushed).await?;
    journal::end_run(session, lease.run, outcome, error).await?;
    context.write_output(session).await?;
    lease.fence(session).await?;
    lease.release(session).await?;
    session.commit().await
}

fn outcome_of(failure: &Failure) -> Outcome {
    match failure.code.as_str() {
        "cancelled" => Outcome::Cancelled,
        _ => Outcome::Failed,
    }
}

fn lost_or_failed(error: crate::database::Error, stop: &Stop) -> Ended {
    match error.kind {
        ErrorKind::LeaseLost => Ended::Lost(Failure::from_database(error)),
        _ if stop.is_cancelled() => Ended::Failed(cancelled()),
        _ => Ended::Failed(Failure::from_database(error)),
    }
}

fn cancelled() -> Failure {
    Failure::new("cancelled", Blame::Operator, "cancelled by the operator")
}

fn no_session() -> Failure {
    Failure::new(
        "host",
        Blame::Host,
        "the session was not given back by a step",
    )
}
