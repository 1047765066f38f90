//! Why a step could not be built.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why a step could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to build.
    #[error("there are no sources of a step in {}: `wasmigrate new NAME --lang rust`, `c` or `zig` begins one", directory.display())]
    Nothing { directory: PathBuf },
    /// A directory holds nothing that is known.
    #[error("{} is no step to build: it has neither Cargo.toml nor step.c nor step.zig", directory.display())]
    NoProject { directory: PathBuf },
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
