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
use super::trust::{TrustPolicy, Verified};

/// Whether a registry is asked what a tag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// It is, and decides.
    Now,
    /// It is; where nobody answers, the tag is what it was when somebody answered last.
    OrLast,
    /// Nobody is asked for anything.
    Never,
}

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
    /// How many they are.
    pub steps: usize,
    /// The SHA-256 of each file, in hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Who has signed it and its steps, of those who must.
    pub verified: Verified,
    /// When somebody asked last what the tag is, in milliseconds since 1970, and why nobody does now; none where that was asked, or
    /// needs not be.
    pub last_asked: Option<(i64, String)>,
}

impl ReleaseSource {
    /// The steps of a release, when all who must have signed it. What is in the cache is not asked for again.
    pub fn of(
        reference: &ReleaseReference,
        asking: Asking,
        trust: Option<&TrustPolicy>,
        options: &ReleaseOptions,
    ) -> Result<Self, ReleaseError> {
        // What is wrong with the rules is said before anything is fetched.
        let demands = trust.map_or(Ok(false), |trust| trust.demands(reference))?;
        let finding = Finding {
            cache: ReleaseCache::open(&options.cache)?,
            trust: trust.filter(|_| demands),
            options,
        };
        let may_ask = asking != Asking::Never || !reference.is_remote();
        if let Some(digest) = &reference.digest
            && let Some(found) = finding.cached(reference, digest)?
        {
            match found {
                Ok(source) => return Ok(source),
                Err(error) if !may_ask => return Err(error),
                // There may be other signatures by now.
                Err(_) => {}
            }
        }
        if reference.is_remote() && reference.digest.is_none() && !demands {
            return Err(ReleaseError::Refused(format!(
                "`{reference}` is a tag, which can become another release at any time: name the digest that was reviewed, \
                 `{reference}@sha256:…`, which `wasmigrate inspect {reference}` tells, lock it by `wasmigrate release lock`, or \
                 say by `--trust` or `--key` who must have signed it"
            )));
        }
        if !may_ask {
            let last = finding.last(reference, "`--offline` forbids to ask")?;
            return last.ok_or_else(|| {
                ReleaseError::Refused(format!(
                    "`{reference}` is not whole in the cache, and `--offline` forbids to ask for it: pull it first, by \
                     `wasmigrate release pull {reference}`"
                ))
            });
        }
        match finding.fetched(reference) {
            Err(error) if asking == Asking::OrLast && error.may_pass() => {
                let last = finding.last(reference, &error.to_string())?;
                last.ok_or(error)
            }
            fetched => fetched,
        }
    }
}

/// What is needed to find the steps of a release.
struct Finding<'f> {
    cache: ReleaseCache,
    trust: Option<&'f TrustPolicy>,
    options: &'f ReleaseOptions,
}

impl Finding<'_> {
    /// What the cache has of a release, when it has all of it; an error inside when its signatures are not enough.
    fn cached(
        &self,
        reference: &ReleaseReference,
        digest: &ContentDigest,
    ) -> Result<Option<Result<ReleaseSource, ReleaseError>>, ReleaseError> {
        let Some(bytes) = self.cache.index(digest) else {
            return Ok(None);
        };
        let what = format!("the release {digest}");
        let index = ReleaseIndex::read(&bytes, &what, self.options.most_component)?;
        let Some(directory) = self.cache.whole(digest, &index) else {
            return Ok(None);
        };
        index.identity.check_tag(reference)?;
        let known = |digest: &ContentDigest| {
            let known = self.cache.signatures(digest);
            known.ok_or_else(|| ReleaseError::NotFound("signature in the cache".to_owned()))
        };
        let verified = match self.trust {
            Some(trust) => trust.verify(reference, (digest, &index), &known),
            None => Ok(Verified::default()),
        };
        let pinned = reference.pinned(digest.clone());
        Ok(Some(verified.map(|verified| {
            source(pinned, digest, index, directory, verified)
        })))
    }

    /// What a tag was when somebody asked last, and why nobody asks now.
    fn last(
        &self,
        reference: &ReleaseReference,
        why: &str,
    ) -> Result<Option<ReleaseSource>, ReleaseError> {
        if reference.digest.is_some() {
            return Ok(None);
        }
        let Some(last) = self.cache.last_resolved(reference) else {
            return Ok(None);
        };
        let found = self.cached(reference, &last.digest)?.transpose()?;
        Ok(found.map(|found| ReleaseSource {
            last_asked: Some((last.at, why.to_owned())),
            ..found
        }))
    }

    fn fetched(&self, reference: &ReleaseReference) -> Result<ReleaseSource, ReleaseError> {
        let release = ResolvedRelease::of(reference, self.options)?;
        let is_tag = reference.is_remote() && reference.digest.is_none();
        // Who has signed once has signed: what is here needs not be asked for again.
        if is_tag && let Some(Ok(source)) = self.cached(reference, &release.digest)? {
            self.cache.keep_resolved(reference, &release.digest)?;
            return Ok(source);
        }
        let material = |digest: &ContentDigest| {
            let material = SignatureMaterial::fetch(&release.store, digest)?;
            self.cache.keep_signatures(digest, &material)?;
            Ok(material)
        };
        let verified = match self.trust {
            Some(trust) => trust.verify(reference, (&release.digest, &release.index), &material)?,
            None => Verified::default(),
        };
        let directory = release.steps(self.options)?;
        if is_tag {
            self.cache.keep_resolved(reference, &release.digest)?;
        }
        Ok(source(
            release.reference,
            &release.digest,
            release.index,
            directory,
            verified,
        ))
    }
}

fn source(
    reference: ReleaseReference,
    digest: &ContentDigest,
    index: ReleaseIndex,
    directory: PathBuf,
    verified: Verified,
) -> ReleaseSource {
    let files = index.files().into_values();
    let digests = files.map(|file| (file.file.clone(), file.digest.hexadecimal().to_owned()));
    let digests = digests.collect();
    ReleaseSource {
        reference,
        digest: digest.clone(),
        files: digests,
        steps: index.steps.len(),
        identity: index.identity,
        directory,
        verified,
        last_asked: None,
    }
}
