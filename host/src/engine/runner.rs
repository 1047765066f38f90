//! Drives one run, from the lease to the last commit.
//!
//! Preparing changes nothing of the target. Then each step has its own transaction, which also holds its journal row; the
//! finalize of all steps, and the reset of all, are one transaction each. A transaction that fails is rolled back and the
//! failure written down in the next one. Only the run's last commit waits for the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Engine;
use super::event::{Event, Observer};
use super::failure::{Blame, Failure};
use super::overview;
use super::program::Program;
use super::state::{Command, State};
use super::transaction::{Meter, OutputBuffer, RunContext, StepIdentity, StepTransaction};
use crate::catalog::{Catalog, SqlStep, StepFile, StepKind, sha256};
use crate::database::{Durability, ErrorKind, Session, Stop};
use crate::journal::{self, Lease, Outcome, Phase, Snapshot, StepRecord, StepState};

/// The pause before the second try; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(200);

/// The longest pause between two tries.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

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

/// A step, loaded and checked.
pub(super) struct Loaded {
    pub(super) step: StepIdentity,
    pub(super) program: Program,
    rows: Option<u64>,
    deferred: bool,
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
        if let Some(session) = self
            .session
            .as_mut()
            .filter(|_| !matches!(result, Err(Ended::Lost(_))))
        {
            let error = failure.as_ref().map(Failure::to_json);
            if let Err(lost) = write_end(&mut **session, lease, outcome, error.as_ref()).await {
                outcome = Outcome::Interrupted;
                failure.get_or_insert_with(|| Failure::from_database(lost));
            }
        }
        drop(self.session.take());
        let report = Report {
            run: Some(lease.run),
            outcome,
            state: self.engine.state(&self.catalog).await,
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

    async fn migrate(&mut self, lease: &Lease) -> Result<(), Ended> {
        let pending: Vec<StepFile> = overview::pending(&self.catalog, &self.snapshot)
            .cloned()
            .collect();
        let loaded = self.prepare(&pending).await?;
        self.set_phase(lease, Phase::Migrate).await?;
        let of = loaded.len();
        for (number, mut step) in (1..).zip(loaded) {
            self.migrate_step(lease, &mut step, number, of).await?;
            self.loaded.push(step);
        }
        Ok(())
    }

    /// Loads, checks and counts steps. Changes nothing.
    async fn prepare(&mut self, files: &[StepFile]) -> Result<Vec<Loaded>, Ended> {
        let mut loaded = Vec::with_capacity(files.len());
        for (number, file) in (1..).zip(files) {
            loaded.push(self.load(file, number, files.len())?);
        }
        let mut rows = None;
        for (position, step) in loaded.iter_mut().enumerate() {
            if self.record_of(step).is_some() {
                continue;
            }
            self.inquire(step, position > 0).await?;
            if let Some(counted) = step.rows {
                rows = Some(rows.unwrap_or(0) + counted);
            }
        }
        self.context.observer.notify(&Event::Prepared {
            steps: loaded.len(),
            rows,
        });
        Ok(loaded)
    }

    fn load(&self, file: &StepFile, number: usize, of: usize) -> Result<Loaded, Ended> {
        if let Some(reason) = self.stop.reason() {
            return Err(Ended::Failed(Failure::from_sandbox(
                crate::sandbox::Error::Stopped(reason),
            )));
        }
        let loaded = self
            .engine
            .load(file, number, of, &*self.context.observer)
            .map_err(Ended::TurnedDown)?;
        // The bytes that were read now are the ones that run; they must be those that an earlier try began with.
        if let Some(record) = self.snapshot.steps.get(&file.index)
            && record.digest != loaded.step.digest
            && !self.engine.options.allowances.changed
        {
            return Err(Ended::TurnedDown(Failure::from_catalog(
                &crate::catalog::Error::Changed {
                    step: file.file_name.clone(),
                    applied: record.digest.clone(),
                    now: loaded.step.digest.clone(),
                },
            )));
        }
        Ok(loaded)
    }

    /// Asks a step's check and count, in a transaction that is rolled back.
    async fn inquire(&mut self, loaded: &mut Loaded, after_others: bool) -> Result<(), Ended> {
        let Program::Component(_) = loaded.program else {
            return Ok(());
        };
        let sandbox = self.engine.sandbox().map_err(Ended::TurnedDown)?;
        let turned_down = |failure: Failure| {
            let failure = failure.of(&loaded.step.label, Phase::Prepare);
            if failure.code == "cancelled" {
                Ended::Failed(failure)
            } else {
                Ended::TurnedDown(failure)
            }
        };
        let mut transaction = self
            .begin(&loaded.step, Phase::Prepare, None, 1)
            .await
            .map_err(turned_down)?;
        self.set_deadline();
        let (answers, mut back) = loaded
            .program
            .inquire(Some(sandbox), transaction, after_others, &self.stop)
            .await;
        self.stop.set_deadline(None);
        let rolled_back = back.session.rollback().await;
        transaction = back;
        self.session = Some(transaction.session);
        let answers = answers.map_err(turned_down)?;
        rolled_back
            .map_err(Failure::from_database)
            .map_err(turned_down)?;
        if !answers.transactional {
            return Err(turned_down(Failure::new(
                "incompatible",
                Blame::Step,
                "the step wants to run outside a transaction, which SQLite has no need of: let `describe` say \
                 `transactional`",
            )));
        }
        loaded.rows = answers.rows;
        loaded.deferred = answers.deferred;
        Ok(())
    }

    /// Runs one step's `migrate`, with as many tries as it is worth.
    async fn migrate_step(
        &mut self,
        lease: &Lease,
        loaded: &mut Loaded,
        number: usize,
        of: usize,
    ) -> Result<(), Ended> {
        if loaded.deferred {
            // Its tables are there now, if they ever will be.
            self.inquire(loaded, false)
                .await
                .map_err(|ended| match ended {
                    Ended::TurnedDown(failure) => Ended::Failed(failure),
                    other => other,
                })?;
        }
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            self.context.observer.notify(&Event::StepStarted {
                step: loaded.step.label.clone(),
                phase: Phase::Migrate,
                attempt,
                number,
                of,
                resumed: self.record_of(loaded).is_some(),
            });
            let failure = match self.try_migrate(lease, loaded, attempt).await {
                Ok(()) => {
                    self.step_ended(loaded, Phase::Migrate, Outcome::Done, began);
                    return Ok(());
                }
                Err(Ended::Failed(failure)) => failure,
                Err(ended) => return Err(ended),
            };
            let outcome = outcome_of(&failure);
            self.step_ended(loaded, Phase::Migrate, outcome, began);
            self.retry_or_give_up(&loaded.step.label, failure, attempt)
                .await?;
            attempt += 1;
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
        self.set_deadline();
        let sandbox = self.engine.started_sandbox();
        let (mut result, mut transaction) = loaded
            .program
            .perform(sandbox, transaction, &self.stop)
            .await;
        if result.is_ok() {
            result = transaction
                .session
                .verify()
                .await
                .map_err(Failure::from_database);
        }
        self.stop.set_deadline(None);
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
                write_failure(&mut transaction, lease, &failure).await
            }
        };
        if let Some(record) = transaction.committed.take() {
            self.snapshot.steps.insert(record.index, record);
        }
        self.session = Some(transaction.session);
        result
    }

    /// Finalizes all steps that are migrated, in one transaction.
    async fn finalize(&mut self, lease: &Lease) -> Result<(), Ended> {
        self.load_the_rest(|record| record.state == StepState::Migrated)?;
        self.set_phase(lease, Phase::Finalize).await?;
        self.all_at_once(lease, Phase::Finalize).await?;
        Ok(())
    }

    /// Resets all steps that are not finalized, the newest first, in one transaction.
    async fn reset(&mut self, lease: &Lease) -> Result<(), Ended> {
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

    /// Loads the steps of the journal that `concerned` picks and that are not loaded yet; in order.
    fn load_the_rest(&mut self, concerned: impl Fn(&StepRecord) -> bool) -> Result<(), Ended> {
        let records: Vec<StepRecord> = self
            .snapshot
            .steps
            .values()
            .filter(|record| concerned(record))
            .cloned()
            .collect();
        let mut known = std::mem::take(&mut self.loaded);
        for (number, record) in (1..).zip(&records) {
            if let Some(position) = known
                .iter()
                .position(|loaded| loaded.step.index == record.index)
            {
                self.loaded.push(known.swap_remove(position));
                continue;
            }
            let Some(file) = self.catalog.steps.get(&record.index) else {
                return Err(Ended::TurnedDown(Failure::new(
                    "files",
                    Blame::Operator,
                    format!(
                        "step {:04}_{} is not finalized, and its file is gone: put it back",
                        record.index, record.name
                    ),
                )));
            };
            self.loaded.push(self.load(file, number, records.len())?);
        }
        Ok(())
    }

    /// Runs one phase of all loaded steps in one transaction, with as many tries as it is worth.
    async fn all_at_once(&mut self, lease: &Lease, phase: Phase) -> Result<(), Ended> {
        let mut attempt = 1;
        loop {
            let failure = match self.try_all_at_once(lease, phase, attempt).await {
                Ok(()) => return Ok(()),
                Err(Ended::Failed(failure)) => failure,
                Err(ended) => return Err(ended),
            };
            let label = failure.step.clone().unwrap_or_default();
            self.retry_or_give_up(&label, failure, attempt).await?;
            attempt += 1;
        }
    }

    async fn try_all_at_once(
        &mut self,
        lease: &Lease,
        phase: Phase,
        attempt: u32,
    ) -> Result<(), Ended> {
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
            .filter(|step| step.program.has(phase))
            .collect();
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
            self.set_deadline();
            let sandbox = self.engine.started_sandbox();
            let (mut result, mut transaction) = loaded
                .program
                .perform(sandbox, transaction, &self.stop)
                .await;
            if result.is_ok() {
                result = transaction
                    .session
                    .verify()
                    .await
                    .map_err(Failure::from_database);
            }
            self.stop.set_deadline(None);
            if result.is_ok() {
                result = transaction
                    .record_done()
                    .await
                    .map_err(Failure::from_database);
            }
            let result = match result {
                Ok(()) => Ok(()),
                Err(failure) => {
                    let failure = failure.of(label, phase);
                    self.step_ended(loaded, phase, outcome_of(&failure), began);
                    write_failure(&mut transaction, lease, &failure).await
                }
            };
            self.session = Some(transaction.session);
            result?;
            self.step_ended(loaded, phase, Outcome::Done, began);
        }
        let cancelled = self.stop.is_cancelled();
        let session = self.session_mut()?;
        let committed = if cancelled {
            Err(Failure::new(
                "cancelled",
                Blame::Operator,
                "cancelled by the operator",
            ))
        } else {
            commit_all(session, lease, phase)
                .await
                .map_err(Failure::from_database)
        };
        if let Err(failure) = committed {
            let rolled_back = session.rollback().await;
            return Err(match rolled_back {
                Ok(()) => Ended::Failed(failure),
                Err(error) => Ended::Lost(Failure::from_database(error)),
            });
        }
        Ok(())
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
        Ok(step_transaction(
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

    async fn set_phase(&mut self, lease: &Lease, phase: Phase) -> Result<(), Ended> {
        let session = self.session_mut()?;
        let written = async {
            session.begin(Durability::Deferred).await?;
            journal::set_phase(session, lease.run, phase).await?;
            lease.fence(session).await?;
            session.commit().await
        }
        .await;
        written.map_err(|error| lost_or_failed(error, &self.stop))
    }

    /// Waits for the next try of something that failed, or gives the failure back.
    async fn retry_or_give_up(
        &self,
        label: &str,
        failure: Failure,
        attempt: u32,
    ) -> Result<(), Ended> {
        if !failure.retryable || attempt >= self.engine.options.attempts {
            return Err(Ended::Failed(failure));
        }
        let delay = FIRST_DELAY
            .saturating_mul(1 << (attempt - 1).min(16))
            .min(LONGEST_DELAY);
        self.context.observer.notify(&Event::Retrying {
            step: label.to_owned(),
            attempt: attempt + 1,
            delay_milliseconds: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            message: failure.message.clone(),
        });
        tokio::select! {
            () = tokio::time::sleep(delay) => Ok(()),
            _ = self.stop.stopped() => Err(Ended::Failed(cancelled())),
        }
    }

    fn set_deadline(&self) {
        self.stop.set_deadline(Some(Duration::from_secs(
            self.engine.options.limits.deadline_seconds,
        )));
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

impl Loaded {
    /// Reads a step's file and makes a program of it.
    pub(super) fn read(
        engine: &Engine,
        file: &StepFile,
        number: usize,
        of: usize,
        observer: &dyn Observer,
    ) -> Result<Self, Failure> {
        let label = format!("{:04}_{}", file.index, file.name);
        let failed = |failure: Failure| failure.of(&label, Phase::Prepare);
        let bytes = file
            .read()
            .map_err(|error| failed(Failure::from_catalog(&error)))?;
        let digest = sha256(&bytes);
        let program = match file.kind {
            StepKind::Sql => Program::Sql(
                SqlStep::parse(&file.file_name, &bytes)
                    .map_err(|error| failed(Failure::from_catalog(&error)))?,
            ),
            StepKind::Wasm => {
                let sandbox = engine.sandbox().map_err(failed)?;
                observer.notify(&Event::Loading {
                    step: label.clone(),
                    number,
                    of,
                    compiling: !sandbox.is_compiled(&digest),
                });
                let component = sandbox
                    .load(&bytes, &digest)
                    .map_err(|error| failed(Failure::from_sandbox(error)))?;
                Program::Component(component)
            }
        };
        Ok(Self {
            step: StepIdentity {
                index: file.index,
                name: file.name.clone(),
                label,
                kind: file.kind,
                digest,
            },
            program,
            rows: None,
            deferred: false,
        })
    }
}

/// A transaction for one phase of one step, on a session that has it open.
pub(super) fn step_transaction(
    context: &Arc<RunContext>,
    session: Box<dyn Session>,
    step: &StepIdentity,
    phase: Phase,
    rows: Option<u64>,
    attempt: u32,
    record: Option<StepRecord>,
) -> StepTransaction {
    let now = journal::now();
    let known = record.filter(|_| phase == Phase::Migrate);
    let record = StepRecord {
        index: step.index,
        name: step.name.clone(),
        digest: step.digest.clone(),
        state: StepState::Started,
        run: context.run(),
        started_at: known.as_ref().map_or(now, |record| record.started_at),
        seed: known.as_ref().map_or_else(seed, |record| record.seed),
        migrated_at: None,
        finalized_at: None,
        rows_done: known.as_ref().and_then(|record| record.rows_done),
        resume_cursor: known.and_then(|record| record.resume_cursor),
    };
    StepTransaction {
        session,
        context: Arc::clone(context),
        output: OutputBuffer::new(context, step, phase),
        meter: Meter::new(context, &step.label, rows),
        step: step.clone(),
        phase,
        attempt,
        began_at: now,
        record,
        committed: None,
    }
}

/// A number that nobody can foretell; recorded, so that a rerun of the step sees the same.
fn seed() -> i64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish().cast_signed()
}

async fn commit_step(transaction: &mut StepTransaction, lease: &Lease) -> Result<(), Failure> {
    let committed = async {
        transaction.record_done().await?;
        lease.fence(&mut *transaction.session).await?;
        transaction.session.commit().await?;
        transaction.committed = Some(transaction.record.clone());
        Ok(())
    }
    .await;
    committed.map_err(Failure::from_database)
}

async fn commit_all(
    session: &mut dyn Session,
    lease: &Lease,
    phase: Phase,
) -> crate::database::Result<()> {
    match phase {
        Phase::Finalize => journal::finalize_steps(session).await?,
        Phase::Reset => journal::forget_unfinalized(session).await?,
        Phase::Prepare | Phase::Migrate => {}
    }
    lease.fence(session).await?;
    session.commit().await
}

/// Rolls a step back and writes down why, in a transaction of its own.
async fn write_failure(
    transaction: &mut StepTransaction,
    lease: &Lease,
    failure: &Failure,
) -> Result<(), Ended> {
    let written = async {
        transaction.session.rollback().await?;
        transaction.session.begin(Durability::Deferred).await?;
        let outcome = outcome_of(failure);
        transaction
            .record_attempt(outcome, Some(failure.to_json()))
            .await?;
        lease.fence(&mut *transaction.session).await?;
        transaction.session.commit().await
    }
    .await;
    Err(match written {
        Ok(()) => Ended::Failed(failure.clone()),
        Err(error) => Ended::Lost(Failure {
            message: format!(
                "{} (and that could not be written down: {error})",
                failure.message
            ),
            ..failure.clone()
        }),
    })
}

async fn write_end(
    session: &mut dyn Session,
    lease: &Lease,
    outcome: Outcome,
    error: Option<&serde_json::Value>,
) -> crate::database::Result<()> {
    session.rollback().await?;
    session.begin(Durability::Flushed).await?;
    journal::end_run(session, lease.run, outcome, error).await?;
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
        ErrorKind::NotPermitted => Ended::Lost(Failure::from_database(error)),
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
