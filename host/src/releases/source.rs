//! A release as the source of steps: resolved once, wholly fetched and verified before anything runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::cache::ReleaseCache;
use super::content_digest::ContentDigest;
use super::error::ReleaseError;
use super::index::{Identity, ReleaseIndex};
use super::pull::{ReleaseOptions, ResolvedRelease};
use super::reference::ReleaseReference;
use super::signing::SignatureMaterial;
use super::trust::{Signers, TrustPolicy};

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
    /// Who has signed it, of those who must.
    pub signers: Signers,
}

impl ReleaseSource {
    /// The steps of a release, when all who must have signed it. What is in the cache is not asked for again; `offline`, nothing is
    /// asked for at all.
    pub fn of(
        reference: &ReleaseReference,
        offline: bool,
        trust: Option<&TrustPolicy>,
        options: &ReleaseOptions,
    ) -> Result<Self, ReleaseError> {
        let is_remote = reference.is_remote();
        // What is wrong with the rules is said before anything is fetched.
        let demands = trust.map_or(Ok(false), |trust| trust.demands(reference))?;
        let trust = trust.filter(|_| demands);
        let cache = ReleaseCache::open(&options.cache)?;
        if let Some(digest) = &reference.digest
            && let Some((index, directory)) = cached(&cache, digest, options)?
        {
            let known = |digest: &ContentDigest| {
                let known = cache.signatures(digest);
                known.ok_or_else(|| ReleaseError::NotFound("signature in the cache".to_owned()))
            };
            let verified = match trust {
                Some(trust) => trust.verify(reference, (digest, &index), &known),
                None => Ok(Signers::new()),
            };
            match verified {
                Ok(signers) => {
                    let reference = reference.pinned(digest.clone());
                    return Ok(Self::new(reference, digest, index, directory, signers));
                }
                Err(error) if offline && is_remote => return Err(error),
                // There may be others by now.
                Err(_) => {}
            }
        }
        if is_remote && reference.digest.is_none() && !demands {
            return Err(ReleaseError::Refused(format!(
                "`{reference}` is a tag, which can become another release at any time: name the digest that was reviewed, \
                 `{reference}@sha256:…`, which `wasmigrate inspect {reference}` tells, lock it by `wasmigrate release lock`, or \
                 say by `--trust` or `--key` who must have signed it"
            )));
        }
        if is_remote && offline {
            return Err(ReleaseError::Refused(format!(
                "`{reference}` is not whole in the cache, and `--offline` forbids to ask for it: pull it first, by \
                 `wasmigrate release pull {reference}`, and name its digest"
            )));
        }
        let release = ResolvedRelease::of(reference, options)?;
        let material = |digest: &ContentDigest| {
            let material = SignatureMaterial::fetch(&release.store, digest)?;
            cache.keep_signatures(digest, &material)?;
            Ok(material)
        };
        let signers = match trust {
            Some(trust) => trust.verify(reference, (&release.digest, &release.index), &material)?,
            None => Signers::new(),
        };
        let directory = release.steps(options)?;
        Ok(Self::new(
            release.reference,
            &release.digest,
            release.index,
            directory,
            signers,
        ))
    }

    fn new(
        reference: ReleaseReference,
        digest: &ContentDigest,
        index: ReleaseIndex,
        directory: PathBuf,
        signers: Signers,
    ) -> Self {
        let files = index.steps.iter().flat_map(|step| step.files());
        let digests = files.map(|file| (file.file.clone(), file.digest.hexadecimal().to_owned()));
        Self {
            reference,
            digest: digest.clone(),
            files: digests.collect(),
            identity: index.identity,
            directory,
            signers,
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
