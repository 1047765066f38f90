//! Pulling: a reference becomes an index that is read once, and then files that it names.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::cache::ReleaseCache;
use super::content_digest::ContentDigest;
use super::error::ReleaseError;
use super::index::{PackedStep, ReleaseIndex};
use super::reference::ReleaseReference;
use super::settings::RegistryAccess;
use super::step_manifest::StepManifest;
use super::store::{Store, at_the_same_time};

/// What is needed to work with releases.
#[derive(Clone, Debug, Default)]
pub struct ReleaseOptions {
    /// How registries are reached.
    pub access: RegistryAccess,
    /// The directory of the host's caches.
    pub cache: PathBuf,
    /// The most bytes of a component.
    pub most_component: u64,
}

/// A release whose index is known; from here on only digests count.
#[derive(Debug)]
pub struct ResolvedRelease {
    /// What was named, with the digest that it has.
    pub reference: ReleaseReference,
    /// The digest of its index.
    pub digest: ContentDigest,
    /// Its index.
    pub index: ReleaseIndex,
    /// The bytes of it.
    pub(super) bytes: Vec<u8>,
    pub(super) store: Store,
}

/// A step, the bytes of its manifest, and what they say.
pub(super) type FoundStep<'s> = (&'s PackedStep, Vec<u8>, StepManifest);

impl ResolvedRelease {
    /// Looks a reference up, and reads its index.
    pub fn of(
        reference: &ReleaseReference,
        options: &ReleaseOptions,
    ) -> Result<Self, ReleaseError> {
        let store = Store::of(reference, &options.access)?;
        let found = store.resolve(reference)?;
        let what = format!("`{reference}`");
        let index = ReleaseIndex::read(&found.bytes, &what, options.most_component)?;
        index.identity.check_tag(reference)?;
        Ok(Self {
            reference: reference.pinned(found.digest.clone()),
            digest: found.digest,
            index,
            bytes: found.bytes,
            store,
        })
    }

    /// The same, where the manifests of its steps say what its index says. Whoever signs or judges a release goes by the digests of
    /// manifests, and what runs are the files that the index names.
    pub fn checked(
        reference: &ReleaseReference,
        options: &ReleaseOptions,
    ) -> Result<Self, ReleaseError> {
        let release = Self::of(reference, options)?;
        release.manifests()?;
        Ok(release)
    }

    /// The manifests of its steps: the bytes of each, and what they say, which is what the index says.
    pub(super) fn manifests(&self) -> Result<Vec<FoundStep<'_>>, ReleaseError> {
        let steps = &self.index.steps;
        let found = Mutex::new(Vec::with_capacity(steps.len()));
        at_the_same_time(steps, |step| {
            let (bytes, manifest) = self.store.step_manifest(step)?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push((step, bytes, manifest));
            Ok(())
        })?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The directory with its steps, in the cache.
    pub fn steps(&self, options: &ReleaseOptions) -> Result<PathBuf, ReleaseError> {
        let cache = ReleaseCache::open(&options.cache)?;
        cache.steps(&self.store, (&self.digest, &self.bytes), &self.index)
    }

    /// Copies its steps into a directory that is not there or empty; it comes whole or not at all.
    pub fn write_to(&self, directory: &Path, options: &ReleaseOptions) -> Result<(), ReleaseError> {
        let is_free = match fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(_) => !directory.exists(),
        };
        if !is_free {
            return Err(ReleaseError::Refused(format!(
                "`{}` is there and not empty: name a directory that is not there, so that it holds this release alone",
                directory.display()
            )));
        }
        let steps = self.steps(options)?;
        let parent = match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let written = || {
            fs::create_dir_all(parent)?;
            let temporary = tempfile::Builder::new()
                .prefix(".wasmigrate-pull")
                .tempdir_in(parent)?;
            for name in self.index.files().into_keys() {
                let bytes = fs::read(steps.join(name))?;
                let to = temporary.path().join(name);
                if let Some(directory) = to.parent() {
                    fs::create_dir_all(directory)?;
                }
                fs::write(to, bytes)?;
            }
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(temporary.path(), mode)?;
            fs::rename(temporary.keep(), directory)
        };
        written().map_err(ReleaseError::file("write", directory))
    }
}
