//! Baselines: what the steps up to one come to, as one file for new databases.
//!
//! `0042_name.baseline.sql` stands for the steps up to 42, and `B1_2__name.sql` for those up to version 1.2, as Flyway names
//! it. A database in which steps were applied goes on with the steps. Which steps it stands for, the lines at its head say; of
//! one that says nothing it is all up to its own place.

use std::collections::BTreeMap;

use super::file_name;
use super::listing::Listed;
use super::repeatable::is_repeatable_name;
use super::squashed::{self, SquashedStep};
use super::{
    Allowances, Applied, Catalog, Digests, Error, Role, StepFile, StepKind, Strange, Version,
    index_label, runs_last, step_label,
};

/// A baseline on disk.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Its file; the index is that of the last step that it stands for.
    pub file: StepFile,
    /// The steps that it says it stands for; none where it says nothing, and stands for all up to its place.
    pub squashed: Vec<SquashedStep>,
}

impl Baseline {
    /// The version of the last step that it stands for.
    pub fn version(&self) -> Option<Version> {
        let StepFile { index, name, .. } = &self.file;
        file_name::baselined_version(name).or_else(|| Version::parse(&index.to_string()))
    }

    /// Whether it stands for this step.
    pub fn includes(&self, index: u64) -> bool {
        self.names(index) || (self.squashed.is_empty() && index <= self.file.index)
    }

    fn names(&self, index: u64) -> bool {
        self.squashed.iter().any(|step| step.index == index)
    }
}

/// Whether what was applied under this name is a baseline.
pub fn is_of_baseline(index: u64, name: &str) -> bool {
    let version = || file_name::baselined_version(name).and_then(|version| version.index());
    name.ends_with(".baseline") || version() == Some(index)
}

/// The place of the baseline with which a database was begun in which these were applied.
pub(super) fn begun_with<'a>(applied: impl Iterator<Item = (u64, &'a str)>) -> Option<u64> {
    let baselines = applied.filter(|(index, name)| is_of_baseline(*index, name));
    baselines.map(|(index, _)| index).max()
}

impl Catalog {
    /// Takes what is named as a baseline, in the manner of the steps: `number` and `version` are files named in the two.
    pub(super) fn take_baselines(
        &mut self,
        listed: Vec<Listed>,
        number: &mut Option<String>,
        version: &mut Option<String>,
        strange: &mut Vec<Strange>,
    ) -> Result<(), Error> {
        for file in listed {
            let (index, name) = match place(&file, number.is_some()) {
                Ok(read) => read,
                Err(why) => {
                    strange.push(Strange {
                        file_name: file.file_name,
                        why,
                    });
                    continue;
                }
            };
            let manner = match file_name::baselined_version(&file.stem) {
                Some(_) => &mut *version,
                None => &mut *number,
            };
            manner.get_or_insert_with(|| file.file_name.clone());
            let file = file.into_step(index, name, Role::Baseline);
            if let Some(other) = self.baselines.get(&index) {
                strange.push(Strange {
                    why: format!("stands for the same steps as `{}`", other.file.file_name),
                    file_name: file.file_name,
                });
                continue;
            }
            let read = match file.kind {
                StepKind::Sql => squashed::at_the_head_of(&file.path),
                StepKind::Wasm | StepKind::JavaScript | StepKind::TypeScript | StepKind::Python => {
                    Ok(Ok(Vec::new()))
                }
            };
            match read {
                Ok(Ok(squashed)) => {
                    self.baselines.insert(index, Baseline { file, squashed });
                }
                Ok(Err(why)) => strange.push(Strange {
                    file_name: file.file_name,
                    why,
                }),
                Err(source) => {
                    return Err(Error::File {
                        path: file.path,
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    /// The baseline with which a new database begins.
    pub fn baseline(&self) -> Option<&Baseline> {
        self.baselines
            .last_key_value()
            .map(|(_, baseline)| baseline)
    }

    /// Leaves out baselines after this place; all where there is none.
    pub fn keep_baselines(&mut self, through: Option<u64>) {
        self.baselines
            .retain(|index, _| through.is_some_and(|through| *index <= through));
    }

    /// The same for a database in which these were applied: a new one begins with the baseline, and one that was begun with one
    /// does not run what that stands for, should its file come back.
    pub fn fitting<'a>(&self, applied: impl Iterator<Item = (u64, &'a str)>) -> Self {
        let once = applied.filter(|(index, _)| !runs_last(*index));
        let applied: BTreeMap<u64, &str> = once.collect();
        if applied.is_empty() {
            return match self.baseline() {
                Some(baseline) => self.beginning_with(&baseline.file, |_| false),
                None => self.clone(),
            };
        }
        let Some(begun) = begun_with(applied.iter().map(|(index, name)| (*index, *name))) else {
            return self.clone();
        };
        let is_applied = |index: u64| applied.contains_key(&index);
        match (self.baselines.get(&begun), self.steps.get(&begun)) {
            (Some(baseline), _) => self.beginning_with(&baseline.file, is_applied),
            (None, Some(step)) => self.beginning_with(step, is_applied),
            (None, None) => {
                let mut catalog = self.clone();
                let passed = |index: &u64| *index < begun && !is_applied(*index);
                catalog.included = self
                    .numbered()
                    .filter(|step| passed(&step.index))
                    .cloned()
                    .collect();
                catalog.steps.retain(|index, _| !passed(index));
                catalog
            }
        }
    }

    /// The same with a file in the place of the steps up to its own, but for those that stay.
    fn beginning_with(&self, first: &StepFile, stays: impl Fn(u64) -> bool) -> Self {
        let mut catalog = self.clone();
        let is_passed = |index: u64| index == first.index || (index < first.index && !stays(index));
        let passed = self.numbered().filter(|step| is_passed(step.index));
        catalog.included = passed
            .filter(|step| step.file_name != first.file_name)
            .cloned()
            .collect();
        catalog.steps.retain(|index, _| !is_passed(*index));
        catalog.steps.insert(first.index, first.clone());
        catalog
    }

    /// The same with the baseline at its place, where the last of the steps that it stands for is not there any more: it can be
    /// written down as applied, too.
    pub fn with_baseline(self) -> Self {
        let last = self.baselines.last_key_value().map(|(index, _)| *index);
        self.with_baseline_at(last)
    }

    /// The same with the baseline that stands at this place.
    pub fn with_baseline_at(mut self, place: Option<u64>) -> Self {
        let baseline = place.and_then(|place| self.baselines.get(&place)).cloned();
        if let Some(baseline) = baseline {
            let place = self.steps.entry(baseline.file.index);
            place.or_insert(baseline.file);
        }
        self
    }

    /// Whether a step may have no file any more, because the baseline stands for it.
    pub fn is_squashed(&self, index: u64) -> bool {
        self.baseline()
            .is_some_and(|baseline| baseline.includes(index))
    }

    /// Whether a step that is migrated is final without its file, which had nothing to finalize.
    pub fn is_final_without_file(&self, index: u64) -> bool {
        let is_it = |step: &&SquashedStep| step.index == index;
        let step = self
            .baseline()
            .and_then(|baseline| baseline.squashed.iter().find(is_it));
        step.is_some_and(|step| step.digest.is_some() && !step.finalizes)
    }

    /// Whether steps run on a new database only in the baseline, because their files are not there.
    pub fn lacks_squashed_steps(&self) -> bool {
        let is_gone = |index: u64| !self.steps.contains_key(&index);
        self.baseline().is_some_and(|baseline| {
            baseline.squashed.iter().any(|step| is_gone(step.index))
                || (baseline.squashed.is_empty() && is_gone(baseline.file.index))
        })
    }

    /// The index and the name of each step that a baseline stands for here and that does not run.
    pub fn passed_over(&self) -> Vec<(u64, &str)> {
        let files = self.included.iter();
        let mut all: BTreeMap<u64, &str> = files.map(|file| (file.index, &*file.name)).collect();
        for step in self
            .baseline()
            .iter()
            .flat_map(|baseline| &baseline.squashed)
        {
            all.entry(step.index).or_insert(&step.name);
        }
        all.into_iter().collect()
    }

    /// Steps for which the baseline would stand by its place and does not by what it says, or which have changed since.
    pub(super) fn squash_problems(&self, digests: &Digests, allowances: Allowances) -> Vec<Error> {
        let Some(baseline) = self
            .baseline()
            .filter(|baseline| !baseline.squashed.is_empty())
        else {
            return Vec::new();
        };
        let through = baseline.file.index;
        let there = self.included.iter().chain(self.numbered());
        let steps = there.filter(|step| step.index <= through && step.role == Role::Migration);
        let mut problems = Vec::new();
        for step in steps {
            let is_it =
                |named: &&SquashedStep| named.index == step.index && named.name == step.name;
            let Some(named) = baseline.squashed.iter().find(is_it) else {
                problems.push(Error::NotInBaseline {
                    step: step.file_name.clone(),
                    baseline: baseline.file.file_name.clone(),
                    through: index_label(through),
                });
                continue;
            };
            let Some(squashed) = named.digest.as_ref().filter(|_| !allowances.changed) else {
                continue;
            };
            let is_same = digests.is_same(step, squashed);
            match is_same.and_then(|is_same| Ok((is_same, digests.of(step)?))) {
                Ok((true, _)) => {}
                Ok((false, now)) => problems.push(Error::SquashedChanged {
                    step: step.file_name.clone(),
                    baseline: baseline.file.file_name.clone(),
                    squashed: squashed.clone(),
                    now,
                }),
                Err(error) => problems.push(error),
            }
        }
        problems
    }

    /// A step that this database lacks, which is in the baseline alone. The baseline is for new databases.
    pub(super) fn out_of_reach(&self, applied: &BTreeMap<u64, Applied<'_>>) -> Option<Error> {
        let baseline = self.baseline()?;
        let (last, _) = applied.last_key_value()?;
        let begun = begun_with(applied.values().map(|step| (step.index, step.name)));
        let is_there = |index: u64| {
            let is_included = begun.is_some_and(|begun| index <= begun);
            applied.contains_key(&index) || self.steps.contains_key(&index) || is_included
        };
        // One that was written by hand may name steps of another database.
        let counts = |step: &&SquashedStep| *last < baseline.file.index || step.digest.is_some();
        let mut squashed = baseline.squashed.iter().filter(counts);
        let lost = squashed.find(|step| !is_there(step.index));
        let lost = match lost {
            Some(step) => step.label(),
            None if *last < baseline.file.index && !is_there(baseline.file.index) => {
                step_label(baseline.file.index, "")
            }
            None => return None,
        };
        Some(Error::OutOfReach {
            lost,
            baseline: baseline.file.file_name.clone(),
            last: step_label(*last, applied.get(last).map_or("", |step| step.name)),
        })
    }
}

/// The index and the name of a baseline, or why it is none.
fn place(file: &Listed, are_numbers: bool) -> Result<(u64, String), String> {
    if is_repeatable_name(&file.stem) {
        return Err(
            "is repeatable by its name and a baseline by its ending, and a repeatable step is no baseline: take `.baseline` out, \
             or call it NNNN_name.baseline.sql with the number of the last step that it stands for"
                .to_owned(),
        );
    }
    let Some(version) = file_name::baselined_version(&file.stem) else {
        let (index, name) = file_name::index_and_name(&file.stem)?;
        return match file_name::is_flyways(&file.stem) {
            true => Err(format!(
                "is a baseline by its ending and a step by its version: call it B{}.sql",
                file.stem.trim_start_matches('V')
            )),
            false => Ok((index, format!("{name}.baseline"))),
        };
    };
    if are_numbers {
        return Err(format!(
            "is a baseline for steps with versions, and the steps here have numbers: call it NNNN_name.baseline.sql with the \
             number of the last step that it stands for, such as {version}"
        ));
    }
    match version.index() {
        Some(index) => Ok((index, file.stem.clone())),
        None => Err(format!("has the version {version}, which is too long")),
    }
}

/// How the file of a baseline is called that stands for the steps up to this file, on one kind of database alone; or why it cannot
/// be called so.
pub fn baseline_name(last: &StepFile, name: &str, kind: &str) -> Result<String, String> {
    /// How long the name of a file may be, on the file systems that there are.
    const MOST_NAME_BYTES: usize = 255;
    let is_sign = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    if name.is_empty() || !name.chars().all(is_sign) {
        return Err(format!(
            "a baseline cannot be called `{name}`: a name has letters, digits, `_` and `-`, and at least one of them"
        ));
    }
    // Its name says its version.
    let says_version = last.label() == last.name;
    let file_name = match last.name.strip_prefix('V').filter(|_| says_version) {
        Some(rest) => {
            let version = rest.split_once("__").map_or(rest, |(version, _)| version);
            format!("B{version}__{name}.{kind}.sql")
        }
        None => {
            let stem = last.file_name.split('/').next().unwrap_or_default();
            let end = stem.find(|letter: char| !letter.is_ascii_digit() && letter != '-');
            let number = stem.get(..end.unwrap_or(stem.len())).unwrap_or_default();
            let number = number.trim_end_matches('-');
            // What Diesel writes after a time is a part of the number, too.
            match file_name::index_and_name(&format!("{number}_{name}")) {
                Ok((index, _)) if index == last.index => {
                    format!("{number}_{name}.baseline.{kind}.sql")
                }
                _ => format!("{:04}_{name}.baseline.{kind}.sql", last.index),
            }
        }
    };
    match file_name.len() > MOST_NAME_BYTES {
        true => Err(format!(
            "a baseline cannot be called so: the name of its file has {} bytes, and at most {MOST_NAME_BYTES} are possible",
            file_name.len()
        )),
        false => Ok(file_name),
    }
}
