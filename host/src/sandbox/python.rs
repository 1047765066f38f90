//! The runner of Python: a file of its own, which is installed. The binary knows its digest and takes no other.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmigrate_runners::{PYTHON, PYTHON_MISSING};

/// Runners that are no part of the binary, in a directory beside the compiled components.
pub(super) struct Installed(Option<PathBuf>);

impl Installed {
    /// Those in the host's cache directory; without one there are none.
    pub(super) fn under(cache: &Path) -> Self {
        let is_there = !cache.as_os_str().is_empty();
        Self(is_there.then(|| directory(cache)))
    }

    /// Whether the runner with this digest is there; otherwise says how it comes there.
    pub(super) fn check(&self, digest: &str) -> Result<PathBuf, String> {
        let file = self.0.as_ref().map(|directory| file(directory, digest));
        file.filter(|file| file.is_file()).ok_or_else(|| {
            format!(
                "the runner of Python is not installed: `wasmigrate runner install SOURCE` takes the file or the address of the one \
                 that was released with this wasmigrate (sha256:{digest})"
            )
        })
    }

    /// The runner with this digest.
    pub(super) fn read(&self, digest: &str) -> Result<Vec<u8>, String> {
        let file = self.check(digest)?;
        let bytes = fs::read(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        match sha256(&bytes) == digest {
            true => Ok(bytes),
            false => Err(format!(
                "`{}` is damaged: install the runner of Python again",
                file.display()
            )),
        }
    }
}

/// The digest of the runner that fits this binary; otherwise says why there is none.
pub(super) fn digest() -> Result<&'static str, String> {
    PYTHON.ok_or_else(|| {
        format!(
            "this wasmigrate was built without the runner of Python: {PYTHON_MISSING}; build it again where that is installed"
        )
    })
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn directory(cache: &Path) -> PathBuf {
    cache.join("runners")
}

fn file(directory: &Path, digest: &str) -> PathBuf {
    directory.join(format!("{digest}.wasm"))
}

/// Why scripts in Python cannot be run with this cache directory, where they cannot.
pub fn without_python(cache: &Path) -> Option<String> {
    let installed = digest().and_then(|digest| Installed::under(cache).check(digest));
    installed.err()
}

/// Installs the runner of Python in a cache directory, when it is the one that fits this binary; returns where it is.
pub fn install(cache: &Path, bytes: &[u8]) -> Result<PathBuf, String> {
    let expected = digest()?;
    let found = sha256(bytes);
    if found != expected {
        return Err(format!(
            "this is not the runner of Python that this wasmigrate takes: its SHA-256 is {found} instead of {expected}"
        ));
    }
    if cache.as_os_str().is_empty() {
        return Err("the user has no home directory: name a directory with `--cache`".to_owned());
    }
    let directory = directory(cache);
    let failed = |error: std::io::Error| {
        let error = crate::temporary::without_temporary_path(error);
        format!("`{}`: {error}", directory.display())
    };
    crate::private::make(&directory).map_err(failed)?;
    let mut kept = tempfile::NamedTempFile::new_in(&directory).map_err(failed)?;
    kept.write_all(bytes).map_err(failed)?;
    kept.as_file().sync_all().map_err(failed)?;
    let file = file(&directory, expected);
    kept.persist(&file).map_err(|error| failed(error.error))?;
    Ok(file)
}
