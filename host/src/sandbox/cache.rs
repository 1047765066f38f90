//! Compiled components, kept by content.
//!
//! A component is compiled once per machine. The directory's name holds wasmtime's full version, the processor's features
//! and the engine's settings (`precompile_compatibility_hash`; the compiled file itself carries only the major version).
//! Compiled code is mapped and run as it is, so the directory belongs to this user alone, files appear in it whole or not
//! at all, and each is checked against its checksum before it is mapped. What does not pass is compiled anew. The checksum
//! (XXH3, 128 bits) finds damage, not malice: whoever may write into the directory could have run anything as this user.

use std::cell::RefCell;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::private;
use crate::temporary::without_temporary_path;

thread_local! {
    /// What files are read into to be checked: fresh memory for each would cost more than the check.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why there is no cache.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It cannot be made or entered: components are compiled each time.
    Missing(String),
    /// Somebody else may write into it.
    Open(String),
}

/// A directory of compiled components.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// The cache for this engine under `root`.
    pub(super) fn open(root: &Path, engine: &Engine) -> Result<Self, Unusable> {
        if root.as_os_str().is_empty() {
            let why = "the user has no home directory, and none is named with `--cache`";
            return Err(Unusable::Missing(why.to_owned()));
        }
        let missing = |directory: &Path, error: io::Error| {
            Unusable::Missing(format!("`{}`: {error}", directory.display()))
        };
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let directory = root
            .join("components")
            .join(format!("{:016x}", hasher.finish()));
        private::make(&directory).map_err(|error| missing(&directory, error))?;
        let directory = private::check(&directory).map_err(|error| match error.raw_os_error() {
            Some(_) => missing(&directory, error),
            None => Unusable::Open(error.to_string()),
        })?;
        Ok(Self { directory })
    }

    /// The compiled form of the component with this digest, if it is there and sound.
    pub(super) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let (code, checksum) = self.paths(digest);
        let expected = fs::read(checksum).ok()?;
        let actual = BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            let mut file = File::open(&code)?;
            if !private::is_own(&file.metadata()?) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            file.read_to_end(buffer)?;
            io::Result::Ok(checksum_of(buffer))
        });
        if actual.ok()?.as_slice() != expected {
            return None;
        }
        map(engine, &code)
    }

    /// Whether there is a compiled form; it may still turn out not to be sound.
    pub(super) fn contains(&self, digest: &str) -> bool {
        self.paths(digest).1.exists()
    }

    /// Keeps the compiled form of a component.
    pub(super) fn store(&self, digest: &str, code: &[u8]) -> io::Result<()> {
        let (path, checksum) = self.paths(digest);
        self.write(&path, code)?;
        self.write(&checksum, &checksum_of(code))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file =
            tempfile::NamedTempFile::new_in(&self.directory).map_err(without_temporary_path)?;
        file.write_all(bytes).map_err(without_temporary_path)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    fn paths(&self, digest: &str) -> (PathBuf, PathBuf) {
        (
            self.directory.join(format!("{digest}.cwasm")),
            self.directory.join(format!("{digest}.xxh3")),
        )
    }
}

fn checksum_of(code: &[u8]) -> [u8; 16] {
    XxHash3_128::oneshot(code).to_be_bytes()
}

/// Code that was just compiled, where it is not kept.
#[allow(
    unsafe_code,
    reason = "compiled code becomes executable here and in `map`; everything else in the host is safe"
)]
pub(super) fn unkept(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: the code is what this program's own compiler has just made with this engine's settings, and nobody else could
    // write to it.
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// Maps compiled code.
#[allow(
    unsafe_code,
    reason = "compiled code becomes executable here and in `unkept`; everything else in the host is safe"
)]
fn map(engine: &Engine, code: &Path) -> Option<Component> {
    // SAFETY: the file was written by `Cache::store` from the output of wasmtime's compiler with this engine's settings,
    // into a directory that only this user may enter, and its checksum was just verified.
    unsafe { Component::deserialize_file(engine, code) }.ok()
}
