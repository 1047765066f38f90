//! Baselines: what the steps up to one come to, as one file for new databases.
//!
//! `0042_name.baseline.sql` stands for the steps up to 42, and `B1_2__name.sql` for those up to version 1.2, as Flyway names
//! it. A database in which steps were applied goes on with the steps.

use std::collections::BTreeMap;
use std::path::Path;

use super::digest::read_step_file;
use super::file_name;
use super::listing::Listed;
use super::{Applied, Catalog, Error, Role, StepFile, Strange, step_label};

/// How a line begins that names a step which a baseline stands for. The step need not be there any more.
pub const SQUASHED: &str = "-- squashed: ";

impl Catalog {
    /// Takes the highest of these; the others are older.
    pub(super) fn take_baselines(
        &mut self,
        listed: Vec<Listed>,
        are_versions: bool,
        strange: &mut Vec<Strange>,
    ) {
        for file in listed {
            let version = file_name::baselined_version(&file.stem);
            let read = match (version, are_versions) {
                (Some(version), true) => match version.index() {
                    Some(index) => Ok((index, file.stem.clone())),
                    None => Err(format!("has the version {version}, which is too long")),
                },
                (Some(version), false) => Err(format!(
                    "is a baseline for steps with versions, and the steps here have numbers: call it \
                     NNNN_name.baseline.sql with the number of the last step that it stands for, such as {version}"
                )),
                (None, _) => file_name::index_and_name(&file.stem)
                    .map(|(index, name)| (index, format!("{name}.baseline"))),
            };
            let (index, name) = match read {
                Ok(read) => read,
                Err(why) => {
                    strange.push(Strange {
                        file_name: file.file_name,
                        why,
                    });
                    continue;
                }
            };
            let baseline = StepFile {
                index,
                name,
                kind: file.form,
                file_name: file.file_name,
                path: file.path,
                undo: file.undo,
                metadata: file.metadata,
                role: Role::Baseline,
            };
            match &self.baseline {
                Some(other) if other.index == index => strange.push(Strange {
                    why: format!("stands for the same steps as `{}`", other.file_name),
                    file_name: baseline.file_name,
                }),
                Some(newer) if newer.index > index => {}
                _ => self.baseline = Some(baseline),
            }
        }
    }

    /// The same for a database in which no step was applied: the baseline in the place of the steps that it stands for.
    pub fn for_a_new_database(&self) -> Self {
        let mut catalog = self.clone();
        let Some(baseline) = &self.baseline else {
            return catalog;
        };
        let later = match baseline.index.checked_add(1) {
            Some(next) => catalog.steps.split_off(&next),
            None => BTreeMap::new(),
        };
        catalog.included = std::mem::replace(&mut catalog.steps, later)
            .into_values()
            .collect();
        catalog.steps.insert(baseline.index, baseline.clone());
        catalog
    }

    /// The same with the baseline at its place, where the last of the steps that it stands for is not there any more: it can be
    /// written down as applied, too.
    pub fn with_baseline(mut self) -> Self {
        if let Some(baseline) = &self.baseline {
            let place = self.steps.entry(baseline.index);
            place.or_insert_with(|| baseline.clone());
        }
        self
    }

    /// Whether a step may have no file any more, because the baseline stands for it.
    pub(super) fn is_squashed(&self, index: u64) -> bool {
        let through = self.baseline.as_ref().map(|baseline| baseline.index);
        through.is_some_and(|through| index <= through)
    }

    /// A step that this database lacks, which is in the baseline alone. The baseline is for new databases.
    pub(super) fn out_of_reach(&self, applied: &BTreeMap<u64, Applied<'_>>) -> Option<Error> {
        let baseline = self.baseline.as_ref()?;
        let (last, _) = applied.last_key_value()?;
        if *last >= baseline.index || applied.contains_key(&baseline.index) {
            return None;
        }
        let is_there = |index: u64| applied.contains_key(&index) || self.steps.contains_key(&index);
        let named = match squashed(&baseline.path) {
            Ok(named) => named,
            Err(source) => {
                return Some(Error::File {
                    path: baseline.path.clone(),
                    source,
                });
            }
        };
        let lost = named.into_iter().find(|(index, _)| !is_there(*index));
        let lost = match (lost, is_there(baseline.index)) {
            (Some((_, label)), _) => label,
            (None, false) => step_label(baseline.index, ""),
            (None, true) => return None,
        };
        Some(Error::OutOfReach {
            lost,
            baseline: baseline.file_name.clone(),
            last: step_label(*last, applied.get(last).map_or("", |step| step.name)),
        })
    }
}

/// How the file of a baseline is called that stands for the steps up to this file, on one kind of database alone.
pub fn baseline_name(last: &str, name: &str, kind: &str) -> String {
    let stem = last.split('/').next().unwrap_or_default();
    if let Some(rest) = stem
        .strip_prefix('V')
        .filter(|_| file_name::is_flyways(stem))
    {
        let version = rest.split_once("__").map_or(rest, |(version, _)| version);
        return format!("B{version}__{name}.{kind}.sql");
    }
    let end = stem.find(|letter: char| !letter.is_ascii_digit() && letter != '-');
    let number = stem.get(..end.unwrap_or(stem.len())).unwrap_or_default();
    format!(
        "{}_{name}.baseline.{kind}.sql",
        number.trim_end_matches('-')
    )
}

/// The steps that a baseline names as those it stands for.
fn squashed(path: &Path) -> std::io::Result<Vec<(u64, String)>> {
    let bytes = read_step_file(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let labels = text.lines().filter_map(|line| line.strip_prefix(SQUASHED));
    let named = labels.filter_map(|label| {
        let label = label.trim();
        let (index, _) = file_name::index_and_name(label).ok()?;
        Some((index, label.to_owned()))
    });
    Ok(named.collect())
}
