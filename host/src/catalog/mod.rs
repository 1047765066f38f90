//! The steps on disk: their names, order and checksums.
//!
//! A catalog is one directory of files `NNNN_name.wasm` and `NNNN_name.sql`; a file `NNNN_name.postgres.sql` is meant for
//! one database alone, `NNNN_name.down.sql` undoes `NNNN_name.up.sql`, and `R__name.sql` runs whenever it has changed.
//! Directories of other tools are read as they are.
//! What is SQL or a component by its ending and nothing of this is an error. This room reads files and compares them with
//! what was applied; it runs nothing, and compiles nothing.

mod annotation;
mod baseline;
mod comment;
mod digest;
mod file_name;
mod inside;
mod listing;
mod new_step;
mod pair;
mod repeatable;
mod role;
mod seeds;
mod sources;
mod sql;
mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use listing::{Listed, Listing};

use crate::database::Kind;

pub use baseline::{SQUASHED, baseline_name};
pub use digest::{Digests, hexadecimal, read_step_file, sha256};
pub(crate) use file_name::diesels_version;
pub use inside::{check_inside, read_text_inside};
pub use new_step::new_step;
pub use repeatable::{is_seed, running_order, runs_last};
pub use role::Role;
pub use seeds::Seeds;
pub use sources::{SourceFile, SourceKind, SourceOrder, Sources};
pub use sql::{Section, SqlStep};
pub use version::{Version, index_label, step_label};

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the messages")]
pub enum Error {
    /// The directory cannot be read.
    #[error("cannot read the migrations in `{}`: {source}; pass the right directory with `--migrations`", .directory.display())]
    Directory {
        directory: PathBuf,
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Two files claim one place in the order.
    #[error(
        "two steps have the index {index}: `{first}` and `{second}`; give one of them an index of its own"
    )]
    DuplicateIndex {
        index: String,
        first: String,
        second: String,
    },
    /// Some files are numbered, and others have versions.
    #[error(
        "`{number}` has a number and `{version}` a version, so that their order is not known: name all of them in one manner"
    )]
    TwoManners { number: String, version: String },
    /// Names of Diesel's of two ages, which are in another order here than there.
    #[error(
        "`{later}` comes after `{numbered}` for Diesel, which compares names as texts, and before it here, where a time with a \
         number after it is longer: give it the number `-0000` after its time, too"
    )]
    TwoTimes { later: String, numbered: String },
    /// What stands in the directory is not understood.
    #[error("`{}` holds what would not be run:\n{}\n{hint}", .directory.display(), listed(.files))]
    Strange {
        directory: PathBuf,
        files: Vec<Strange>,
        hint: &'static str,
    },
    /// There is something, but no step.
    #[error("`{}` holds no step, only {found}; {}", .directory.display(), file_name::FORMS)]
    NoStep { directory: PathBuf, found: String },
    /// The names of files do not say in which order they are meant.
    #[error(
        "`{first}` comes before `{second}` in the order of their names, and after it by their versions: say which is meant with \
         `order = \"versions\"` or `order = \"names\"` under `[sources]`"
    )]
    Order { first: String, second: String },
    /// A file has no version, though they are to be the order.
    #[error(
        "`{0}` has no version in its name, and `sources.order` says that versions are the order"
    )]
    NoVersion(String),
    /// A file was not applied, though one after it was.
    #[error(
        "`{step}` was never applied, but `{later}` after it was: steps are applied in order; give it an index above {highest}, \
         or pass `--out-of-order`"
    )]
    Gap {
        step: String,
        later: String,
        highest: String,
    },
    /// A step was not applied, and is in a baseline alone.
    #[error(
        "{lost} was never applied here, and its file is gone: `{baseline}` stands for it on new databases alone, and {last} was \
         applied here; put the files of the steps up to that baseline back, and run them first"
    )]
    OutOfReach {
        lost: String,
        baseline: String,
        last: String,
    },
    /// A step was applied, and its file is gone.
    #[error(
        "step {label} was applied, but its file is gone: put it back, or pass `--allow-missing`; when it is gone for good, \
         `wasmigrate repair --remove {label} --reason …` writes that down"
    )]
    Missing { label: String },
    /// A step was applied, and its file is another one now.
    #[error(
        "`{step}` has changed since it was applied: its SHA-256 was {applied} and is {now}; restore the file and put the change \
         into a new step, or pass `--allow-changed`; when the change is right, `wasmigrate repair --accept {step} --reason …` \
         accepts it for good"
    )]
    Changed {
        step: String,
        applied: String,
        now: String,
    },
    /// A directory of files for tenants cannot be read.
    #[error("cannot read the directory `{}` of `sources.{setting}`: {source}", .directory.display())]
    SourceDirectory {
        setting: &'static str,
        directory: PathBuf,
        source: std::io::Error,
    },
    /// The directory of seeds cannot be read.
    #[error("cannot read the directory `{}` of `seeds`: {source}", .directory.display())]
    Seeds {
        directory: PathBuf,
        source: std::io::Error,
    },
    /// A directory of files for tenants is configured twice.
    #[error(
        "`sources.{setting}` names the directory `{directory}`, which is configured before: name it once"
    )]
    DirectoryTwice {
        setting: &'static str,
        directory: String,
    },
    /// A file of a new step cannot be made.
    #[error("cannot make `{}`: {source}", .path.display())]
    New {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A new step cannot be called so.
    #[error("a step cannot be called so: `{name}` {why}")]
    NewName { name: String, why: String },
    /// A SQL file cannot be taken apart.
    #[error("`{label}`, line {line}: {why}")]
    Sql {
        label: String,
        line: usize,
        why: String,
    },
}

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
}

impl StepKind {
    /// The ending of its file's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Sql => "sql",
        }
    }
}

/// A file that is not understood.
#[derive(Clone, Debug)]
pub struct Strange {
    /// The file's name.
    pub file_name: String,
    /// What it is instead of a step.
    pub why: String,
}

fn listed(files: &[Strange]) -> String {
    let lines = files
        .iter()
        .map(|file| format!("  `{}` {}", file.file_name, file.why));
    lines.collect::<Vec<_>>().join("\n")
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
    /// What stands for the first of them on new databases; its index is that of the last one.
    pub baseline: Option<StepFile>,
    /// On a new database, the steps for which it stands there.
    pub included: Vec<StepFile>,
    /// The other files.
    pub ignored: Vec<Ignored>,
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
    /// Lists the steps of a directory, and its seeds, that are meant for a database of this kind. Reads no file.
    pub fn scan(directory: &Path, database: Kind, seeds: &Seeds) -> Result<Self, Error> {
        let listing = Listing::of(directory, database, &seeds.within(directory));
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
        refuse_two_times(&listed)?;
        for file in listed {
            let (index, name) = match file_name::index_and_name(&file.stem) {
                Ok(found) => found,
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
            let step = step(file, index, name);
            if let Some(first) = catalog.steps.get(&index) {
                return Err(Error::DuplicateIndex {
                    index: shown(index),
                    first: first.file_name.clone(),
                    second: step.file_name,
                });
            }
            catalog.steps.insert(index, step);
        }
        catalog.take_baselines(baselines, number.is_none(), &mut strange);
        if !strange.is_empty() {
            return Err(Error::Strange {
                directory: directory.to_owned(),
                files: strange,
                hint: file_name::FORMS,
            });
        }
        if let (Some(number), Some(version)) = (number, version) {
            return Err(Error::TwoManners { number, version });
        }
        catalog.refuse_nothing(directory)?;
        if let Some(directory) = &seeds.directory {
            catalog.add_seeds(directory, database)?;
        }
        Ok(catalog)
    }

    /// Refuses a directory that somebody took for one of migrations, and that holds none.
    fn refuse_nothing(&self, directory: &Path) -> Result<(), Error> {
        let is_elsewhere = |ignored: &Ignored| ignored.is_for_another_database;
        if !self.steps.is_empty()
            || self.baseline.is_some()
            || self.ignored.iter().any(is_elsewhere)
        {
            return Ok(());
        }
        let names: Vec<String> = self
            .ignored
            .iter()
            .filter(|ignored| !ignored.is_hidden)
            .map(|ignored| format!("`{}`", ignored.file_name))
            .collect();
        let found = match names.as_slice() {
            [] => return Ok(()),
            [first, second, third, others @ ..] if !others.is_empty() => {
                format!("{first}, {second}, {third} and {} more", others.len())
            }
            few => few.join(", "),
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
        let mut problems: Vec<Error> = self.out_of_reach(&applied).into_iter().collect();
        if let Some((highest, last)) = applied.last_key_value()
            && !allowances.out_of_order
        {
            for step in self.steps.range(..highest).map(|(_, step)| step) {
                if !applied.contains_key(&step.index) {
                    problems.push(Error::Gap {
                        step: step.file_name.clone(),
                        later: step_label(last.index, last.name),
                        highest: shown(*highest),
                    });
                }
            }
        }
        for record in applied.values() {
            let Some(step) = self.steps.get(&record.index) else {
                if !allowances.missing && !self.is_squashed(record.index) {
                    problems.push(Error::Missing {
                        label: step_label(record.index, record.name),
                    });
                }
                continue;
            };
            if allowances.changed || record.may_change {
                continue;
            }
            let is_same = digests.is_same(step, record.digest);
            match is_same.and_then(|is_same| Ok((is_same, digests.of(step)?))) {
                Ok((true, _)) => {}
                Ok((false, now)) => problems.push(Error::Changed {
                    step: step.file_name.clone(),
                    applied: record.digest.to_owned(),
                    now,
                }),
                Err(error) => problems.push(error),
            }
        }
        digests.save();
        problems
    }
}

/// Refuses names of Diesel's present manner beside later ones of the manner before, which would come before them.
fn refuse_two_times(listed: &[Listed]) -> Result<(), Error> {
    let times = |wanted: bool| {
        listed.iter().filter_map(move |file| {
            let (time, is_numbered) = file_name::diesels_time(&file.stem)?;
            (is_numbered == wanted).then_some((time, file))
        })
    };
    let first = times(true).min_by_key(|(time, _)| *time);
    let last = times(false).max_by_key(|(time, _)| *time);
    match (first, last) {
        (Some((first, numbered)), Some((last, later))) if first < last => Err(Error::TwoTimes {
            later: later.file_name.clone(),
            numbered: numbered.file_name.clone(),
        }),
        _ => Ok(()),
    }
}

fn step(file: Listed, index: u64, name: String) -> StepFile {
    StepFile {
        index,
        name,
        kind: file.form,
        file_name: file.file_name,
        path: file.path,
        undo: file.undo,
        metadata: file.metadata,
        role: match runs_last(index) {
            true => Role::Repeatable,
            false => Role::Migration,
        },
    }
}

/// An index as its user wrote it.
fn shown(index: u64) -> String {
    let label = index_label(index);
    match label.trim_start_matches('0') {
        "" => "0".to_owned(),
        number => number.to_owned(),
    }
}
