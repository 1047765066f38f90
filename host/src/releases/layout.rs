//! A directory in the layout of the OCI, or an archive of one:
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>
//!
//! An archive is unpacked into a directory of its own, and written anew as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{NamedTempFile, TempDir};

use super::archive;
use super::content_digest::ContentDigest;
use super::document::{Descriptor, Document, INDEX, REFERENCE_NAME};
use super::error::ReleaseError;
use super::limits;
use crate::catalog::check_directory_inside;
use crate::input;

/// The file that says that a directory is a layout, and what it says.
const MARK: &str = "oci-layout";
const MARK_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The file of all references.
const REFERENCES: &str = "index.json";

/// Where the bytes are.
const BLOBS: &str = "blobs/sha256";

/// A layout that is read or written.
#[derive(Debug)]
pub(super) struct OciLayout {
    /// What its user calls it.
    name: PathBuf,
    root: PathBuf,
    /// Where an archive is unpacked; it goes with this value.
    unpacked: Option<TempDir>,
    references: Mutex<Document>,
    /// What refers to which manifest, as it was found at the first question.
    referrers: Mutex<Option<BTreeMap<ContentDigest, Vec<Descriptor>>>>,
}

impl OciLayout {
    /// Opens one that is there.
    pub(super) fn open(path: &Path) -> Result<Self, ReleaseError> {
        Self::at(path, false)
    }

    /// Opens one, or begins it.
    pub(super) fn open_or_begin(path: &Path) -> Result<Self, ReleaseError> {
        Self::at(path, true)
    }

    fn at(path: &Path, begin: bool) -> Result<Self, ReleaseError> {
        let is_archive = path.extension().is_some_and(|ending| ending == "tar");
        let unpacked = match is_archive {
            false => None,
            true => {
                let directory = tempfile::tempdir().map_err(ReleaseError::file(
                    "make a directory in",
                    std::env::temp_dir(),
                ))?;
                if path.exists() || !begin {
                    archive::unpack(path, directory.path())?;
                }
                Some(directory)
            }
        };
        let root = unpacked.as_ref().map_or(path, TempDir::path).to_owned();
        if begin {
            // What is written there stays there.
            check_directory_inside(&root, &root.join(BLOBS))
                .map_err(ReleaseError::file("write to", root.join(BLOBS)))?;
        }
        let is_new = !root.join(MARK).exists();
        if is_new && !begin {
            return Err(match path.exists() {
                true => ReleaseError::NotARelease {
                    what: format!("`{}`", path.display()),
                    why: format!("it holds no `{MARK}`"),
                },
                false => ReleaseError::NotFound(format!("`{}`", path.display())),
            });
        }
        let mut references = Document::new(INDEX);
        references.manifests = Some(Vec::new());
        if is_new {
            fs::create_dir_all(root.join(BLOBS))
                .map_err(ReleaseError::file("make the directory", &root))?;
            write_whole(&root, MARK, MARK_CONTENT)?;
        } else {
            let file = root.join(REFERENCES);
            let bytes = input::read_at_most(&file, limits::MANIFEST_BYTES)
                .map_err(ReleaseError::file("read", &file))?;
            references = Document::read(&bytes, &format!("`{}`", file.display()))?;
        }
        Ok(Self {
            name: path.to_owned(),
            root,
            unpacked,
            references: Mutex::new(references),
            referrers: Mutex::default(),
        })
    }

    fn blob_path(&self, digest: &ContentDigest) -> PathBuf {
        self.root.join(BLOBS).join(digest.hexadecimal())
    }

    /// The digest of what has a tag; none when nothing has it.
    pub(super) fn digest_of(&self, tag: &str) -> Option<ContentDigest> {
        let references = self
            .references
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let all = references.manifests.iter().flatten();
        let mut found = all.filter(|one| one.annotations.get(REFERENCE_NAME) == Some(tag));
        found.next().map(|one| one.digest.clone())
    }

    /// The bytes of a manifest; none when it is not there.
    pub(super) fn manifest(&self, digest: &ContentDigest) -> Result<Option<Vec<u8>>, ReleaseError> {
        let path = self.blob_path(digest);
        let bytes = match input::read_at_most(&path, limits::MANIFEST_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ReleaseError::file("read", path)(error)),
        };
        let actual = ContentDigest::of(&bytes);
        match actual == *digest {
            true => Ok(Some(bytes)),
            false => Err(ReleaseError::OtherBytes {
                what: format!("manifest `{}`", path.display()),
                expected: digest.clone(),
                actual,
            }),
        }
    }

    /// The bytes of a blob; none when it is not there.
    pub(super) fn blob(
        &self,
        digest: &ContentDigest,
        size: u64,
    ) -> Result<Option<impl Read + use<>>, ReleaseError> {
        let path = self.blob_path(digest);
        match input::open(&path) {
            Ok(file) => Ok(Some(file.take(size.saturating_add(1)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReleaseError::file("read", path)(error)),
        }
    }

    /// Keeps a blob. Whether it was not there.
    pub(super) fn put_blob(
        &self,
        digest: &ContentDigest,
        bytes: &[u8],
    ) -> Result<bool, ReleaseError> {
        let path = self.blob_path(digest);
        if path
            .metadata()
            .is_ok_and(|file| file.len() == bytes.len() as u64)
        {
            return Ok(false);
        }
        write_whole(&self.root.join(BLOBS), digest.hexadecimal(), bytes)?;
        Ok(true)
    }

    /// Keeps a manifest, and names it.
    pub(super) fn put_manifest(
        &self,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), ReleaseError> {
        let digest = ContentDigest::of(bytes);
        self.put_blob(&digest, bytes)?;
        let mut references = self
            .references
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let all = references.manifests.get_or_insert_default();
        all.retain(|one| one.annotations.get(REFERENCE_NAME) != Some(tag));
        let mut named = Descriptor::of(media_type, bytes);
        named.annotations.set(REFERENCE_NAME, tag);
        all.push(named);
        Ok(())
    }

    /// What refers to the manifest with this digest.
    pub(super) fn referrers(
        &self,
        digest: &ContentDigest,
    ) -> Result<Vec<Descriptor>, ReleaseError> {
        let mut known = self
            .referrers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = match &mut *known {
            Some(known) => known,
            none => none.insert(self.all_referrers()?),
        };
        let referrers = known.get(digest).cloned().unwrap_or_default();
        if referrers.len() > limits::REFERRERS {
            return Err(ReleaseError::OverLimit {
                what: format!("a release to which {} manifests refer", referrers.len()),
                limit: "referrers",
                most: limits::REFERRERS.to_string(),
            });
        }
        Ok(referrers)
    }

    /// What refers to which manifest: each that has no name is read once, however often it is listed.
    fn all_referrers(&self) -> Result<BTreeMap<ContentDigest, Vec<Descriptor>>, ReleaseError> {
        let all = {
            let references = self
                .references
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            references.manifests.clone().unwrap_or_default()
        };
        let unnamed = all
            .into_iter()
            .filter(|one| one.annotations.get(REFERENCE_NAME).is_none());
        let unnamed: BTreeMap<ContentDigest, Descriptor> =
            unnamed.map(|one| (one.digest.clone(), one)).collect();
        let mut referrers: BTreeMap<ContentDigest, Vec<Descriptor>> = BTreeMap::new();
        let mut room = limits::ALL_REFERRERS_BYTES;
        for (digest, one) in unnamed {
            let path = self.blob_path(&digest);
            // What is larger signs nothing.
            let size = path.metadata().map_or(0, |file| file.len());
            if size > limits::REFERRER_BYTES {
                continue;
            }
            room = room
                .checked_sub(size)
                .ok_or_else(|| ReleaseError::OverLimit {
                    what: format!("`{}`", self.name.display()),
                    limit: "the bytes of all manifests that refer to others",
                    most: limits::ALL_REFERRERS_BYTES.to_string(),
                })?;
            let Some(bytes) = self.manifest(&digest)? else {
                continue;
            };
            let read = Document::read(&bytes, "a manifest").ok();
            if let Some(subject) = read.and_then(|read| read.subject) {
                referrers.entry(subject.digest).or_default().push(one);
            }
        }
        Ok(referrers)
    }

    /// Keeps a manifest that refers to another one; it has no name.
    pub(super) fn put_referrer(
        &self,
        bytes: &[u8],
        referrer: &Descriptor,
    ) -> Result<(), ReleaseError> {
        self.put_blob(&referrer.digest, bytes)?;
        // It is looked for again.
        self.referrers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut references = self
            .references
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let all = references.manifests.get_or_insert_default();
        if !all.iter().any(|one| one.digest == referrer.digest) {
            all.push(referrer.clone());
        }
        Ok(())
    }

    /// Writes down what was named, and an archive as a whole. Until then, readers see what was there before.
    pub(super) fn finish(&self) -> Result<(), ReleaseError> {
        let mut references = self
            .references
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(all) = &mut references.manifests {
            let name = |one: &Descriptor| one.annotations.get(REFERENCE_NAME).map(str::to_owned);
            all.sort_by_key(|one| (name(one), one.digest.clone()));
        }
        write_whole(&self.root, REFERENCES, &references.bytes()?)?;
        match &self.unpacked {
            Some(directory) => archive::pack(directory.path(), &self.name),
            None => Ok(()),
        }
    }
}

/// Writes a file that is there as a whole or not at all.
fn write_whole(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), ReleaseError> {
    let path = directory.join(name);
    let written = || {
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        archive::open_to_all(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        File::open(directory)?.sync_all()
    };
    written().map_err(ReleaseError::file("write", &path))
}
