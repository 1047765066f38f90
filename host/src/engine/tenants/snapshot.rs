//! Where a target with tenants stands: its files and tenants, and for whom what is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::SourceKind;
use crate::catalog::{SourceFile, step_label};
use crate::database::TenantPlace;
use crate::journal::{AppliedRecord, LeaseRecord, Pause, RunRecord, StepState, TenantTally};

/// One file, and what became of it.
pub(super) struct File {
    pub(super) source: SourceFile,
    /// Its SHA-256 now.
    pub(super) digest: String,
    /// Its place in the order, from 1.
    pub(super) index: u64,
    /// The number by which the journal knows it; none when it was never applied.
    pub(super) id: Option<i64>,
    /// Whether somebody got it last with another content, and no reset came after that.
    pub(super) had_other_content: bool,
    /// Its SHA-256 when it was applied.
    pub(super) applied_digest: Option<String>,
    /// For how many it was migrated or finalized.
    pub(super) applied: u64,
    /// For how many it was finalized.
    pub(super) finalized: u64,
    /// For how many it was started outside a transaction, and not done.
    pub(super) started: u64,
    /// Whether it was applied, with other contents, for somebody who is no tenant any more.
    pub(super) had_by_removed: bool,
    /// Whether that was done to its end for one of those.
    pub(super) done_by_removed: bool,
    /// Whether it was begun for one of those outside a transaction, and is not done.
    pub(super) begun_by_removed: bool,
    pub(super) migrated_at: Option<i64>,
    pub(super) finalized_at: Option<i64>,
}

impl File {
    pub(super) fn kind(&self) -> SourceKind {
        self.source.kind
    }

    /// Its place and its path, as it is shown.
    pub(super) fn label(&self) -> String {
        step_label(self.index, &self.source.key)
    }

    /// Whether the journal has it as applied or begun for anybody.
    pub(super) fn was_applied(&self) -> bool {
        self.applied + self.started > 0 || self.had_by_removed
    }

    /// Whether it was begun for somebody outside a transaction, and is not done.
    pub(super) fn is_half_done(&self) -> bool {
        self.started > 0 || self.begun_by_removed
    }

    /// Whether the journal has it as applied, and with other contents.
    pub(super) fn has_changed(&self) -> bool {
        let is_other = |applied: &String| *applied != self.digest;
        self.kind().runs_once()
            && self.was_applied()
            && self.applied_digest.as_ref().is_some_and(is_other)
    }
}

/// For whom a file is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nobody.
    Nobody,
    /// All tenants, or the target itself.
    All,
    /// These tenants, by their numbers.
    Some(Vec<usize>),
}

/// Whether a new tenant was one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comeback {
    /// It was none, or nobody can tell any more.
    None,
    /// It was one, and has what was applied then.
    WithData,
    /// It was one, and nothing of it is left.
    Empty,
}

/// A file that is not there any more.
pub(super) struct GoneFile {
    /// Its path relative to the base.
    pub(super) key: String,
    pub(super) kind: SourceKind,
    /// Its SHA-256 when it was applied.
    pub(super) digest: String,
    /// For how many it was migrated; of a repeatable file, for how many it was the last content that ran.
    pub(super) applied: u64,
    /// For how many of those it waits for its finalize.
    pub(super) unfinalized: u64,
    /// For how many it was started outside a transaction, and not done.
    pub(super) started: u64,
    pub(super) applied_at: Option<i64>,
    /// The place of the file that has its content now, and was never applied under its own name.
    pub(super) renamed: Option<usize>,
}

impl GoneFile {
    /// Takes note of for how many it came how far.
    pub(super) fn note(&mut self, state: StepState, tenants: u64, at: Option<i64>) {
        match state {
            StepState::Started => self.started += tenants,
            StepState::Migrated => {
                self.applied += tenants;
                // What is repeatable has no finalize of its own.
                self.unfinalized += if self.kind.runs_once() { tenants } else { 0 };
            }
            StepState::Finalized => self.applied += tenants,
        }
        self.applied_at = self.applied_at.max(at);
    }

    /// Whether anybody misses it.
    pub(super) fn is_missed(&self) -> bool {
        self.kind.runs_once() && self.applied + self.started > 0
    }
}

/// Where a target with tenants stands.
pub(super) struct TenantSnapshot {
    pub(super) files: Vec<File>,
    /// The places of files by their numbers in the journal.
    pub(super) places: HashMap<i64, usize>,
    /// The places of repeatable files by the numbers of their other contents.
    pub(super) other_contents: HashMap<i64, usize>,
    /// Files that are not there any more, by their numbers in the journal.
    pub(super) gone: BTreeMap<i64, GoneFile>,
    /// The tenants' names, in order.
    pub(super) tenants: Vec<String>,
    /// For whom each file is pending, by its place; of scripts, those that an unfinished run has left.
    pub(super) missing: Vec<Missing>,
    /// What was applied and not finalized, or started outside a transaction and not done.
    pub(super) unfinalized: Vec<AppliedRecord>,
    pub(super) last_run: Option<RunRecord>,
    /// The newest run that says in which state the target is, when it failed and others came after it.
    pub(super) failed_before: Option<RunRecord>,
    pub(super) pause: Option<Pause>,
    pub(super) lease: Option<LeaseRecord>,
    /// The number of what was applied last.
    pub(super) last_applied: i64,
    /// The last run that may have reset something.
    pub(super) last_reset: i64,
    /// The tenants that the target knows to have a file of their own.
    pub(super) known: BTreeSet<String>,
    /// Those that have one, and of whom the target does not know that yet.
    pub(super) unknown: Vec<String>,
    /// The runs that have migrated something for tenants, where each has a file of its own.
    pub(super) migrating_runs: BTreeSet<i64>,
    /// How far each tenant came, where each has a file of its own.
    pub(super) tallies: Vec<TenantTally>,
    /// The last run that has reset something for a tenant, where each has a file of its own.
    pub(super) resets: BTreeMap<String, i64>,
    /// The places of what the new tenant has already.
    pub(super) had_by_new: BTreeSet<usize>,
    /// Whether the new tenant was one before.
    pub(super) comeback: Comeback,
    /// Where the tenants are.
    pub(super) place: TenantPlace,
}

impl TenantSnapshot {
    /// Whether anything is pending for somebody.
    pub(super) fn has_pending(&self) -> bool {
        self.missing
            .iter()
            .any(|missing| *missing != Missing::Nobody)
    }

    /// Whether anything is pending with which all scripts run.
    pub(super) fn has_to_migrate(&self) -> bool {
        let mut files = self.files.iter().zip(&self.missing);
        files.any(|(file, missing)| !file.kind().is_script() && *missing != Missing::Nobody)
    }

    /// For how many the file is pending.
    pub(super) fn pending_of(&self, file: usize) -> u64 {
        match (self.missing.get(file), self.files.get(file)) {
            (Some(Missing::All), Some(file)) if file.kind().is_for_tenants() => {
                self.tenants.len() as u64
            }
            (Some(Missing::All), _) => 1,
            (Some(Missing::Some(tenants)), _) => tenants.len() as u64,
            _ => 0,
        }
    }

    /// Takes note of what was applied of a file that is gone, or of a repeatable one that has another content now.
    pub(super) fn note_of_others(
        &mut self,
        source: i64,
        state: StepState,
        tenants: u64,
        at: Option<i64>,
    ) {
        if let Some(gone) = self.gone.get_mut(&source) {
            gone.note(state, tenants, at);
        }
        let place = self.other_contents.get(&source);
        if let Some(file) = place.and_then(|place| self.files.get_mut(*place)) {
            file.had_other_content = true;
        }
    }

    pub(super) fn changed(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.has_changed())
    }

    /// The place of the file that the journal knows by this number.
    pub(super) fn place_of(&self, source: i64) -> Option<usize> {
        self.places.get(&source).copied()
    }

    /// Whether the journal has more of the file with this number than its history.
    pub(super) fn is_known(&self, source: i64) -> bool {
        self.places.contains_key(&source) || self.gone.contains_key(&source)
    }

    pub(super) fn file_of(&mut self, source: i64) -> Option<&mut File> {
        let place = self.place_of(source)?;
        self.files.get_mut(place)
    }
}

/// Those tenants, or nobody.
pub(super) fn some(tenants: Vec<usize>) -> Missing {
    match tenants.is_empty() {
        true => Missing::Nobody,
        false => Missing::Some(tenants),
    }
}

#[cfg(test)]
impl TenantSnapshot {
    /// These files, numbered from 1, and these tenants, of whom nothing is known yet.
    pub(super) fn of(files: &[(&str, SourceKind)], tenants: &[&str]) -> Self {
        let file = |(index, (key, kind)): (u64, &(&str, SourceKind))| File {
            source: SourceFile {
                key: (*key).to_owned(),
                directory: String::new(),
                file_name: (*key).to_owned(),
                kind: *kind,
                form: crate::catalog::StepKind::Sql,
                path: Default::default(),
                undo: None,
                metadata: None,
                version: None,
            },
            digest: String::new(),
            index,
            id: i64::try_from(index).ok(),
            had_other_content: false,
            applied_digest: None,
            applied: 0,
            finalized: 0,
            started: 0,
            had_by_removed: false,
            done_by_removed: false,
            begun_by_removed: false,
            migrated_at: None,
            finalized_at: None,
        };
        Self {
            files: (1..).zip(files).map(file).collect(),
            places: (1..).zip(0..files.len()).collect(),
            other_contents: HashMap::new(),
            gone: BTreeMap::new(),
            tenants: tenants.iter().map(|name| (*name).to_owned()).collect(),
            missing: vec![Missing::Nobody; files.len()],
            unfinalized: Vec::new(),
            last_run: None,
            failed_before: None,
            pause: None,
            lease: None,
            last_applied: 0,
            last_reset: 0,
            known: BTreeSet::new(),
            unknown: Vec::new(),
            migrating_runs: BTreeSet::new(),
            tallies: Vec::new(),
            resets: BTreeMap::new(),
            had_by_new: BTreeSet::new(),
            comeback: Comeback::None,
            place: TenantPlace::Schema,
        }
    }
}
