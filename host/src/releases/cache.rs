//! What was pulled: the bytes by their digests, a directory of steps for each release, and what each tag was.
//!
//! All of it is this user's alone. A file comes into its place whole or not at all, and so does a directory; what is found there is
//! hashed before it is used, and made anew when it is not right.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::content_digest::ContentDigest;
use super::document::json;
use super::error::ReleaseError;
use super::index::{PackedFile, PackedStep, ReleaseIndex};
use super::limits;
use super::reference::ReleaseReference;
use super::signing::SignatureMaterial;
use super::step_manifest::StepManifest;
use super::store::{Store, at_the_same_time};
use crate::catalog::read_step_file;
use crate::{input, private};

/// The cache of releases.
#[derive(Debug)]
pub(super) struct ReleaseCache {
    blobs: PathBuf,
    releases: PathBuf,
    tags: PathBuf,
}

/// What a tag of a registry was when somebody asked last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LastResolved {
    /// The tag, with its repository: the file is named after its digest, which tells nobody which it is.
    reference: String,
    /// What it was.
    pub(super) digest: ContentDigest,
    /// When, in milliseconds since 1970.
    pub(super) at: i64,
}

impl ReleaseCache {
    /// Opens the one in the host's directory of caches, or begins it.
    pub(super) fn open(cache: &Path) -> Result<Self, ReleaseError> {
        if cache.as_os_str().is_empty() {
            return Err(ReleaseError::Refused(
                "there is no directory for what is pulled: name one with `--cache`".to_owned(),
            ));
        }
        let root = cache.join("oci");
        let opened = || {
            for directory in ["blobs/sha256", "releases", "tags"] {
                private::make(&root.join(directory))?;
            }
            private::check(&root)
        };
        let root = opened().map_err(ReleaseError::file("use the cache in", &root))?;
        Ok(Self {
            blobs: root.join("blobs/sha256"),
            releases: root.join("releases"),
            tags: root.join("tags"),
        })
    }

    /// What a tag was when somebody asked last; none when that is not known here.
    pub(super) fn last_resolved(&self, reference: &ReleaseReference) -> Option<LastResolved> {
        let bytes = input::read(&self.tag_file(reference)).ok()?;
        let last: LastResolved = serde_json::from_slice(&bytes).ok()?;
        (last.reference == reference.to_string()).then_some(last)
    }

    /// Keeps what a tag is now.
    pub(super) fn keep_resolved(
        &self,
        reference: &ReleaseReference,
        digest: &ContentDigest,
    ) -> Result<(), ReleaseError> {
        let bytes = json(&LastResolved {
            reference: reference.to_string(),
            digest: digest.clone(),
            at: Timestamp::now().as_millisecond(),
        })?;
        self.keep_bytes(&self.tag_file(reference), &bytes)
    }

    fn tag_file(&self, reference: &ReleaseReference) -> PathBuf {
        let digest = ContentDigest::of(reference.to_string().as_bytes());
        self.tags.join(digest.hexadecimal())
    }

    fn blob(&self, digest: &ContentDigest) -> PathBuf {
        self.blobs.join(digest.hexadecimal())
    }

    /// The bytes of an index or a manifest; none when they are not here, or not right.
    pub(super) fn index(&self, digest: &ContentDigest) -> Option<Vec<u8>> {
        let bytes = input::read_at_most(&self.blob(digest), limits::MANIFEST_BYTES).ok()?;
        (ContentDigest::of(&bytes) == *digest).then_some(bytes)
    }

    /// What was found beside a manifest when its signatures were enough; none when that is not here. It is verified whenever it is used.
    pub(super) fn signatures(&self, digest: &ContentDigest) -> Option<SignatureMaterial> {
        let file = self.signature_file(digest);
        // In base64 they are longer by a third.
        let bytes = input::read_at_most(&file, 2 * limits::MATERIAL_BYTES).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Keeps what was found beside a manifest.
    pub(super) fn keep_signatures(
        &self,
        digest: &ContentDigest,
        material: &SignatureMaterial,
    ) -> Result<(), ReleaseError> {
        let bytes = json(material)?;
        self.keep_bytes(&self.signature_file(digest), &bytes)
    }

    fn signature_file(&self, digest: &ContentDigest) -> PathBuf {
        self.blobs
            .join(format!("{}.signatures", digest.hexadecimal()))
    }

    /// The directory with the steps of a release, when all of it is here.
    pub(super) fn whole(&self, digest: &ContentDigest, index: &ReleaseIndex) -> Option<PathBuf> {
        let directory = self.releases.join(digest.hexadecimal());
        let is_whole =
            is_right(&directory, index) && index.steps.iter().all(|step| self.has_manifest(step));
        is_whole.then_some(directory)
    }

    /// Whether the manifest of a step is here, and says what the index says.
    fn has_manifest(&self, step: &PackedStep) -> bool {
        self.index(&step.manifest)
            .is_some_and(|bytes| StepManifest::read(&bytes, step).is_ok())
    }

    /// Gets the manifest of a step that is not here: signatures are of it, and not of what the index says of the step.
    fn fetch_manifest(&self, store: &Store, step: &PackedStep) -> Result<(), ReleaseError> {
        if self.has_manifest(step) {
            return Ok(());
        }
        let (bytes, _) = store.step_manifest(step)?;
        self.keep_bytes(&self.blob(&step.manifest), &bytes)
    }

    /// The directory with the steps of a release: what is missing is fetched, and all is compared with the index.
    pub(super) fn steps(
        &self,
        store: &Store,
        (digest, bytes): (&ContentDigest, &[u8]),
        index: &ReleaseIndex,
    ) -> Result<PathBuf, ReleaseError> {
        if self.index(digest).is_none() {
            self.keep_bytes(&self.blob(digest), bytes)?;
        }
        if let Some(directory) = self.whole(digest, index) {
            return Ok(directory);
        }
        at_the_same_time(&index.steps, |step| self.fetch_manifest(store, step))?;
        let directory = self.releases.join(digest.hexadecimal());
        if is_right(&directory, index) {
            return Ok(directory);
        }
        let files: Vec<&PackedFile> = index.files().into_values().collect();
        at_the_same_time(&files, |file| self.fetch(store, file))?;
        let made = self.link(&files, &directory);
        made.map_err(ReleaseError::file("write", &directory))?;
        match is_right(&directory, index) {
            true => Ok(directory),
            false => Err(ReleaseError::Refused(format!(
                "the files in `{}` change while they are read: another program works on them",
                directory.display()
            ))),
        }
    }

    /// Gets a file that is not here, or not right.
    fn fetch(&self, store: &Store, file: &PackedFile) -> Result<(), ReleaseError> {
        let path = self.blob(&file.digest);
        if has(&path, &file.digest) {
            return Ok(());
        }
        let what = format!("`{}`", file.file);
        self.keep(&path, |to| {
            store.download(&what, &file.digest, file.size, to)
        })
    }

    fn keep_bytes(&self, path: &Path, bytes: &[u8]) -> Result<(), ReleaseError> {
        self.keep(path, |file| {
            let written = file.write_all(bytes);
            written.map_err(ReleaseError::file("write", path))
        })
    }

    /// Writes a file that comes into its place whole or not at all.
    fn keep(
        &self,
        path: &Path,
        write: impl FnOnce(&mut fs::File) -> Result<(), ReleaseError>,
    ) -> Result<(), ReleaseError> {
        let failed = |error| ReleaseError::file("write", path)(error);
        let mut temporary = NamedTempFile::new_in(&self.blobs).map_err(failed)?;
        write(temporary.as_file_mut())?;
        let kept = || {
            temporary
                .as_file()
                .set_permissions(fs::Permissions::from_mode(0o400))?;
            temporary.as_file().sync_all()?;
            temporary.persist(path)?;
            let directory = path.parent().unwrap_or(&self.blobs);
            fs::File::open(directory)?.sync_all()
        };
        kept().map_err(failed)
    }

    /// Makes the directory of a release, in the place of one that is not right.
    fn link(&self, files: &[&PackedFile], directory: &Path) -> io::Result<()> {
        let temporary = tempfile::Builder::new()
            .prefix(".new")
            .tempdir_in(&self.releases)?;
        for file in files {
            let link = temporary.path().join(&file.file);
            if let Some(directory) = link.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::hard_link(self.blob(&file.digest), link)?;
        }
        fs::File::open(temporary.path())?.sync_all()?;
        if directory.exists() {
            // It goes out of the way first: a part of it must not look like the whole.
            let old = tempfile::Builder::new()
                .prefix(".old")
                .tempdir_in(&self.releases)?;
            fs::rename(directory, old.path().join("it"))?;
        }
        match fs::rename(temporary.keep(), directory) {
            Ok(()) => fs::File::open(&self.releases)?.sync_all(),
            // Another process was faster; what it made is looked at.
            Err(_) if directory.exists() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether a file has these bytes.
fn has(path: &Path, digest: &ContentDigest) -> bool {
    read_step_file(path).is_ok_and(|bytes| ContentDigest::of(&bytes) == *digest)
}

/// Whether a directory holds the files of a release, each as it is to be, and no other.
fn is_right(directory: &Path, index: &ReleaseIndex) -> bool {
    let files = index.files();
    count(directory).is_ok_and(|found| found == files.len())
        && files
            .values()
            .all(|file| has(&directory.join(&file.file), &file.digest))
}

/// How many files a directory and those below it hold.
fn count(directory: &Path) -> io::Result<usize> {
    let mut found = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        found += match entry.file_type()?.is_dir() {
            true => count(&entry.path())?,
            false => 1,
        };
    }
    Ok(found)
}
