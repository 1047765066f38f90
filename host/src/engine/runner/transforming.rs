//! A transformation's part in a run: its `migrate` in transactions of its own, its finalize and reset in the one that all
//! steps share.

use super::{Interruption, Loaded, Run, cancelled};
use crate::catalog::step_label;
use crate::database::Durability;
use crate::engine::event::Event;
use crate::engine::failure::{Blame, Failure};
use crate::engine::program::Program;
use crate::engine::transaction::{Ran, StepTransaction};
use crate::engine::transform::{self, Backfill};
use crate::journal::{Phase, Snapshot, StepState, TransformationRecord};
use crate::output::Level;
use crate::sandbox::OutputWriter as _;

impl Run<'_> {
    pub(super) async fn try_transform(
        &mut self,
        loaded: &Loaded,
        attempt: u32,
    ) -> Result<(), Interruption> {
        let label = &loaded.step.label;
        let begun = self.begun(loaded).cloned();
        let is_replaced = self.has_another_component(loaded);
        let mut transaction = self
            .transaction(&loaded.step, Phase::Migrate, loaded.rows, attempt)
            .map_err(|_| Interruption::Over(super::no_session()))?;
        let backfill = self.backfill(loaded);
        let result = migrate(&backfill, begun.as_ref(), is_replaced, &mut transaction).await;
        let result = match result {
            Ok(()) => Ok(()),
            Err(failure) => {
                let failure = Failure {
                    is_kept: begun.is_some() || transaction.committed.is_some(),
                    ..failure.of(label, Phase::Migrate)
                };
                Err(self.write_failure(&mut transaction, failure).await)
            }
        };
        self.take_back(transaction);
        match result {
            // Nothing can be read now.
            Err(interruption @ (Interruption::Over(_) | Interruption::Disconnected(_))) => {
                Err(interruption)
            }
            result => {
                self.read_transformations().await?;
                result
            }
        }
    }

    /// Whether a step is not what it was when it began.
    fn has_another_component(&self, loaded: &Loaded) -> bool {
        self.record_of(loaded)
            .is_some_and(|record| record.digest != loaded.step.digest)
    }

    /// Tries the cut-overs of all transformations that are migrated, when `ran` says that something ran after their set-up, or
    /// nothing did in this run: a step may have made something that stands on a column that goes.
    pub(super) async fn try_cut_overs(&mut self, ran: &[u64]) -> Result<(), Interruption> {
        let is_last = |index: &u64| ran.last() == Some(index);
        let is_migrated = |index: &&u64| {
            let record = self.snapshot.steps.get(*index);
            record.is_some_and(|record| record.state == StepState::Migrated)
        };
        let migrated = self.snapshot.transformations.keys().filter(is_migrated);
        if migrated.clone().all(is_last) {
            return Ok(());
        }
        let migrated: Vec<u64> = migrated.copied().collect();
        self.with_retries(None, async |run, _| {
            let (snapshot, stop) = (run.snapshot.clone(), run.stop.clone());
            let begun = migrated
                .iter()
                .filter_map(|index| Some((*index, snapshot.transformations.get(index)?)));
            let begun: Vec<(u64, &TransformationRecord)> = begun.collect();
            let tried = transform::try_cut_overs(&begun, run.session_mut()?, &stop).await;
            tried.map_err(|(place, failure)| {
                let step = begun
                    .get(place)
                    .and_then(|(index, _)| snapshot.steps.get(index));
                let label = step.map(|step| step_label(step.index, &step.name));
                Interruption::Failed(failure.of(&label.unwrap_or_default(), Phase::Finalize))
            })
        })
        .await
    }

    /// Does for all transformations what can be done before the transaction of the finalize.
    pub(super) async fn before_cut_overs(&mut self) -> Result<(), Interruption> {
        let steps = std::mem::take(&mut self.loaded);
        let mut result = Ok(());
        let mut has_looked = false;
        for loaded in &steps {
            if let Some(begun) = self.begun(loaded).cloned() {
                has_looked = true;
                result = self.before_cut_over(loaded, &begun).await;
            }
            if result.is_err() {
                break;
            }
        }
        self.loaded = steps;
        result?;
        match has_looked {
            // What was taken up is recorded.
            true => self.read_transformations().await,
            false => Ok(()),
        }
    }

    async fn before_cut_over(
        &mut self,
        loaded: &Loaded,
        begun: &TransformationRecord,
    ) -> Result<(), Interruption> {
        if self.has_another_component(loaded) {
            let label = &loaded.step.label;
            let message = format!(
                "{label} is finalized with another component than it was migrated with: rows that change until then, and bad rows, \
                 get their values from this one, all others keep those that they have"
            );
            self.context.observer.notify(&Event::Warning { message });
        }
        let mut transaction = self.transaction(&loaded.step, Phase::Finalize, None, 1)?;
        let backfill = self.backfill(loaded);
        let looked = transform::before_cut_over(&backfill, begun, &mut *transaction.session).await;
        let rolled_back = transaction.session.rollback().await;
        self.session = Some(transaction.session);
        let failed = |failure: Failure| {
            Interruption::Failed(failure.of(&loaded.step.label, Phase::Finalize))
        };
        looked.map_err(failed)?;
        rolled_back.map_err(Failure::from_database).map_err(failed)
    }

    /// Locks the tables of all transformations that are finalized or reset together.
    pub(super) async fn lock_transformed(
        &mut self,
        steps: &[&Loaded],
        phase: Phase,
        attempt: u32,
    ) -> Result<(), Interruption> {
        let steps = steps.iter().copied();
        let begun: Vec<(&Loaded, TransformationRecord)> = steps
            .filter_map(|loaded| Some((loaded, self.begun(loaded)?.clone())))
            .collect();
        let Some((first, _)) = begun.first() else {
            return Ok(());
        };
        let records: Vec<(u64, &TransformationRecord)> = begun
            .iter()
            .map(|(loaded, record)| (loaded.step.index, record))
            .collect();
        let mut transaction = self.transaction(&first.step, phase, None, attempt)?;
        self.stop.set_deadline(Some(self.engine.deadline()));
        let session = &mut *transaction.session;
        let locked = transform::lock_all(&records, phase, session, &self.stop).await;
        self.stop.set_deadline(None);
        let result = match locked {
            Ok(()) => Ok(()),
            Err((place, failure)) => {
                let label = begun
                    .get(place)
                    .map_or(&first.step.label, |(loaded, _)| &loaded.step.label);
                let failure = failure.of(label, phase);
                Err(self.write_failure(&mut transaction, failure).await)
            }
        };
        self.session = Some(transaction.session);
        result
    }

    /// The cut-over or the reset of a transformation, which is the host's own work. `before` is the step that came before it in
    /// the transaction.
    pub(super) async fn perform_transformation(
        &self,
        loaded: &Loaded,
        before: Option<&Loaded>,
        mut transaction: StepTransaction,
    ) -> (Result<(), Failure>, StepTransaction) {
        let session = &mut *transaction.session;
        let Some(begun) = self.begun(loaded) else {
            let failure = Failure::new("host", Blame::Host, "the transformation was not begun");
            return (Err(failure), transaction);
        };
        self.stop.set_deadline(Some(self.engine.deadline()));
        let output = &transaction.output;
        let result = match transaction.phase {
            Phase::Reset => {
                let reset = transform::reset(loaded, begun, session).await;
                reset.map(|told| {
                    if let Some(line) = told {
                        output.write(Level::Warning, line);
                    }
                })
            }
            _ => transform::cut_over(&self.backfill(loaded), begun, before, session).await,
        };
        self.stop.set_deadline(None);
        (result, transaction)
    }

    /// What the journal knows of a step, when it is a transformation that was begun.
    pub(super) fn begun(&self, loaded: &Loaded) -> Option<&TransformationRecord> {
        match &loaded.program {
            Program::Transformation(_) => self.snapshot.transformations.get(&loaded.step.index),
            Program::Component(_) | Program::Sql(_) => None,
        }
    }

    fn backfill<'b>(&'b self, loaded: &'b Loaded) -> Backfill<'b> {
        Backfill {
            engine: self.engine,
            context: &self.context,
            loaded,
            lease: &self.lease,
            stop: &self.stop,
        }
    }

    /// Of transformations that were to run once more, those that this run has not begun yet still are.
    pub(super) fn keep_open(&self, snapshot: &mut Snapshot) {
        for index in snapshot.transformations.keys() {
            if let Some(record) = snapshot.steps.get_mut(index)
                && record.run != self.lease.run
                && self.plan.migrate.contains(index)
            {
                record.state = StepState::Started;
            }
        }
    }

    /// Reads again what the journal knows of transformations.
    async fn read_transformations(&mut self) -> Result<(), Interruption> {
        let session = self.session_mut()?;
        let read = async {
            session.begin_read().await?;
            let snapshot = crate::journal::read(session).await?;
            session.rollback().await?;
            crate::database::Result::Ok(snapshot)
        };
        match read.await {
            Ok(mut snapshot) => {
                self.keep_open(&mut snapshot);
                // One that has started over lets those begin anew that read what it derives.
                for index in snapshot.transformations.keys() {
                    if let Some(record) = snapshot.steps.remove(index) {
                        self.snapshot.steps.insert(*index, record);
                    }
                }
                self.snapshot.transformations = snapshot.transformations;
                Ok(())
            }
            Err(error) => Err(Interruption::of_bookkeeping(error, &self.stop)),
        }
    }
}

/// Sets the transformation up, goes through its rows, and records that it is migrated.
async fn migrate(
    backfill: &Backfill<'_>,
    begun: Option<&TransformationRecord>,
    is_replaced: bool,
    transaction: &mut StepTransaction,
) -> Result<(), Failure> {
    let total = backfill.set_up(transaction, begun, is_replaced).await?;
    let rows = backfill.run(&mut *transaction.session, total).await?;
    if backfill.stop.is_cancelled() {
        return Err(cancelled());
    }
    transaction.meter.done = Some(rows);
    let begun = transaction.session.begin(Durability::Deferred).await;
    begun.map_err(Failure::from_database)?;
    let committed = transaction
        .commit_migrated(backfill.lease, Ran::Nothing)
        .await;
    committed.map_err(Failure::from_database)
}
