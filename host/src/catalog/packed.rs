//! What of a directory becomes a release: its steps, for whichever database, each with the file that undoes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file_name::{self, Parts};
use super::repeatable::is_repeatable_name;
use super::{Catalog, Error, Seeds, StepFile, StepKind, Strange};
use crate::database::Kind;

const FORMS: &str = "a release has files NNNN_name.sql, NNNN_name.wasm, each with one NNNN_name.down.sql or none, R__name.sql and baselines";

/// What a file's name says in a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackedName {
    /// It is a step with this place in the order.
    Step {
        /// Its place; those without a number have the last one together.
        index: u64,
    },
    /// It undoes a step.
    Undo,
}

/// What a name says in a release; why it has no place there when it has none.
pub fn packed_name(file_name: &str) -> Result<PackedName, String> {
    let parts = Parts::of(file_name)
        .filter(|parts| !parts.form.is_script())
        .ok_or("is no .sql and no .wasm")?;
    if parts.undoes || file_name::undone_version(&parts.stem).is_some() {
        return match parts.form {
            StepKind::Sql => Ok(PackedName::Undo),
            _ => Err("undoes another file, and is no SQL".to_owned()),
        };
    }
    if is_repeatable_name(&parts.stem) {
        return Ok(PackedName::Step { index: u64::MAX });
    }
    let index = match file_name::baselined_version(&parts.stem) {
        Some(version) => version.index().ok_or("has a version that is too long")?,
        None => file_name::index_and_name(&parts.stem)?.0,
    };
    Ok(PackedName::Step { index })
}

/// The files of a directory that make a release.
#[derive(Clone, Debug, Default)]
pub struct PackedFiles {
    /// The steps in order, each with the file that undoes it.
    pub steps: Vec<(PathBuf, Option<PathBuf>)>,
    /// What is left out, and why.
    pub left_out: Vec<(String, String)>,
}

/// Lists the files of a directory that make a release. What runs here and has no place in a release is an error.
pub fn packed_files(directory: &Path) -> Result<PackedFiles, Error> {
    let mut steps: BTreeMap<(u64, String), StepFile> = BTreeMap::new();
    let mut strange = Vec::new();
    let mut left_out = BTreeMap::new();
    for kind in Kind::ALL {
        let catalog = Catalog::scan(directory, kind, &Seeds::default())?;
        if let Some(order) = &catalog.text_order
            && let Some(problem) = order.problems(&catalog.steps, |_| false)
        {
            return Err(problem);
        }
        let baselines = catalog
            .baselines
            .into_values()
            .map(|baseline| baseline.file);
        for step in catalog.steps.into_values().chain(baselines) {
            match place(&step) {
                Ok(place) => {
                    let other = steps.insert(place, step.clone());
                    if other.is_some_and(|other| other.undo != step.undo) {
                        let why = "is undone by another file on each database, and a release has one: write two steps, \
                                   .sqlite.sql and .postgres.sql, each with its own";
                        strange.push((step.file_name, why.to_owned()));
                    }
                }
                Err(why) => strange.push((step.file_name, why)),
            }
        }
        for file in catalog.ignored {
            if !file.is_hidden && !file.is_for_another_database {
                left_out.insert(file.file_name, file.why);
            }
        }
    }
    strange.sort();
    strange.dedup();
    if !strange.is_empty() {
        return Err(Error::Strange {
            directory: directory.to_owned(),
            files: strange
                .into_iter()
                .map(|(file_name, why)| Strange { file_name, why })
                .collect(),
            hint: FORMS,
        });
    }
    Ok(PackedFiles {
        steps: steps
            .into_values()
            .map(|step| (step.path, step.undo))
            .collect(),
        left_out: left_out.into_iter().collect(),
    })
}

/// The place of a step in a release; why it has none.
fn place(step: &StepFile) -> Result<(u64, String), String> {
    if step.file_name.contains('/') {
        return Err("stands in a directory of its own, and a release has files alone".to_owned());
    }
    if step.kind.is_script() {
        return Err(
            "is a script, which a release cannot have yet: write the step in SQL or build a component".to_owned(),
        );
    }
    if step.metadata.is_some() {
        return Err(
            "has a file beside it that says how it runs, which a release cannot have yet: say it in the first lines of the step"
                .to_owned(),
        );
    }
    match packed_name(&step.file_name)? {
        PackedName::Step { index } => Ok((index, step.file_name.clone())),
        PackedName::Undo => Err("undoes another file".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is_in_a_release() {
        let step = |index| Ok(PackedName::Step { index });
        assert_eq!(packed_name("0002_split.wasm"), step(2));
        assert_eq!(packed_name("0002_split.postgres.sql"), step(2));
        assert_eq!(packed_name("R__view.sql"), step(u64::MAX));
        assert_eq!(packed_name("0005_all.baseline.sql"), step(5));
        assert_eq!(packed_name("0002_split.down.sql"), Ok(PackedName::Undo));
        for name in [
            "README.md",
            "0001_a.js",
            "0002_a.down.wasm",
            "name.sql",
            ".sql",
        ] {
            assert!(packed_name(name).is_err(), "{name}");
        }
    }
}
