//! A release as the source of steps: resolved once, wholly fetched and verified before anything runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::cache::ReleaseCache;
use super::content_digest::ContentDigest;
use super::error::ReleaseError;
use super::index::{Identity, ReleaseIndex};
use super::pull::{ReleaseOptions, ResolvedRelease};
use super::reference::{Place, ReleaseReference};

/// A release whose steps are on this machine.
#[derive(Clone, Debug)]
pub struct ReleaseSource {
    /// What was named, with the digest that it has.
    pub reference: ReleaseReference,
    /// The digest of its index.
    pub digest: ContentDigest,
    /// What it is.
    pub identity: Identity,
    /// The directory of its steps, in the cache.
    pub directory: PathBuf,
    /// The SHA-256 of each file, in hexadecimal.
    pub files: BTreeMap<String, String>,
}

impl ReleaseSource {
    /// The steps of a release. What is in the cache is not asked for again; `offline`, nothing is asked for at all.
    pub fn of(
        reference: &ReleaseReference,
        offline: bool,
        options: &ReleaseOptions,
    ) -> Result<Self, ReleaseError> {
        let is_remote = matches!(reference.place, Place::Registry(_));
        let cache = ReleaseCache::open(&options.cache)?;
        if let Some(digest) = &reference.digest
            && let Some((index, directory)) = cached(&cache, digest, options)?
        {
            return Ok(Self::new(
                reference.pinned(digest.clone()),
                digest,
                index,
                directory,
            ));
        }
        if is_remote && reference.digest.is_none() {
            return Err(ReleaseError::Refused(format!(
                "`{reference}` is a tag, which can become another release at any time: name the digest that was reviewed, \
                 `{reference}@sha256:…`, which `wasmigrate inspect {reference}` tells"
            )));
        }
        if is_remote && offline {
            return Err(ReleaseError::Refused(format!(
                "`{reference}` is not whole in the cache, and `--offline` forbids to ask for it: pull it first, by \
                 `wasmigrate release pull {reference}`"
            )));
        }
        let release = ResolvedRelease::of(reference, options)?;
        let directory = release.steps(options)?;
        Ok(Self::new(
            release.reference,
            &release.digest,
            release.index,
            directory,
        ))
    }

    fn new(
        reference: ReleaseReference,
        digest: &ContentDigest,
        index: ReleaseIndex,
        directory: PathBuf,
    ) -> Self {
        let files = index.steps.iter().flat_map(|step| step.files());
        let digests = files.map(|file| (file.file.clone(), file.digest.hexadecimal().to_owned()));
        Self {
            reference,
            digest: digest.clone(),
            files: digests.collect(),
            identity: index.identity,
            directory,
        }
    }
}

/// What the cache has of a release, when it has all of it.
fn cached(
    cache: &ReleaseCache,
    digest: &ContentDigest,
    options: &ReleaseOptions,
) -> Result<Option<(ReleaseIndex, PathBuf)>, ReleaseError> {
    let Some(bytes) = cache.index(digest) else {
        return Ok(None);
    };
    let index = ReleaseIndex::read(
        &bytes,
        &format!("the release {digest}"),
        options.most_component,
    )?;
    Ok(cache
        .whole(digest, &index)
        .map(|directory| (index, directory)))
}
