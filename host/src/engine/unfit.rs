//! Pending steps in SQL of which one would fail for certain, told to whoever only looks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::event::Observer;
use super::loaded::{self, Loaded};
use super::{Engine, RunError, sql_step};
use crate::catalog::{StepFile, StepKind};
use crate::database::Stop;

/// What was found in files before, by their digests: a service is asked again and again.
#[derive(Debug, Default)]
pub(super) struct Judgements(Mutex<BTreeMap<String, Option<String>>>);

impl Engine {
    /// What is wrong with the text of these files, as far as they can be read.
    pub(super) fn unfit<'f>(&self, files: impl Iterator<Item = &'f StepFile>) -> Vec<String> {
        let digests = self.remembered_digests();
        let mut known = self
            .judgements
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut judged = BTreeMap::new();
        for file in files.filter(|file| file.kind == StepKind::Sql) {
            let Ok(digest) = digests.of(file) else {
                continue;
            };
            let judgement = match known.remove(&digest) {
                Some(judgement) => judgement,
                None => self.judged(file),
            };
            judged.insert(digest, judgement);
        }
        let mut found: Vec<String> = judged.values().flatten().cloned().collect();
        found.sort();
        *known = judged;
        found
    }

    /// Refuses files of which one would fail for certain, before there is a run, or even a target.
    pub(super) fn refuse_unfit<'f>(
        &self,
        files: impl Iterator<Item = &'f StepFile>,
    ) -> Result<(), RunError> {
        let digests = self.remembered_digests();
        for file in files.filter(|file| file.kind == StepKind::Sql) {
            // What cannot be read is told by the run.
            let Ok((bytes, _)) = digests.read(file) else {
                continue;
            };
            let Ok(read) = sql_step::read(&*self.database, &self.options, file, &bytes) else {
                continue;
            };
            if let Some(refusal) = read.refusal {
                let phase = refusal.phase;
                let failure = refusal.into_failure().of(&file.label(), phase);
                return Err(RunError::Step(Box::new(failure)));
            }
        }
        Ok(())
    }

    /// Loads files before there is a run, or even a target, and refuses them when one cannot be read or would fail for certain. Not
    /// components: they take long to compile, and of several hosts one alone should do it.
    pub(super) fn load_first(
        &self,
        files: &[&StepFile],
        observer: &dyn Observer,
        stop: &Stop,
    ) -> Result<Vec<Loaded>, RunError> {
        let refused = |failure| match stop.is_cancelled() {
            true => RunError::Cancelled,
            false => RunError::Step(Box::new(failure)),
        };
        let quickly = files.iter().filter(|file| file.kind != StepKind::Wasm);
        let quickly: Vec<&StepFile> = quickly.copied().collect();
        let mut loaded = loaded::load(self, &quickly, observer, stop).map_err(refused)?;
        match loaded.iter_mut().find_map(|step| step.refusal.take()) {
            None => Ok(loaded),
            Some(failure) => Err(refused(failure)),
        }
    }

    fn judged(&self, file: &StepFile) -> Option<String> {
        let (bytes, _) = self.remembered_digests().read(file).ok()?;
        match sql_step::read(&*self.database, &self.options, file, &bytes) {
            Ok(read) => Some(read.refusal?.into_error(file).to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}
