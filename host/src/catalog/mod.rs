//! The steps on disk: their names, order and checksums.
//!
//! A catalog is one directory of files `NNNN_name.wasm` and `NNNN_name.sql`; a file `NNNN_name.postgres.sql` is meant for
//! one database alone, and `NNNN_name.down.sql` undoes `NNNN_name.up.sql`. This room reads files and compares them with what was applied; it runs nothing, and compiles
//! nothing.

mod annotation;
mod digest;
mod pair;
mod sources;
mod sql;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::database::Kind;

pub use digest::{Digests, hexadecimal, sha256};
pub use sources::{SourceFile, SourceKind, Sources};
pub use sql::{Section, SqlStep};

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
        index: u32,
        first: String,
        second: String,
    },
    /// A file was not applied, though one after it was.
    #[error(
        "`{step}` was never applied, but `{later}` after it was: steps are applied in order; give it an index above {highest}"
    )]
    Gap {
        step: String,
        later: String,
        highest: u32,
    },
    /// A step was applied, and its file is gone.
    #[error(
        "step {index:04}_{name} was applied, but its file is gone: put it back, or pass `--allow-missing`"
    )]
    Missing { index: u32, name: String },
    /// A step was applied, and its file is another one now.
    #[error(
        "`{step}` has changed since it was applied: its SHA-256 was {applied} and is {now}; restore the file and put the change \
         into a new step, or pass `--allow-changed`"
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
    /// A directory of files for tenants is configured twice.
    #[error(
        "`sources.{setting}` names the directory `{directory}`, which is configured before: name it once"
    )]
    DirectoryTwice {
        setting: &'static str,
        directory: String,
    },
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

/// A step on disk.
#[derive(Clone, Debug)]
pub struct StepFile {
    /// Its place in the order.
    pub index: u32,
    /// Its name, without index and ending.
    pub name: String,
    /// Its form.
    pub kind: StepKind,
    /// The file's name.
    pub file_name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl StepFile {
    /// The step, as `NNNN_name`.
    pub fn label(&self) -> String {
        format!("{:04}_{}", self.index, self.name)
    }
}

/// A file that is no step.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Ignored {
    /// The file's name.
    pub file_name: String,
    /// Why it is none.
    pub why: String,
}

/// The steps of a directory, in order.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The steps, by index.
    pub steps: BTreeMap<u32, StepFile>,
    /// The other files.
    pub ignored: Vec<Ignored>,
}

/// A step that was applied, as far as the catalog cares.
#[derive(Clone, Debug)]
pub struct Applied<'a> {
    /// Its index.
    pub index: u32,
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
}

impl Catalog {
    /// Lists the steps of a directory that are meant for a database of this kind. Reads no file.
    pub fn scan(directory: &Path, database: Kind) -> Result<Self, Error> {
        let failed = |source| Error::Directory {
            directory: directory.to_owned(),
            source,
        };
        let mut file_names = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            file_names.push(entry.file_name().to_string_lossy().into_owned());
        }
        file_names.sort_unstable();
        let mut catalog = Self::default();
        file_names.retain(|name| !is_companion(name));
        let all: BTreeSet<String> = file_names.iter().cloned().collect();
        for file_name in file_names {
            if let Some(undone) = pair::undone_by(&file_name) {
                if !all.contains(&undone) {
                    catalog.ignored.push(Ignored {
                        file_name,
                        why: format!("undoes `{undone}`, which is not there"),
                    });
                }
                continue;
            }
            match parse(&file_name, database) {
                Err(why) => catalog.ignored.push(Ignored {
                    file_name,
                    why: why.to_owned(),
                }),
                Ok((index, name, kind)) => {
                    if let Some(first) = catalog.steps.get(&index) {
                        return Err(Error::DuplicateIndex {
                            index,
                            first: first.file_name.clone(),
                            second: file_name,
                        });
                    }
                    let step = StepFile {
                        index,
                        name: name.to_owned(),
                        kind,
                        path: directory.join(&file_name),
                        file_name,
                    };
                    catalog.steps.insert(index, step);
                }
            }
        }
        Ok(catalog)
    }

    /// Compares the files with what was applied, and returns everything that does not fit.
    pub fn compare<'a>(
        &self,
        applied: impl Iterator<Item = Applied<'a>>,
        digests: &Digests,
        allowances: Allowances,
    ) -> Vec<Error> {
        let applied: BTreeMap<u32, Applied<'a>> = applied.map(|step| (step.index, step)).collect();
        let mut problems = Vec::new();
        if let Some((highest, last)) = applied.last_key_value() {
            for step in self.steps.range(..highest).map(|(_, step)| step) {
                if !applied.contains_key(&step.index) {
                    problems.push(Error::Gap {
                        step: step.file_name.clone(),
                        later: format!("{:04}_{}", last.index, last.name),
                        highest: *highest,
                    });
                }
            }
        }
        for record in applied.values() {
            let Some(step) = self.steps.get(&record.index) else {
                if !allowances.missing {
                    problems.push(Error::Missing {
                        index: record.index,
                        name: record.name.to_owned(),
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

/// Whether it belongs to steps without being one: what `wasmigrate test` tries them on, and what is declared for that.
fn is_companion(file_name: &str) -> bool {
    file_name == "fixtures" || file_name.ends_with(".test.toml")
}

/// The name without its ending, and what form the ending tells, when the file is meant for this database.
fn form(file_name: &str, database: Kind) -> Result<(&str, StepKind), &'static str> {
    let (stem, kind) = if let Some(stem) = file_name.strip_suffix(".wasm") {
        (stem, StepKind::Wasm)
    } else if let Some(stem) = file_name.strip_suffix(".sql") {
        (stem, StepKind::Sql)
    } else {
        return Err("neither .wasm nor .sql");
    };
    match stem.rsplit_once('.') {
        Some((stem, meant_for)) if meant_for == database.as_str() => Ok((stem, kind)),
        Some((_, "sqlite")) => Err("meant for SQLite"),
        Some((_, "postgres")) => Err("meant for PostgreSQL"),
        _ => Ok((stem, kind)),
    }
}

fn parse(file_name: &str, database: Kind) -> Result<(u32, &str, StepKind), &'static str> {
    let (stem, kind) = form(file_name, database)?;
    let not_named = "not named NNNN_name";
    let (index, name) = stem.split_once('_').ok_or(not_named)?;
    let digits = index.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || name.is_empty() {
        return Err(not_named);
    }
    let name = pair::without_direction(name);
    match index.parse() {
        Ok(0) => Err("the first index is 1"),
        Ok(index) => Ok((index, name, kind)),
        Err(_) => Err(not_named),
    }
}
