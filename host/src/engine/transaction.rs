//! One phase of one step inside its transaction: what the step reaches, and what the journal learns of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::event::{Event, Statement, Unit};
use super::meter::Meter;
use super::run_output::RunOutput;
use super::step_output::{RunContext, StepIdentity, StepOutput};
use crate::catalog::{Role, StepFile, StepKind, step_label};
use crate::database::{Durability, Error, Result, Session};
use crate::journal::{
    self, AttemptRecord, Committable, Fenced, Outcome, Phase, Right, StepRecord, StepState,
    StepVersion,
};
use crate::output::Level;
use crate::sandbox::{OutputWriter, Recorded, StepHost};

/// A step's transaction. Owns the session while the step runs, because a component's store must own what it reaches.
pub(super) struct StepTransaction {
    pub(super) session: Box<dyn Session>,
    pub(super) context: Arc<RunContext>,
    pub(super) step: StepIdentity,
    pub(super) phase: Phase,
    pub(super) attempt: u32,
    /// When this try began.
    pub(super) began_at: i64,
    /// What the journal will know of the step.
    pub(super) record: StepRecord,
    /// What this transaction, or a checkpoint in it, has committed of that.
    pub(super) committed: Option<StepRecord>,
    /// Which version of the step's row the journal has; none when it does not know the step.
    version: Option<StepVersion>,
    /// The step that must be in this state for this one to be committed: the last one before it in the run.
    pub(super) after: Option<(u64, StepState)>,
    /// The steps that a baseline stands for, which are written down with it.
    includes: Vec<(StepKind, StepRecord)>,
    /// The step at its own place, for which it is written down.
    stands_for: Option<String>,
    /// Whether the step runs outside a transaction.
    pub(super) is_outside: bool,
    /// Whether the step has asked the database anything.
    pub(super) has_asked: bool,
    pub(super) output: Arc<StepOutput>,
    pub(super) meter: Meter,
}

impl StepTransaction {
    /// A transaction for one phase of one step, on a session that has it open.
    pub(super) fn open(
        context: &Arc<RunContext>,
        mut session: Box<dyn Session>,
        step: &StepIdentity,
        phase: Phase,
        rows: Option<u64>,
        attempt: u32,
        record: Option<StepRecord>,
    ) -> Self {
        let now = journal::now();
        let version = record.as_ref().map(StepRecord::version);
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
            revision: version.map_or(0, |version| version.revision),
            signer: step.signer.clone(),
        };
        let output = StepOutput::new(context, step, phase);
        session.listen(Some(Arc::clone(&output) as _));
        Self {
            session,
            context: Arc::clone(context),
            output,
            meter: Meter::new(&context.observer, &step.label, rows),
            step: step.clone(),
            phase,
            attempt,
            began_at: now,
            record,
            committed: None,
            version,
            after: None,
            includes: Vec::new(),
            stands_for: None,
            is_outside: false,
            has_asked: false,
        }
    }

    /// Writes these steps down with this one, which does what they do. The one with the same index it is itself, so that the
    /// journal says how the database began.
    pub(super) fn includes(&mut self, files: Vec<(StepFile, String)>) {
        let mut others = Vec::with_capacity(files.len());
        for (file, digest) in files {
            if file.index == self.record.index {
                self.stands_for = Some(file.label());
                continue;
            }
            let record = StepRecord {
                index: file.index,
                name: file.name,
                digest,
                state: StepState::Finalized,
                resume_cursor: None,
                rows_done: None,
                revision: 1,
                // It did not run itself.
                signer: None,
                ..self.record.clone()
            };
            others.push((file.kind, record));
        }
        self.includes = others;
    }

    /// Replaces what was applied of the step with another content.
    pub(super) fn replaces(&mut self, record: &StepRecord) {
        self.version = Some(record.version());
    }

    /// What WASI's clocks and randomness show.
    pub(super) fn recorded(&self) -> Recorded {
        Recorded {
            started_at: self.record.started_at,
            seed: self.record.seed,
        }
    }

    /// Commits that the step was begun, where its work goes on outside this transaction.
    pub(super) async fn commit_started(&mut self, right: &dyn Right, ran: Ran) -> Result<()> {
        self.record.state = StepState::Started;
        self.commit(right, ran, None).await
    }

    /// Commits that the step is migrated, with its output.
    pub(super) async fn commit_migrated(&mut self, right: &dyn Right, ran: Ran) -> Result<()> {
        let before = self.record.clone();
        self.record.rows_done = self.rows_done();
        self.record.state = migrated(self.step.role);
        self.record.migrated_at = Some(journal::now());
        if self.record.state == StepState::Finalized {
            self.record.finalized_at = self.record.migrated_at;
        }
        self.record.resume_cursor = None;
        for (_, included) in &mut self.includes {
            (included.migrated_at, included.finalized_at) =
                (self.record.migrated_at, self.record.finalized_at);
        }
        let included = self.includes.iter();
        let included = included.map(|(_, step)| step_label(step.index, &step.name));
        for label in included.chain(self.stands_for.clone()) {
            let line = format!("{label} is included, and was not run");
            self.output.write(Level::Info, line);
        }
        let attempt = self.attempt(Outcome::Done, None);
        let committed = self.commit(right, ran, Some(&attempt)).await;
        if committed.is_err() {
            self.record = before;
        }
        committed
    }

    /// Gives the session back, with what the journal is to know of the step, which is migrated as soon as that is committed.
    pub(super) fn migrated(mut self) -> (Box<dyn Session>, Migrated) {
        self.record.rows_done = self.rows_done();
        self.record.state = migrated(self.step.role);
        self.record.migrated_at = Some(journal::now());
        self.record.revision = self.version.map_or(0, |version| version.revision) + 1;
        let migrated = Migrated {
            kind: self.step.kind,
            before: self.version,
            attempt: self.attempt(Outcome::Done, None),
            record: self.record,
        };
        (self.session, migrated)
    }

    /// Rolls back, and commits how this try ended, with its output.
    pub(super) async fn commit_failure(
        &mut self,
        right: &dyn Right,
        attempt: &AttemptRecord,
    ) -> Result<()> {
        self.session.rollback().await?;
        let begun = Fenced::begin(&mut *self.session, right, Durability::Deferred);
        let mut fenced = begun.await?;
        journal::write_attempt(fenced.session(), attempt).await?;
        fenced.with_output(&*self.context.output).commit().await
    }

    /// Commits what the journal is to know of the step, over the version that this transaction has found or written.
    async fn commit(
        &mut self,
        right: &dyn Right,
        ran: Ran,
        attempt: Option<&AttemptRecord>,
    ) -> Result<()> {
        self.record.revision = self.version.map_or(0, |version| version.revision) + 1;
        let change = Change {
            kind: self.step.kind.as_str(),
            record: &self.record,
            includes: &self.includes,
            before: self.version,
            after: self.after,
            attempt,
            output: &self.context.output,
        };
        let session = &mut *self.session;
        match ran {
            Ran::Step => {
                let fenced = Fenced::of_steps(session, right).verify().await?;
                change.commit(fenced).await?;
            }
            Ran::Nothing => change.commit(Fenced::join(session, right).await?).await?,
        }
        self.version = Some(self.record.version());
        self.committed = Some(self.record.clone());
        Ok(())
    }

    /// How this try ended, for the journal.
    pub(super) fn attempt(
        &self,
        outcome: Outcome,
        error: Option<serde_json::Value>,
    ) -> AttemptRecord {
        AttemptRecord {
            run: self.context.run(),
            index: self.step.index,
            name: self.step.name.clone(),
            digest: self.step.digest.clone(),
            phase: self.phase,
            attempt: self.attempt,
            outcome,
            started_at: self.began_at,
            ended_at: journal::now(),
            error,
            tenant: self.context.tenant.clone(),
        }
    }

    fn rows_done(&self) -> Option<i64> {
        self.meter.done.and_then(|done| i64::try_from(done).ok())
    }
}

#[async_trait]
impl StepHost for StepTransaction {
    fn session(&mut self) -> &mut dyn Session {
        self.has_asked = true;
        &mut *self.session
    }

    fn settings(&self) -> &BTreeMap<String, String> {
        &self.context.settings
    }

    fn progress(&mut self, done: u64, total: Option<u64>) {
        self.meter.progress(done, total, Unit::Rows);
    }

    fn clock(&self) -> Option<SystemTime> {
        self.context
            .observer
            .hears_statements()
            .then(SystemTime::now)
    }

    fn ran(&self, text: &str, began: SystemTime, is_failed: bool) {
        self.context.observer.statement(&Statement {
            text,
            began,
            is_failed,
        });
    }

    async fn checkpoint(&mut self, cursor: Vec<u8>) -> Result<()> {
        if self.phase != Phase::Migrate {
            return Err(Error::not_permitted(format!(
                "a checkpoint in {}: only `migrate` can be continued",
                self.phase.as_str()
            )));
        }
        if self.is_outside {
            return Err(Error::not_permitted(
                "a checkpoint in a step that runs outside a transaction: it runs again from its beginning when it is cut off",
            ));
        }
        if self.session.open_savepoints() > 0 {
            return Err(Error::not_permitted(
                "a checkpoint while a savepoint is open: release it first",
            ));
        }
        if self.context.is_tenancy {
            // The file and its row commit together.
            return Ok(());
        }
        self.record.resume_cursor = Some(cursor);
        self.record.rows_done = self.rows_done();
        let context = Arc::clone(&self.context);
        let Some(lease) = &context.lease else {
            // A rehearsal keeps nothing, but notices what a checkpoint would.
            return self.session.verify().await;
        };
        self.commit(lease, Ran::Step, None).await?;
        self.session.begin(Durability::Deferred).await?;
        self.context.observer.notify(&Event::Checkpoint {
            step: self.step.label.clone(),
        });
        Ok(())
    }
}

/// What the journal is to know of a step whose `migrate` has run in a transaction that others share.
pub(super) struct Migrated {
    kind: StepKind,
    pub(super) record: StepRecord,
    before: Option<StepVersion>,
    attempt: AttemptRecord,
}

/// Commits the open transaction, in which these steps have run; the step `after` which they come must be in its state.
pub(super) async fn commit_migrated(
    session: &mut dyn Session,
    right: &dyn Right,
    after: Option<(u64, StepState)>,
    steps: &[Migrated],
    output: &RunOutput,
) -> Result<()> {
    let mut fenced = Fenced::of_steps(session, right).verify().await?;
    let session = fenced.session();
    if let Some((step, state)) = after {
        journal::require_step(session, step, state).await?;
    }
    for step in steps {
        journal::write_step(session, step.kind.as_str(), &step.record, step.before).await?;
        journal::write_attempt(session, &step.attempt).await?;
    }
    fenced.with_output(output).commit().await
}

/// The state in which its `migrate` leaves a step.
pub(super) fn migrated(role: Role) -> StepState {
    match role.has_phases() {
        true => StepState::Migrated,
        false => StepState::Finalized,
    }
}

/// Whether a step has run in a transaction that is to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// One has, and what it did is to be looked at.
    Step,
    /// Only the host has written in it.
    Nothing,
}

/// What a commit changes in the journal of one step.
struct Change<'c> {
    kind: &'c str,
    record: &'c StepRecord,
    /// Those that are written down with it.
    includes: &'c [(StepKind, StepRecord)],
    before: Option<StepVersion>,
    /// The step that must be in this state.
    after: Option<(u64, StepState)>,
    attempt: Option<&'c AttemptRecord>,
    output: &'c RunOutput,
}

impl<'c> Change<'c> {
    async fn commit<S: Committable>(self, mut fenced: Fenced<'c, S>) -> Result<()> {
        let session = fenced.session();
        if let Some(step) = self.after {
            let (step, state) = step;
            journal::require_step(session, step, state).await?;
        }
        for (kind, included) in self.includes {
            journal::write_step(session, kind.as_str(), included, None).await?;
        }
        journal::write_step(session, self.kind, self.record, self.before).await?;
        if let Some(attempt) = self.attempt {
            journal::write_attempt(session, attempt).await?;
        }
        fenced.with_output(self.output).commit().await
    }
}

/// A number that nobody can foretell; recorded, so that a rerun of the step sees the same.
pub(super) fn seed() -> i64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish().cast_signed()
}
