//! Before anything changes: steps are loaded, checked and counted.

use std::collections::BTreeMap;

use super::{Interruption, Loaded, Run};
use crate::catalog::{self, Role, StepFile, step_label};
use crate::database::Durability;
use crate::engine::event::Event;
use crate::engine::failure::{Blame, Failure};
use crate::engine::loaded;
use crate::engine::program::{Circumstances, Program};
use crate::engine::{Replacement, overview, transform};
use crate::journal::{Phase, StepRecord};

impl Run<'_> {
    /// Loads, checks and counts steps. Changes nothing.
    pub(super) async fn prepare(
        &mut self,
        files: &[StepFile],
    ) -> Result<Vec<Loaded>, Interruption> {
        let files: Vec<&StepFile> = files.iter().collect();
        let mut loaded = self.load(&files)?;
        if files.iter().any(|file| file.role == Role::Baseline) {
            let digests = self.engine.remembered_digests();
            let included = self.catalog.included.iter();
            let included = included.map(|file| Ok((file.clone(), digests.of(file)?)));
            self.included = included
                .collect::<Result<_, catalog::Error>>()
                .map_err(|error| refused(Failure::from_catalog(&error)))?;
        }
        refuse_unfit(&mut loaded)?;
        let mut rows = None;
        for (position, step) in loaded.iter_mut().enumerate() {
            let circumstances = match (self.record_of(step), position) {
                (Some(_), _) => Circumstances::Begun,
                (None, 0) => Circumstances::First,
                (None, _) => Circumstances::BehindOthers,
            };
            self.inquire(step, circumstances).await?;
            if let Some(counted) = step.rows {
                rows = Some(rows.unwrap_or(0_u64).saturating_add(counted));
            }
        }
        self.context.observer.notify(&Event::Prepared {
            steps: loaded.len(),
            rows,
        });
        Ok(loaded)
    }

    fn load(&mut self, files: &[&StepFile]) -> Result<Vec<Loaded>, Interruption> {
        let before = std::mem::take(&mut self.loaded_before).into_iter();
        let mut known: BTreeMap<u64, Loaded> =
            before.map(|loaded| (loaded.step.index, loaded)).collect();
        let rest = files.iter().copied();
        let rest: Vec<&StepFile> = rest
            .filter(|file| !known.contains_key(&file.index))
            .collect();
        let rest = loaded::load(self.engine, &rest, &*self.context.observer, &self.stop);
        known.extend(
            rest.map_err(refused)?
                .into_iter()
                .map(|loaded| (loaded.step.index, loaded)),
        );
        let steps: Vec<Loaded> = files
            .iter()
            .filter_map(|file| known.remove(&file.index))
            .collect();
        // What was loaded now is what runs; it must be what an earlier try began with.
        let digests = self.engine.remembered_digests();
        for (step, file) in steps.iter().zip(files) {
            if let Some(record) = self.record_of(step)
                && record.digest != step.step.digest
                && !digests.is_same(file, &record.digest).unwrap_or(false)
                && !self.engine.options.allowances.changed
                && !self.may_be_replaced(step)
            {
                let standing = overview::standing(&self.snapshot, record);
                let now = step.step.digest.clone();
                let changed = standing.changed(file, &record.digest, now);
                return Err(Interruption::Refused(Failure::from_catalog(&changed)));
            }
        }
        Ok(steps)
    }

    /// Whether the operator lets another component continue what this step began.
    fn may_be_replaced(&self, loaded: &Loaded) -> bool {
        self.engine.options.replacement != Replacement::Refuse && self.begun(loaded).is_some()
    }

    /// Asks a step's check and count, in a transaction that is rolled back.
    pub(super) async fn inquire(
        &mut self,
        loaded: &mut Loaded,
        circumstances: Circumstances,
    ) -> Result<(), Interruption> {
        if let Program::Sql(sql) = &loaded.program {
            loaded.transactional = sql.transactional;
            return self.permit(loaded);
        }
        if let Program::Transformation(_) = &loaded.program {
            return self.inquire_transformation(loaded, circumstances).await;
        }
        let refused = |failure: Failure| refused(failure.of(&loaded.step.label, Phase::Prepare));
        let transaction = self
            .begin(Durability::Deferred, &loaded.step, Phase::Prepare, None, 1)
            .await
            .map_err(refused)?;
        let (answers, mut transaction) = loaded
            .inquire(self.engine, transaction, circumstances, &self.stop)
            .await;
        let rolled_back = transaction.session.rollback().await;
        self.session = Some(transaction.session);
        let answers = answers.map_err(refused)?;
        rolled_back
            .map_err(Failure::from_database)
            .map_err(refused)?;
        loaded.transactional = answers.transactional;
        loaded.rows = answers.rows;
        loaded.deferred = answers.deferred;
        self.permit(loaded)
    }

    /// Asks what a transformation is about, and counts its rows.
    async fn inquire_transformation(
        &mut self,
        loaded: &mut Loaded,
        circumstances: Circumstances,
    ) -> Result<(), Interruption> {
        let context = std::sync::Arc::clone(&self.context);
        let (engine, stop) = (self.engine, self.stop.clone());
        let begun = self.begun(loaded).cloned();
        let session = self.session_mut()?;
        let asked = async {
            session.begin_read().await.map_err(Failure::from_database)?;
            let rows =
                transform::rows(engine, &context, loaded, begun.as_ref(), session, &stop).await;
            session.rollback().await.map_err(Failure::from_database)?;
            rows
        }
        .await;
        match asked {
            Ok(rows) => {
                loaded.rows = Some(rows);
                loaded.deferred = false;
                Ok(())
            }
            // Its table may be one that a step before it makes.
            Err(failure)
                if circumstances == Circumstances::BehindOthers
                    && failure.code == "incompatible" =>
            {
                loaded.deferred = true;
                Ok(())
            }
            Err(failure) => Err(refused(failure.of(&loaded.step.label, Phase::Prepare))),
        }
    }

    /// Refuses a step that wants to run outside a transaction where that makes no sense.
    fn permit(&self, loaded: &Loaded) -> Result<(), Interruption> {
        if loaded.step.role == Role::Baseline && !loaded.transactional {
            let failure = Failure::new(
                "incompatible",
                Blame::Step,
                "a baseline runs in one transaction, with what it writes down: take out what cannot run in one",
            );
            return Err(refused(failure.of(&loaded.step.label, Phase::Prepare)));
        }
        if loaded.step.is_inside_only && !loaded.transactional {
            let failure = Failure::new(
                "unsigned",
                Blame::Operator,
                "the step wants to run outside a transaction, and nobody has signed it who must for that, by the rules of the release: \
                 `wasmigrate release verify` says who must, and `wasmigrate release sign --steps` signs",
            );
            return Err(refused(failure.of(&loaded.step.label, Phase::Prepare)));
        }
        let database = &self.engine.database;
        let is_sql = matches!(loaded.program, Program::Sql(_));
        if loaded.transactional
            || is_sql
            || database.capabilities().has_statements_outside_transactions
        {
            return Ok(());
        }
        let failure = Failure::new(
            "incompatible",
            Blame::Step,
            format!(
                "the step wants to run outside a transaction, which {} has no need of: let it run in one",
                database.kind().display_name()
            ),
        );
        Err(refused(failure.of(&loaded.step.label, Phase::Prepare)))
    }

    /// Loads the steps of the journal that `concerned` picks and that are not loaded yet; in order.
    pub(super) fn load_the_rest(
        &mut self,
        concerned: impl Fn(&StepRecord) -> bool,
    ) -> Result<(), Interruption> {
        let mut files = Vec::new();
        for record in self.snapshot.steps.values() {
            let is_loaded = self
                .loaded
                .iter()
                .any(|loaded| loaded.step.index == record.index);
            if is_loaded || !concerned(record) {
                continue;
            }
            let Some(file) = self.catalog.steps.get(&record.index) else {
                // It had nothing to finalize; nor is it reset, which was refused before.
                if self.catalog.is_final_without_file(record.index) {
                    continue;
                }
                return Err(Interruption::Refused(Failure::new(
                    "files",
                    Blame::Operator,
                    format!(
                        "step {} is not finalized, and its file is gone: put it back",
                        step_label(record.index, &record.name)
                    ),
                )));
            };
            files.push(file);
        }
        let files: Vec<StepFile> = files.into_iter().cloned().collect();
        let rest = self.load(&files.iter().collect::<Vec<_>>())?;
        self.loaded.extend(rest);
        self.loaded.sort_by_key(|loaded| loaded.step.index);
        Ok(())
    }
}

/// Refuses all steps where one would fail for certain, before any of them runs.
fn refuse_unfit(loaded: &mut [Loaded]) -> Result<(), Interruption> {
    match loaded.iter_mut().find_map(|step| step.refusal.take()) {
        None => Ok(()),
        Some(failure) => Err(Interruption::Refused(failure)),
    }
}

/// What a failure before the first change means for the run.
fn refused(failure: Failure) -> Interruption {
    if failure.code == "cancelled" {
        Interruption::Failed(failure)
    } else {
        Interruption::Refused(failure)
    }
}
