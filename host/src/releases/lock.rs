//! `wasmigrate.lock`: the release that was reviewed, beside the configuration. Who names its tag gets its digest.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::content_digest::ContentDigest;
use super::error::ReleaseError;
use super::pull::ResolvedRelease;
use super::reference::{Place, ReleaseReference};
use super::source::ReleaseSource;
use super::trust::Signers;
use crate::catalog::write_over;
use crate::input;

/// The file, in the directory of the configuration.
const FILE: &str = "wasmigrate.lock";

/// The version of its form.
const VERSION: u64 = 1;

/// A release that was reviewed.
#[derive(Debug, Deserialize)]
pub struct ReleaseLock {
    version: u64,
    release: LockedRelease,
    #[serde(default)]
    step: Vec<LockedStep>,
}

#[derive(Debug, Deserialize)]
struct LockedRelease {
    reference: String,
    digest: ContentDigest,
    lineage: String,
    release: String,
    #[serde(default)]
    signers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct LockedStep {
    file: String,
    sha256: String,
}

impl ReleaseLock {
    /// Reads the lock in a directory; none when there is none.
    pub fn read(directory: &Path) -> Result<Option<Self>, ReleaseError> {
        let path = directory.join(FILE);
        let text = match input::read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ReleaseError::file("read", path)(error)),
        };
        Self::parse(&text, &path).map(Some)
    }

    /// Reads the text of a lock, which stands in the file.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ReleaseError> {
        let wrong = |why: String| ReleaseError::Refused(format!("`{}`: {why}", path.display()));
        let lock: Self = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        match lock.version {
            VERSION => Ok(lock),
            other => Err(wrong(format!(
                "its version is {other}, and {VERSION} is known here"
            ))),
        }
    }

    /// Whether it is of a layout on this machine.
    pub fn is_of_layout(&self) -> bool {
        ReleaseReference::parse(&self.release.reference).is_ok_and(|locked| !locked.is_remote())
    }

    /// The reference with the digest that is locked. Another release is refused.
    pub fn pin(&self, reference: &ReleaseReference) -> Result<ReleaseReference, ReleaseError> {
        let locked = ReleaseReference::parse(&self.release.reference)?;
        let is_it = match &reference.digest {
            Some(digest) => *digest == self.release.digest,
            None => locked.tag == reference.tag,
        };
        match is_it && is_same_place(&locked.place, &reference.place) {
            true => Ok(reference.pinned(self.release.digest.clone())),
            false => Err(ReleaseError::Refused(format!(
                "`{reference}` is not the release of `{FILE}`, which is {}@{}: run `wasmigrate release lock {reference}` once it is \
                 reviewed, or name the other one",
                self.release.reference, self.release.digest
            ))),
        }
    }

    /// Refuses a release of which the file would say something else if it were written now.
    pub fn check(&self, source: &ReleaseSource) -> Result<(), ReleaseError> {
        let LockedRelease {
            digest,
            lineage,
            release,
            signers,
            ..
        } = &self.release;
        let of_lock: BTreeMap<&str, &str> = self
            .step
            .iter()
            .map(|step| (&*step.file, &*step.sha256))
            .collect();
        let is_step = |(file, sha256): (&&str, &&str)| {
            let known = source.files.get(*file);
            known.is_some_and(|known| known == *sha256)
        };
        let differs = match () {
            () if *digest != source.digest => "its digest",
            () if *lineage != source.identity.lineage => "its lineage",
            () if *release != source.identity.version.to_string() => "its version",
            () if of_lock.len() != source.steps || !of_lock.iter().all(is_step) => "its steps",
            () if *signers != source.verified.signers => "who has signed it",
            () => return Ok(()),
        };
        Err(ReleaseError::Refused(format!(
            "`{FILE}` says something else of `{}` than there is now ({differs}), and `--locked` forbids to run it: write it anew by \
             `wasmigrate release lock`, and have it reviewed",
            source.reference
        )))
    }
}

/// Whether two places are one: a layout may be written as seen from several directories.
fn is_same_place(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Layout(one), Place::Layout(other)) => input::is_same_file(one, other),
        _ => one == other,
    }
}

/// Writes down in a directory that a release was reviewed; returns the file.
pub fn lock(
    directory: &Path,
    release: &ResolvedRelease,
    signers: &Signers,
) -> Result<PathBuf, ReleaseError> {
    let named = ReleaseReference {
        digest: None,
        ..release.reference.clone()
    };
    let identity = &release.index.identity;
    let mut text = format!(
        "# Written by `wasmigrate release lock`.\nversion = {VERSION}\n\n[release]\nreference = {}\ndigest = {}\nlineage = {}\nrelease = {}\n",
        quoted(&named.to_string())?,
        quoted(&release.digest.to_string())?,
        quoted(&identity.lineage)?,
        quoted(&identity.version.to_string())?,
    );
    let signers = signers.iter().map(|signer| quoted(signer));
    let signers = signers.collect::<Result<Vec<_>, _>>()?;
    text.push_str(&format!("signers = [{}]\n", signers.join(", ")));
    for step in &release.index.steps {
        text.push_str(&format!(
            "\n[[step]]\nfile = {}\nsha256 = {}\nmanifest = {}\n",
            quoted(&step.file.file)?,
            quoted(step.file.digest.hexadecimal())?,
            quoted(&step.manifest.to_string())?,
        ));
    }
    let path = directory.join(FILE);
    write_over(&path, text).map_err(ReleaseError::file("write", &path))?;
    Ok(path)
}

/// A text as TOML takes it, which is as JSON has it.
fn quoted(text: &str) -> Result<String, ReleaseError> {
    serde_json::to_string(text)
        .map_err(|error| ReleaseError::Refused(format!("`{FILE}` cannot be written: {error}")))
}
