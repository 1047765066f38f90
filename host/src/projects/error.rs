//! Why a step could not be built.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::catalog;

/// Why a step could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to build.
    #[error("there are no sources of a step in {}: `wasmigrate new NAME --lang rust`, `c` or `zig` begins one", directory.display())]
    Nothing { directory: PathBuf },
    /// A directory holds nothing that is known.
    #[error("{} is no step to build: it has neither Cargo.toml nor step.c nor step.zig", directory.display())]
    NoProject { directory: PathBuf },
    /// A number is that of several steps.
    #[error("`{name}` may be `{first}` or `{last}`: give the whole name")]
    Several {
        name: String,
        first: String,
        last: String,
    },
    /// Sources are not for the directory of migrations that was named.
    #[error(
        "{} was begun for `{}`: leave out `--migrations`, or move the sources beside the directory for which they are",
        directory.display(),
        migrations.display()
    )]
    BegunForAnother {
        directory: PathBuf,
        migrations: PathBuf,
    },
    /// Sources that were begun by hand may be for several directories of migrations.
    #[error(
        "{} does not say whether it is for `{}` or for `{}`: `wasmigrate build {} --migrations DIR` builds it for one of them, and \
         writes that down",
        directory.display(),
        one.display(),
        other.display(),
        directory.file_name().unwrap_or_default().to_string_lossy()
    )]
    SeveralDirectories {
        directory: PathBuf,
        one: PathBuf,
        other: PathBuf,
    },
    /// Two steps would be one file.
    #[error("{} and {} would be built into the same file, and nothing was built: give one of them another name", first.display(), second.display())]
    OneOutput { first: PathBuf, second: PathBuf },
    /// What would be built would be refused by every other command.
    #[error("nothing was built, because `{}` would be refused with it: {why}", directory.display())]
    Refused {
        directory: PathBuf,
        why: Box<catalog::Error>,
    },
    /// What the sources are compiled against is gone.
    #[error("{} is missing, and the step is compiled with it: `wasmigrate new` writes it with the next step in this language", directory.display())]
    NoSdk { directory: PathBuf },
    /// A tool is not installed.
    #[error("{what} is needed, and not found: {install} (tested with {tested})")]
    MissingTool {
        what: &'static str,
        install: String,
        tested: &'static str,
    },
    /// A tool has given up, and has said why.
    #[error("`{name}` could not be built: {tool} ended with {status}, see above")]
    Failed {
        name: String,
        tool: String,
        status: ExitStatus,
    },
    /// A tool cannot be started.
    #[error("{tool} cannot be started: {source}")]
    Start { tool: String, source: io::Error },
    /// What the tool has made is no component of the contract.
    #[error("`{name}` was compiled, but is no step: {why}")]
    NoStep { name: String, why: String },
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Error {
    pub(super) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub(super) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
