//! Drives one run, from the lease to the last commit.
//!
//! ```text
//!   command ──> acquire ──> Run::drive ──> prepare ──> units: migrate | transforming | outside ──> together ──> end
//!                                             └────────────┴── with_retries ──┴──────────────────────┘
//!                                                                  └── recover, after a lost connection
//! ```
//!
//! Preparing (`prepare`) changes nothing of the target. Then each step has its own transaction (`migrate`), which also
//! holds its journal row, unless it can have none (`outside`); the finalize of all steps, and the reset of all, are one
//! transaction each (`together`). A transaction that fails is rolled back and the failure written down in the next one; what
//! is worth another try gets it (`again`). Only the run's last commit waits for the disk (`end`).

mod again;
mod command;
mod end;
mod group;
mod migrate;
pub(super) mod outside;
mod prepare;
mod reset_outside;
mod together;
mod transforming;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use super::event::Event;
use super::extent::Plan;
use super::failure::Failure;
use super::interruption::{Interruption, cancelled, no_session, outcome_of};
use super::loaded::Loaded;
use super::overview;
use super::pause;
use super::recover::Acknowledged;
use super::state::{Command, State};
use super::step_output::{RunContext, StepIdentity};
use super::transaction::{StepTransaction, migrated};
use super::uncommitted::elapsed;
use super::units::{Atomicity, Manner, Unit, units};
use crate::catalog::{Catalog, Role, StepFile};
use crate::database::{Durability, ErrorKind, Session, Stop};
use crate::journal::{
    self, AttemptRecord, Fenced, Lease, Outcome, Phase, Snapshot, StepRecord, StepState,
};

pub(super) use command::run;

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

struct Run<'e> {
    engine: &'e Engine,
    context: Arc<RunContext>,
    /// The right to commit.
    lease: Lease,
    stop: Stop,
    /// None while a step has it.
    session: Option<Box<dyn Session>>,
    catalog: Catalog,
    snapshot: Snapshot,
    plan: Plan,
    /// The steps for which a baseline stands, with the digests of their files.
    included: Vec<(StepFile, String)>,
    /// What was loaded before the run.
    loaded_before: Vec<Loaded>,
    /// For finalizing, what was loaded for migrating.
    loaded: Vec<Loaded>,
    looked_for_pause_at: Instant,
    /// What the commits of this run have made of steps.
    committed_steps: Acknowledged<u64>,
    /// The step that was migrated last, which must be there for the next to be committed.
    last_migrated: Option<(u64, StepState)>,
    /// How tries ended that could not be written down when they did.
    unwritten: Vec<AttemptRecord>,
    /// The step that failed beside others, and is told to have started already when it runs by itself.
    started: Option<u64>,
}

impl<'e> Run<'e> {
    #[allow(clippy::too_many_arguments, reason = "each is a part of what a run is")]
    fn new(
        engine: &'e Engine,
        context: Arc<RunContext>,
        lease: Lease,
        session: Box<dyn Session>,
        catalog: Catalog,
        snapshot: Snapshot,
        plan: Plan,
        stop: &Stop,
    ) -> Self {
        Self {
            engine,
            context,
            lease,
            stop: stop.clone(),
            session: Some(session),
            catalog,
            snapshot,
            plan,
            included: Vec::new(),
            loaded_before: Vec::new(),
            loaded: Vec::new(),
            looked_for_pause_at: Instant::now(),
            committed_steps: Acknowledged::default(),
            last_migrated: None,
            unwritten: Vec::new(),
            started: None,
        }
    }

    /// Does what the command asks, and ends the run. `first` is the state that the command leads to.
    async fn drive(mut self, command: Command, first: State) -> Report {
        let result = match (command, first) {
            (Command::Reset, _) => self.reset().await,
            (Command::Finalize, State::FinalizationRunning) => self.finalize().await,
            (Command::Finalize, _) => match self.migrate().await {
                Ok(()) => self.finalize().await,
                interrupted => interrupted,
            },
            (Command::Migrate, _) => self.migrate().await,
        };
        let result = result.map_err(|interruption| match interruption {
            // A run that was refused has changed nothing, and this one has.
            Interruption::Refused(failure) if !self.committed_steps.is_empty() => {
                Interruption::Failed(failure)
            }
            interruption => interruption,
        });
        self.end(result).await
    }

    async fn migrate(&mut self) -> Result<(), Interruption> {
        let loaded = self.get_ready().await?;
        let of = loaded.len();
        let order: Vec<u64> = loaded.iter().map(|step| step.step.index).collect();
        let units = self.units(Phase::Migrate, &loaded);
        let mut loaded = loaded.into_iter();
        for unit in units {
            let mut steps: Vec<Loaded> = loaded.by_ref().take(unit.steps.len()).collect();
            if unit.atomicity == Atomicity::Group {
                self.migrate_group(&mut steps, unit.steps.start, of).await?;
            } else {
                for (place, step) in unit.steps.zip(&mut steps) {
                    if place > 0 {
                        self.pause().await?;
                    }
                    self.migrate_step(step, unit.atomicity, place + 1, of)
                        .await?;
                    self.note_migrated(&step.step);
                }
            }
            steps.retain(|step| step.step.role.has_phases());
            self.loaded.append(&mut steps);
        }
        self.try_cut_overs(&order).await
    }

    /// Takes note that a step's `migrate` was committed.
    fn note_migrated(&mut self, step: &StepIdentity) {
        let (index, state) = (step.index, migrated(step.role));
        self.committed_steps.note(index, Some(state));
        self.last_migrated = Some((index, state));
    }

    /// What commits as one in a phase of these steps.
    fn units(&self, phase: Phase, steps: &[Loaded]) -> Vec<Unit> {
        let database = &*self.engine.database;
        let mut made = BTreeSet::new();
        let manners: Vec<Manner> = steps
            .iter()
            .map(|step| match Manner::of(step, phase) {
                Manner::Transaction if phase == Phase::Migrate => {
                    // What was begun before, or stands for others, is written down in another way.
                    let is_new =
                        step.step.role == Role::Migration && self.record_of(step).is_none();
                    match is_new && step.is_brief(database, &mut made) {
                        true => Manner::Brief,
                        false => Manner::Transaction,
                    }
                }
                manner => manner,
            })
            .collect();
        units(phase, &manners, &database.capabilities())
    }

    /// Pauses while the operator wants it; looks only now and then, because steps may be short.
    async fn pause(&mut self) -> Result<(), Interruption> {
        if self.looked_for_pause_at.elapsed() < pause::INTERVAL {
            return Ok(());
        }
        self.looked_for_pause_at = Instant::now();
        let (context, stop) = (Arc::clone(&self.context), self.stop.clone());
        let lease = self.lease.clone();
        self.with_retries(None, async |run, _| {
            let session = run.session_mut()?;
            let paused = pause::wait_while_paused(session, &*context.observer, &lease, &stop).await;
            paused.map_err(Interruption::Failed)
        })
        .await
    }

    /// Pauses while the operator wants it, before a unit that no pause interrupts: before the last one, for the last time in this run.
    async fn pause_before_unit(&mut self, is_last: bool) -> Result<(), Interruption> {
        let (context, stop) = (Arc::clone(&self.context), self.stop.clone());
        let lease = self.lease.clone();
        let session = self.session_mut()?;
        let paused = match is_last {
            true => pause::close(session, &*context.observer, &lease, &stop).await,
            false => pause::wait_while_paused(session, &*context.observer, &lease, &stop).await,
        };
        paused.map_err(Interruption::Failed)
    }

    /// Prepares the pending steps that are to be migrated and says so, with as many tries as that is worth.
    async fn get_ready(&mut self) -> Result<Vec<Loaded>, Interruption> {
        let pending: Vec<StepFile> = overview::pending(&self.catalog, &self.snapshot)
            .filter(|step| self.plan.migrate.contains(&step.index))
            .cloned()
            .collect();
        self.with_retries(None, async |run, _| {
            let loaded = run.prepare(&pending).await?;
            let expected = loaded.iter().filter_map(|step| step.rows);
            let expected = expected.reduce(u64::saturating_add);
            run.set_phase(Phase::Migrate, expected).await?;
            Ok(loaded)
        })
        .await
    }

    /// Opens a transaction for one phase of one step. One after which the step runs outside of a transaction is flushed: all that was
    /// committed before is on the disk then, so that whatever the journal lacks afterwards was not lost by a server that went down.
    async fn begin(
        &mut self,
        durability: Durability,
        step: &StepIdentity,
        phase: Phase,
        rows: Option<u64>,
        attempt: u32,
    ) -> Result<StepTransaction, Failure> {
        self.session_mut()
            .map_err(|_| no_session())?
            .begin(durability)
            .await
            .map_err(|error| match self.stop.is_cancelled() {
                true if error.kind != ErrorKind::Unavailable => cancelled(),
                _ => Failure::from_database(error),
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
    ) -> Result<StepTransaction, Interruption> {
        let session = self
            .session
            .take()
            .ok_or_else(|| Interruption::Over(no_session()))?;
        let record = self.snapshot.steps.get(&step.index).cloned();
        let after = self.last_migrated.filter(|_| phase == Phase::Migrate);
        let mut opened =
            StepTransaction::open(&self.context, session, step, phase, rows, attempt, record);
        opened.after = after;
        if step.role == Role::Baseline && phase == Phase::Migrate {
            opened.includes(self.included.clone());
        }
        if let Some(record) = self.snapshot.superseded.get(&step.index) {
            opened.replaces(record);
        }
        Ok(opened)
    }

    /// Takes the session back, with what was committed meanwhile.
    fn take_back(&mut self, mut transaction: StepTransaction) {
        if let Some(record) = transaction.committed.take() {
            self.snapshot.superseded.remove(&record.index);
            self.snapshot.steps.insert(record.index, record);
        }
        self.session = Some(transaction.session);
    }

    fn session_mut(&mut self) -> Result<&mut dyn Session, Interruption> {
        match self.session.as_mut() {
            Some(session) => Ok(&mut **session),
            None => Err(Interruption::Over(no_session())),
        }
    }

    async fn set_phase(
        &mut self,
        phase: Phase,
        expected_rows: Option<u64>,
    ) -> Result<(), Interruption> {
        let expected_rows = expected_rows.and_then(|rows| i64::try_from(rows).ok());
        let (context, lease) = (Arc::clone(&self.context), self.lease.clone());
        let session = self.session_mut()?;
        let written = async {
            let mut fenced = Fenced::begin(session, &lease, Durability::Deferred).await?;
            journal::set_phase(fenced.session(), lease.run, phase, expected_rows).await?;
            fenced.with_output(&*context.output).commit().await
        };
        let written = written.await;
        written.map_err(|error| Interruption::of_bookkeeping(error, &self.stop))
    }

    /// Rolls a step back and writes down why it failed, in a transaction of its own; what cannot be written down stays
    /// `unwritten`, until the connection is there again.
    async fn write_failure(
        &mut self,
        transaction: &mut StepTransaction,
        failure: Failure,
    ) -> Interruption {
        let attempt = transaction.attempt(outcome_of(&failure), Some(failure.to_json()));
        let written = match failure.is_lost_connection() {
            true => None,
            false => Some(transaction.commit_failure(&self.lease, &attempt).await),
        };
        if let Some(Ok(())) = written {
            return Interruption::Failed(failure);
        }
        // It is written down once the connection is there again, at the latest at the end of the run.
        self.unwritten.push(attempt);
        match written {
            Some(Err(error)) if error.kind == ErrorKind::LeaseLost => {
                Interruption::Over(failure.fenced_off(error))
            }
            _ => Interruption::Disconnected(failure),
        }
    }

    fn record_of(&self, loaded: &Loaded) -> Option<&StepRecord> {
        self.snapshot.steps.get(&loaded.step.index)
    }

    fn step_ended(&self, loaded: &Loaded, phase: Phase, outcome: Outcome, began: Instant) {
        self.context.observer.notify(&Event::StepEnded {
            step: loaded.step.label.clone(),
            phase,
            outcome,
            milliseconds: elapsed(began),
            rolled_back: false,
        });
    }
}
