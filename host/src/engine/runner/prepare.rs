//! Before anything changes: steps are loaded, checked and counted.

use super::{Ended, Loaded, Run};
use crate::catalog::StepFile;
use crate::engine::event::Event;
use crate::engine::failure::{Blame, Failure};
use crate::engine::program::Program;
use crate::journal::{Phase, StepRecord};

impl Run<'_> {
    /// Loads, checks and counts steps. Changes nothing.
    pub(super) async fn prepare(&mut self, files: &[StepFile]) -> Result<Vec<Loaded>, Ended> {
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
    pub(super) async fn inquire(
        &mut self,
        loaded: &mut Loaded,
        after_others: bool,
    ) -> Result<(), Ended> {
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

    /// Loads the steps of the journal that `concerned` picks and that are not loaded yet; in order.
    pub(super) fn load_the_rest(
        &mut self,
        concerned: impl Fn(&StepRecord) -> bool,
    ) -> Result<(), Ended> {
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
}
