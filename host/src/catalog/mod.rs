//! The steps on disk: their names, order and checksums.
//!
//! A catalog is one directory of files `NNNN_name.sql`, `.wasm`, `.js`, `.ts` and `.py`; a file `NNNN_name.postgres.sql` is
//! meant for one database alone, `NNNN_name.down.sql` undoes `NNNN_name.up.sql`, and `R__name.sql` runs whenever it has changed.
//! Directories of other tools are read as they are.
//! What is SQL, a component or a script by its ending and nothing of this is an error. This room reads files and compares them with
//! what was applied; it runs nothing, and compiles nothing.

mod annotation;
mod baseline;
mod below;
mod comment;
mod companions;
mod components;
mod content;
mod digest;
mod error;
mod file_name;
mod inside;
mod likeness;
mod listing;
mod meant_for;
mod nearly;
mod new_project;
mod new_step;
mod other_database;
mod other_directory;
mod packed;
mod pair;
mod python_imports;
mod repeatable;
mod role;
mod script;
mod seeds;
mod source_file;
mod source_order;
mod sources;
mod sql;
mod squashed;
mod step_sources;
mod text_order;
mod undoing;
mod version;
mod whole_file;
mod words_of_parts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use baseline::begun_with;
use file_name::Parts;
use listing::{Listed, Listing};
use step_sources::Unbuilt;
use text_order::{DieselsTimes, TextOrder};

use crate::database::Kind;

pub use baseline::{Baseline, baseline_name, is_of_baseline};
pub use components::check_components;
pub use content::{hexadecimal, read_step_file, sha256};
pub use digest::Digests;
pub use error::{Error, Strange};
pub(crate) use file_name::diesels_version;
pub use inside::{check_directory_inside, check_inside, read_text_inside};
pub use new_project::{Ci, new_project};
pub use new_step::{Language, NewStep, new_step};
pub use packed::{
    FileToPack, PackedFiles, PackedName, StepToPack, is_packed_beside, is_packed_undo,
    packed_files, packed_name,
};
pub use repeatable::{is_seed, running_order, runs_last};
pub use role::Role;
pub use script::Script;
pub use seeds::Seeds;
pub use source_file::{SourceFile, SourceKind, SourceOrder};
pub use sources::Sources;
pub use sql::{Section, SqlStep};
pub use squashed::SquashedStep;
pub use step_sources::{StepSources, changed_since_built, name_of_migrations, projects_beside};
pub use version::{Version, index_label, step_label};
pub use whole_file::{write_new, write_over, write_where_told};

/// What form a step has.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// A WebAssembly component.
    Wasm,
    /// A file of SQL statements.
    Sql,
    /// A script in JavaScript.
    #[serde(rename = "js")]
    JavaScript,
    /// A script in TypeScript.
    #[serde(rename = "ts")]
    TypeScript,
    /// A script in Python.
    #[serde(rename = "py")]
    Python,
}

impl StepKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sql,
        Self::Wasm,
        Self::JavaScript,
        Self::TypeScript,
        Self::Python,
    ];

    /// Whether it is a script: text, with files that it imports.
    pub fn is_script(self) -> bool {
        matches!(self, Self::JavaScript | Self::TypeScript | Self::Python)
    }

    /// Its name, which is the ending of its file's name without the point.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Sql => "sql",
            Self::JavaScript => "js",
            Self::TypeScript => "ts",
            Self::Python => "py",
        }
    }

    /// The ending of its file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Wasm => ".wasm",
            Self::Sql => ".sql",
            Self::JavaScript => ".js",
            Self::TypeScript => ".ts",
            Self::Python => ".py",
        }
    }
}

/// A step on disk.
#[derive(Clone, Debug)]
pub struct StepFile {
    /// Its place in the order.
    pub index: u64,
    /// Its name, without index and ending.
    pub name: String,
    /// Its form.
    pub kind: StepKind,
    /// The file's name.
    pub file_name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The file beside it that undoes it.
    pub undo: Option<PathBuf>,
    /// The file beside it that says how it runs.
    pub metadata: Option<PathBuf>,
    /// What it is for.
    pub role: Role,
}

impl StepFile {
    /// The step, as `NNNN_name`.
    pub fn label(&self) -> String {
        step_label(self.index, &self.name)
    }
}

/// A file that is no step.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Ignored {
    /// The file's name.
    pub file_name: String,
    /// Why it is none.
    pub why: String,
    /// Whether it is a step of another kind of database, or undoes one.
    #[serde(skip)]
    pub is_for_another_database: bool,
    /// Whether its name hides it.
    #[serde(skip)]
    pub is_hidden: bool,
}

/// The steps of a directory, in order.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The steps, by index.
    pub steps: BTreeMap<u64, StepFile>,
    /// What stands for the first of them on new databases, by the index of the last one. The highest counts.
    pub baselines: BTreeMap<u64, Baseline>,
    /// On a database that begins or was begun with a baseline, the steps that do not run there because it stands for them.
    pub included: Vec<StepFile>,
    /// What the directory of seeds is called that is in force.
    pub seeds: Option<String>,
    /// The order of the tool that the directory is written for, where it is another one.
    pub(crate) text_order: Option<TextOrder>,
    /// The other files.
    pub ignored: Vec<Ignored>,
    /// What has sources beside the directory, and was never built.
    pub(crate) unbuilt: Vec<Unbuilt>,
}

/// A step that was applied, as far as the catalog cares.
#[derive(Clone, Debug)]
pub struct Applied<'a> {
    /// Its index.
    pub index: u64,
    /// Its name.
    pub name: &'a str,
    /// The SHA-256 of its file at that time, in hexadecimal.
    pub digest: &'a str,
    /// Whether its file may be another one now.
    pub may_change: bool,
    /// How far it is.
    pub standing: AppliedStanding,
}

/// How far a step is that the journal knows, as far as it matters when its file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliedStanding {
    /// It is wholly migrated.
    Applied,
    /// Some of it is committed.
    Begun,
    /// It is a transformation that is not finalized.
    Transformation,
}

impl AppliedStanding {
    /// Why the command is refused when the step's file is another one now.
    pub fn changed(self, file: &StepFile, before: &str, now: String) -> Error {
        let (step, before) = (file.file_name.clone(), before.to_owned());
        let is_of_two = file.undo.is_some() || step.contains(".up.") || step.ends_with("/up.sql");
        let now = match is_of_two {
            true => format!("{now} (with the file that undoes it)"),
            false => now,
        };
        match self {
            Self::Applied => Error::Changed {
                step,
                applied: before,
                now,
            },
            Self::Begun => Error::ChangedBegun {
                step,
                begun: before,
                now,
            },
            Self::Transformation => Error::ChangedTransformation {
                step,
                begun: before,
                now,
            },
        }
    }
}

/// Differences between files and journal that the operator knows of and accepts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowances {
    /// Applied steps whose files are gone.
    pub missing: bool,
    /// Applied steps whose files have changed.
    pub changed: bool,
    /// Steps that were not applied, though one after them was.
    pub out_of_order: bool,
}

impl Catalog {
    /// Lists the steps of a directory, and its seeds, that are meant for a database of this kind. Reads no file but
    /// the head of a baseline.
    pub fn scan(directory: &Path, database: Kind, seeds: &Seeds) -> Result<Self, Error> {
        let listing = Listing::of(directory, database, &seeds.within(directory), Parts::of);
        let Listing {
            listed,
            baselines,
            ignored,
            mut strange,
        } = listing.map_err(|source| Error::Directory {
            directory: directory.to_owned(),
            source,
        })?;
        let mut catalog = Self {
            ignored,
            ..Self::default()
        };
        let (mut number, mut version): (Option<String>, Option<String>) = (None, None);
        let times = DieselsTimes::of(&listed);
        for file in listed {
            let (index, name) = match file_name::index_and_name(&file.stem) {
                Ok((index, name)) => (times.index(&file.stem).unwrap_or(index), name),
                Err(why) => {
                    strange.push(Strange {
                        file_name: file.file_name,
                        why,
                    });
                    continue;
                }
            };
            if !runs_last(index) {
                let manner = match file_name::is_flyways(&file.stem) {
                    true => &mut version,
                    false => &mut number,
                };
                manner.get_or_insert_with(|| file.file_name.clone());
            }
            let is_version = file_name::is_flyways(&file.stem);
            let step = step(file, index, name);
            if let Some(first) = catalog.steps.get(&index).filter(|_| runs_last(index)) {
                return Err(Error::DuplicateName {
                    name: step.name,
                    first: first.file_name.clone(),
                    second: step.file_name,
                });
            }
            if let Some(first) = catalog.steps.get(&index) {
                return Err(Error::DuplicateIndex {
                    index: shown(index, is_version),
                    first: first.file_name.clone(),
                    hint: [&first.file_name, &step.file_name]
                        .iter()
                        .any(|name| meant_for::is_said_in(name)),
                    second: step.file_name,
                });
            }
            catalog.steps.insert(index, step);
        }
        catalog.text_order = TextOrder::of(directory, &catalog.steps);
        catalog.take_baselines(baselines, &mut number, &mut version, &mut strange)?;
        if !strange.is_empty() {
            return Err(Error::Strange {
                directory: directory.to_owned(),
                files: strange,
                hint: error::FORMS,
            });
        }
        if let (Some(number), Some(version)) = (number, version) {
            return Err(Error::TwoManners { number, version });
        }
        let unbuilt = step_sources::unbuilt(directory, database);
        catalog.unbuilt = unbuilt.map_err(Error::StepSources)?;
        // What a baseline stands for may be gone.
        let squashed = catalog.baselines.keys().next_back().copied();
        let is_squashed = |index| Some(index) <= squashed;
        (catalog.unbuilt).retain(|step| !step.index.is_some_and(is_squashed));
        catalog.refuse_nothing(directory)?;
        if let Some(directory) = &seeds.directory {
            catalog.add_seeds(seeds, directory, database)?;
        }
        Ok(catalog)
    }

    /// Refuses a directory that somebody took for one of migrations, and that holds none.
    fn refuse_nothing(&self, directory: &Path) -> Result<(), Error> {
        let is_elsewhere = |ignored: &Ignored| ignored.is_for_another_database;
        if !self.steps.is_empty()
            || !self.baselines.is_empty()
            || !self.unbuilt.is_empty()
            || self.ignored.iter().any(is_elsewhere)
        {
            return Ok(());
        }
        let Some(found) = listing::only(&self.ignored) else {
            return Ok(());
        };
        Err(Error::NoStep {
            directory: directory.to_owned(),
            found,
        })
    }

    /// Compares the files with what was applied, and returns everything that does not fit. A repeatable step always fits: its
    /// content may change, and what it left when its file is gone may stay.
    pub fn compare<'a>(
        &self,
        applied: impl Iterator<Item = Applied<'a>>,
        digests: &Digests,
        allowances: Allowances,
    ) -> Vec<Error> {
        let once = applied.filter(|step| !runs_last(step.index));
        let applied: BTreeMap<u64, Applied<'a>> = once.map(|step| (step.index, step)).collect();
        let mut problems = self.squash_problems(digests, allowances);
        problems.extend(self.out_of_reach(&applied));
        let order = self.text_order.as_ref();
        problems.extend(
            order.and_then(|order| {
                order.problems(&self.steps, |index| applied.contains_key(&index))
            }),
        );
        let begun = begun_with(applied.values().map(|step| (step.index, step.name)));
        if let Some((highest, last)) = applied.last_key_value()
            && !allowances.out_of_order
        {
            for step in self.steps.range(..highest).map(|(_, step)| step) {
                let is_included = begun.is_some_and(|begun| step.index <= begun);
                if !applied.contains_key(&step.index) && !is_included {
                    problems.push(Error::Gap {
                        step: step.file_name.clone(),
                        later: step_label(last.index, last.name),
                        highest: shown(*highest, file_name::is_flyways(last.name)),
                    });
                }
            }
        }
        for record in applied.values() {
            let Some(step) = self.steps.get(&record.index) else {
                let label = step_label(record.index, record.name);
                match record.standing {
                    // What is left of it would never be done.
                    AppliedStanding::Begun => problems.push(Error::MissingBegun { label }),
                    AppliedStanding::Transformation => {
                        problems.push(Error::MissingTransformation { label });
                    }
                    AppliedStanding::Applied => {
                        if !allowances.missing && !self.is_squashed(record.index) {
                            problems.push(Error::Missing { label });
                        }
                    }
                }
                continue;
            };
            // A step that came back is not the baseline that was applied in its place.
            let is_another =
                is_of_baseline(record.index, record.name) && step.role != Role::Baseline;
            if allowances.changed || record.may_change || is_another {
                continue;
            }
            let is_same = digests.is_same(step, record.digest);
            match is_same.and_then(|is_same| Ok((is_same, digests.of(step)?))) {
                Ok((true, _)) => {}
                Ok((false, now)) => {
                    let standing = record.standing;
                    problems.push(standing.changed(step, record.digest, now));
                }
                Err(error) => problems.push(error),
            }
        }
        // What was applied is gone, and told of as that.
        problems.extend(self.not_built(|index| applied.contains_key(&index)));
        digests.save();
        problems
    }
}

/// How the step is called that a file of this name is; none when it is none.
pub fn label_of_file(file_name: &str) -> Option<String> {
    let parts = Parts::of(file_name)?;
    let (index, name) = file_name::index_and_name(&parts.stem).ok()?;
    Some(step_label(index, &name))
}

fn step(file: Listed, index: u64, name: String) -> StepFile {
    let role = match runs_last(index) {
        true => Role::Repeatable,
        false => Role::Migration,
    };
    file.into_step(index, name, role)
}

/// An index as its user wrote it: large numbers look like those of versions.
fn shown(index: u64, is_version: bool) -> String {
    match is_version {
        true => index_label(index),
        false => index.to_string(),
    }
}
