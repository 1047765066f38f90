//! A place that keeps releases, whichever it is.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::content_digest::ContentDigest;
use super::document::{Descriptor, Document, MANIFEST};
use super::download::{DownloadError, copy_checked};
use super::error::ReleaseError;
use super::index::PackedStep;
use super::layout::OciLayout;
use super::limits;
use super::reference::{Place, ReleaseReference};
use super::registry::{Action, FetchedManifest, RegistryClient};
use super::settings::RegistryAccess;
use super::step_manifest::StepManifest;

/// A repository of a registry, or a layout on this machine.
#[derive(Debug)]
pub(super) enum Store {
    Registry(Box<RegistryClient>),
    Layout(Box<OciLayout>),
}

impl Store {
    /// The place of a reference, to read from it.
    pub(super) fn of(
        reference: &ReleaseReference,
        access: &RegistryAccess,
    ) -> Result<Self, ReleaseError> {
        if reference.tag.is_none() && reference.digest.is_none() {
            return Err(names_nothing(reference));
        }
        Ok(match &reference.place {
            Place::Layout(path) => Self::Layout(Box::new(OciLayout::open(path)?)),
            Place::Registry(repository) => {
                let client = RegistryClient::new(repository, Action::Pull, None, access)?;
                Self::Registry(Box::new(client))
            }
        })
    }

    /// The place of a reference, to write to it. `from` is another repository of the same registry.
    pub(super) fn to_write(
        reference: &ReleaseReference,
        from: Option<&str>,
        access: &RegistryAccess,
    ) -> Result<Self, ReleaseError> {
        Ok(match &reference.place {
            Place::Layout(path) => Self::Layout(Box::new(OciLayout::open_or_begin(path)?)),
            Place::Registry(repository) => {
                let client = RegistryClient::new(repository, Action::Push, from, access)?;
                Self::Registry(Box::new(client))
            }
        })
    }

    /// What a reference leads to: its digest decides, and where it has none its tag.
    pub(super) fn resolve(
        &self,
        reference: &ReleaseReference,
    ) -> Result<FetchedManifest, ReleaseError> {
        let found = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => self.manifest(digest)?,
            (None, Some(tag)) => self.tagged(tag)?,
            (None, None) => return Err(names_nothing(reference)),
        };
        found.ok_or_else(|| ReleaseError::NotFound(format!("`{reference}`")))
    }

    /// What has a tag; none when nothing has it.
    pub(super) fn tagged(&self, tag: &str) -> Result<Option<FetchedManifest>, ReleaseError> {
        match self {
            Self::Registry(client) => client.tagged(tag),
            Self::Layout(layout) => match layout.digest_of(tag) {
                Some(digest) => self.manifest(&digest),
                None => Ok(None),
            },
        }
    }

    /// The manifest with a digest; none when it is not there.
    pub(super) fn manifest(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<FetchedManifest>, ReleaseError> {
        match self {
            Self::Registry(client) => client.manifest(digest),
            Self::Layout(layout) => Ok(layout.manifest(digest)?.map(|bytes| FetchedManifest {
                digest: digest.clone(),
                bytes,
            })),
        }
    }

    /// The manifest of a step: its bytes and what they say, which is what the index says.
    pub(super) fn step_manifest(
        &self,
        step: &PackedStep,
    ) -> Result<(Vec<u8>, StepManifest), ReleaseError> {
        let Some(found) = self.manifest(&step.manifest)? else {
            let (digest, file) = (&step.manifest, &step.file.file);
            return Err(ReleaseError::NotFound(format!(
                "manifest {digest} of `{file}`"
            )));
        };
        let manifest = StepManifest::read(&found.bytes, step)?;
        Ok((found.bytes, manifest))
    }

    /// The digest of what has a tag; none when nothing has it.
    pub(super) fn digest_of(&self, tag: &str) -> Result<Option<ContentDigest>, ReleaseError> {
        match self {
            Self::Registry(client) => client.digest_of(tag),
            Self::Layout(layout) => Ok(layout.digest_of(tag)),
        }
    }

    /// Writes a blob, called `what` in errors, to an empty file; again from the start when the connection is lost.
    pub(super) fn download(
        &self,
        what: &str,
        digest: &ContentDigest,
        size: u64,
        file: &mut File,
    ) -> Result<(), ReleaseError> {
        let mut tries = 1;
        loop {
            let copied = match self {
                Self::Registry(client) => client
                    .blob(digest, size)?
                    .map(|from| copy_checked(from, &mut *file, what, digest, size)),
                Self::Layout(layout) => layout
                    .blob(digest, size)?
                    .map(|from| copy_checked(from, &mut *file, what, digest, size)),
            };
            let broken = match copied {
                Some(Ok(())) => return Ok(()),
                None => return Err(ReleaseError::NotFound(format!("blob {digest} of {what}"))),
                Some(Err(DownloadError::Final(error))) => return Err(error),
                Some(Err(DownloadError::Broken(error))) => error,
            };
            if tries == limits::TRIES || matches!(self, Self::Layout(_)) {
                return Err(ReleaseError::Refused(format!(
                    "cannot get {what} whole: {}",
                    ReleaseError::said(&broken.to_string())
                )));
            }
            tries += 1;
            let emptied = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
            emptied.map_err(ReleaseError::file("write", "the cache"))?;
        }
    }

    /// The bytes of a blob, called `what` in errors.
    pub(super) fn blob(
        &self,
        what: &str,
        digest: &ContentDigest,
        size: u64,
    ) -> Result<Vec<u8>, ReleaseError> {
        let failed = |error| ReleaseError::file("write a file in", std::env::temp_dir())(error);
        let mut temporary = tempfile::tempfile().map_err(failed)?;
        self.download(what, digest, size, &mut temporary)?;
        let mut bytes = Vec::new();
        temporary.seek(SeekFrom::Start(0)).map_err(failed)?;
        temporary.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// What refers to the manifest with this digest.
    pub(super) fn referrers(
        &self,
        digest: &ContentDigest,
    ) -> Result<Vec<Descriptor>, ReleaseError> {
        match self {
            Self::Registry(client) => client.referrers(digest),
            Self::Layout(layout) => layout.referrers(digest),
        }
    }

    /// Keeps the bytes of a manifest that refers to the one with this digest.
    pub(super) fn put_referrer(
        &self,
        digest: &ContentDigest,
        bytes: &[u8],
    ) -> Result<(), ReleaseError> {
        let manifest = Document::read(bytes, "what refers to the release")?;
        let mut referrer = Descriptor::of(MANIFEST, bytes);
        referrer.artifact_type = manifest.artifact_type;
        referrer.annotations = manifest.annotations;
        match self {
            Self::Registry(client) => client.put_referrer(digest, MANIFEST, bytes, &referrer),
            Self::Layout(layout) => layout.put_referrer(bytes, &referrer),
        }
    }

    /// Keeps a blob. Whether it had to be sent.
    pub(super) fn put_blob(
        &self,
        digest: &ContentDigest,
        bytes: &[u8],
        from: Option<&str>,
    ) -> Result<bool, ReleaseError> {
        match self {
            Self::Registry(client) => client.put_blob(digest, bytes, from),
            Self::Layout(layout) => layout.put_blob(digest, bytes),
        }
    }

    /// Keeps a manifest under a tag.
    pub(super) fn put_manifest(
        &self,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), ReleaseError> {
        match self {
            Self::Registry(client) => client.put_manifest(tag, media_type, bytes).map(|_| ()),
            Self::Layout(layout) => layout.put_manifest(tag, media_type, bytes),
        }
    }

    /// Ends the writing.
    pub(super) fn finish(&self) -> Result<(), ReleaseError> {
        match self {
            Self::Registry(_) => Ok(()),
            Self::Layout(layout) => layout.finish(),
        }
    }
}

fn names_nothing(reference: &ReleaseReference) -> ReleaseError {
    let place = reference.place();
    ReleaseError::Reference(format!(
        "`{reference}` names no version: write {place}:TAG or {place}@sha256:…"
    ))
}

/// Does something with each of these, some at the same time. After an error nothing more is begun.
pub(super) fn at_the_same_time<'i, T: Sync>(
    items: &'i [T],
    work: impl Fn(&'i T) -> Result<(), ReleaseError> + Sync,
) -> Result<(), ReleaseError> {
    let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let failure = Mutex::new(None);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if has_failed.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = work(item) {
                has_failed.store(true, Ordering::Relaxed);
                failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..limits::AT_A_TIME.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
