//! Tools that compare names as texts, where numbers are compared here: `20240202_b` comes after `20240201000000_a` there, and
//! before it here.
//!
//! Diesel's names of two ages get indexes in its own order. Of other tools, a step that has another place here than there is refused
//! until it is applied.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::content::read_step_file;
use super::listing::Listed;
use super::{Error, StepFile, file_name};

/// What the names are to the tool for which a directory is written.
#[derive(Clone, Debug)]
pub(crate) struct TextOrder {
    tool: &'static str,
    /// By index, what it compares.
    keys: BTreeMap<u64, String>,
}

impl TextOrder {
    /// The order of a directory's tool; none where it is no such tool, or its order is ours.
    pub(super) fn of(directory: &Path, steps: &BTreeMap<u64, StepFile>) -> Option<Self> {
        let numbered = || {
            let steps = steps.values();
            steps.filter(|step| !step.file_name.starts_with(['V', 'R']))
        };
        let is_all = |ending: &str| numbered().all(|step| step.file_name.ends_with(ending));
        let is_diesels = |step: &StepFile| {
            step.file_name
                .get(..5)
                .is_some_and(|year| year.ends_with('-') && step.file_name.ends_with("/up.sql"))
        };
        let key = |step: &StepFile| match is_diesels(step) {
            true => {
                let version = step.file_name.split(['_', '/']).next().unwrap_or_default();
                version.replace('-', "")
            }
            false => step.file_name.clone(),
        };
        let keys: BTreeMap<u64, String> = numbered().map(|step| (step.index, key(step))).collect();
        // No file is read where the order is the same.
        if keys.values().is_sorted() {
            return None;
        }
        let tool = if is_all("/migration.sql") {
            "Prisma"
        } else if numbered().all(is_diesels) {
            "Diesel"
        } else if directory.join("atlas.sum").exists() {
            "Atlas"
        } else if numbered().any(is_dbmates) {
            "dbmate"
        } else {
            return None;
        };
        Some(Self { tool, keys })
    }

    /// Refuses steps that are to run, and have another place for the tool.
    pub(super) fn problems(
        &self,
        steps: &BTreeMap<u64, StepFile>,
        is_applied: impl Fn(u64) -> bool,
    ) -> Option<Error> {
        let mut last: Option<(&u64, &String)> = None;
        for (index, key) in &self.keys {
            match last {
                Some((before, greatest)) if greatest > key => {
                    if !is_applied(*index) || !is_applied(*before) {
                        let name =
                            |index: &u64| steps.get(index).map(|step| step.file_name.clone());
                        return Some(Error::TextOrder {
                            tool: self.tool,
                            first: name(index)?,
                            second: name(before)?,
                            names: self.uneven(steps),
                        });
                    }
                }
                _ => last = Some((index, key)),
            }
        }
        None
    }

    /// The names whose numbers are shorter than the longest.
    fn uneven(&self, steps: &BTreeMap<u64, StepFile>) -> String {
        let length = |step: &StepFile| {
            let digits = step.file_name.bytes();
            digits.take_while(u8::is_ascii_digit).count()
        };
        let steps = || self.keys.keys().filter_map(|index| steps.get(index));
        let longest = steps().map(length).max().unwrap_or_default();
        let names = steps()
            .filter(|step| length(step) < longest)
            .map(|step| format!("`{}`", step.file_name));
        names.collect::<Vec<_>>().join(", ")
    }
}

fn is_dbmates(step: &StepFile) -> bool {
    let text = read_step_file(&step.path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    step.file_name.ends_with(".sql")
        && text
            .lines()
            .any(|line| line.replace(' ', "").starts_with("--migrate:up"))
}

/// The indexes of Diesel's names that have a time without a number, where others that have one come before: their own would put
/// them before those.
pub(super) struct DieselsTimes {
    /// The first time with a number.
    first: Option<u64>,
    /// The times that have the number 0.
    zeros: BTreeSet<u64>,
}

impl DieselsTimes {
    pub(super) fn of(listed: &[Listed]) -> Self {
        let numbered = || {
            listed.iter().filter_map(|file| {
                let (time, is_numbered) = file_name::diesels_time(&file.stem)?;
                is_numbered.then_some((time, file))
            })
        };
        let is_zero = |file: &Listed| {
            file_name::index_and_name(&file.stem).is_ok_and(|(index, _)| index % 1_000 == 0)
        };
        Self {
            first: numbered().map(|(time, _)| time).min(),
            zeros: numbered()
                .filter(|(_, file)| is_zero(file))
                .map(|(time, _)| time)
                .collect(),
        }
    }

    /// The index of a name, when it is another one than its own.
    pub(super) fn index(&self, stem: &str) -> Option<u64> {
        let first = self.first?;
        let (time, is_numbered) = file_name::diesels_time(stem)?;
        if is_numbered || time <= first {
            return None;
        }
        // To Diesel, it comes before the same time with a number.
        let is_taken = self.zeros.contains(&time);
        time.checked_mul(1_000)?.checked_sub(u64::from(is_taken))
    }
}
