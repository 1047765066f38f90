//! Copying a release from one place to another, with the tags of its steps: not one digest changes.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::content_digest::ContentDigest;
use super::document::{Descriptor, Document, INDEX, MANIFEST};
use super::error::ReleaseError;
use super::index::{PackedStep, check_size};
use super::limits;
use super::packing::step_tag;
use super::pull::{ReleaseOptions, ResolvedRelease};
use super::push::{Pushed, check_tag};
use super::reference::ReleaseReference;
use super::signing::signature_tag;
use super::step_manifest::StepManifest;
use super::store::{Store, at_the_same_time};

/// Copies a release. Where the new reference has no tag, it gets the old one.
pub fn copy(
    from: &ReleaseReference,
    to: &ReleaseReference,
    force: bool,
    options: &ReleaseOptions,
) -> Result<Pushed, ReleaseError> {
    let release = ResolvedRelease::of(from, options)?;
    if to.digest.is_some() {
        return Err(ReleaseError::Reference(format!(
            "`{to}` has a digest, and what is copied has its own: leave it out"
        )));
    }
    let Some(tag) = to.tag.as_ref().or(from.tag.as_ref()) else {
        return Err(ReleaseError::Reference(format!(
            "neither `{from}` nor `{to}` has a tag: write {}:VERSION",
            to.place()
        )));
    };
    let store = Store::to_write(to, None, &options.access)?;
    check_tag(&store, to, tag, &release.digest, force)?;
    let work = Copying {
        from: &release.store,
        to: &store,
        sent: AtomicUsize::new(0),
    };
    let manifests = release.manifests()?;
    // Many steps have blobs in common, and a manifest comes after all that it names.
    let mut blobs: Vec<(&str, &Descriptor)> = Vec::new();
    for (step, _, manifest) in &manifests {
        blobs.extend(manifest.blobs().map(|blob| (&*step.file.file, blob)));
    }
    blobs.sort_by(|(_, one), (_, other)| one.digest.cmp(&other.digest));
    blobs.dedup_by(|(_, one), (_, other)| one.digest == other.digest);
    at_the_same_time(&blobs, |(file, blob)| work.blob(file, blob))?;
    at_the_same_time(&manifests, |(step, bytes, _)| work.put(step, bytes))?;
    let all = release.index.steps.iter().map(|step| &step.manifest);
    let all: Vec<&ContentDigest> = all.chain([&release.digest]).collect();
    at_the_same_time(&all, |digest| work.signatures(digest))?;
    let is_there = check_tag(&store, to, tag, &release.digest, force)?;
    if !is_there {
        store.put_manifest(tag, INDEX, &release.bytes)?;
    }
    store.finish()?;
    let named = ReleaseReference {
        tag: Some(tag.clone()),
        ..to.clone()
    };
    Ok(Pushed {
        reference: named.pinned(release.digest.clone()).to_string(),
        digest: release.digest,
        steps: release.index.steps.len(),
        sent: work.sent.into_inner() + usize::from(!is_there),
        left_out: Vec::new(),
        signed_by: None,
    })
}

struct Copying<'c> {
    from: &'c Store,
    to: &'c Store,
    sent: AtomicUsize,
}

impl Copying<'_> {
    fn put(&self, step: &PackedStep, manifest: &[u8]) -> Result<(), ReleaseError> {
        let tag = step_tag(&step.file.file, &step.manifest);
        if self.to.digest_of(&tag)?.as_ref() != Some(&step.manifest) {
            self.to
                .put_manifest(&tag, StepManifest::MEDIA_TYPE, manifest)?;
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What signs a manifest and is said of it, in whichever form.
    fn signatures(&self, digest: &ContentDigest) -> Result<(), ReleaseError> {
        let tag = signature_tag(digest);
        if let Some(found) = self.from.tagged(&tag)?
            && self.to.digest_of(&tag)?.as_ref() != Some(&found.digest)
        {
            self.named_by(&found.bytes)?;
            self.to.put_manifest(&tag, MANIFEST, &found.bytes)?;
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        let known = self.to.referrers(digest)?;
        for referrer in self.from.referrers(digest)? {
            if known.iter().any(|one| one.digest == referrer.digest) {
                continue;
            }
            // One that is listed and gone is of no use to anybody.
            let Some(found) = self.from.manifest(&referrer.digest)? else {
                continue;
            };
            self.named_by(&found.bytes)?;
            self.to.put_referrer(digest, &found.bytes)?;
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The blobs that a manifest beside the release names.
    fn named_by(&self, manifest: &[u8]) -> Result<(), ReleaseError> {
        let what = "a signature";
        let document = Document::read(manifest, what)?;
        let layers = document.layers.unwrap_or_default();
        let total: u64 = document
            .config
            .iter()
            .chain(&layers)
            .map(|blob| blob.size)
            .sum();
        check_size(what, total, "the bytes of a release", limits::RELEASE_BYTES)?;
        let mut blobs = document.config.iter().chain(&layers);
        blobs.try_for_each(|blob| self.blob(what, blob))
    }

    fn blob(&self, file: &str, blob: &Descriptor) -> Result<(), ReleaseError> {
        let what = format!("a blob of `{file}`");
        let bytes = self.from.blob(&what, &blob.digest, blob.size)?;
        let is_sent = self.to.put_blob(&blob.digest, &bytes, None)?;
        self.sent.fetch_add(usize::from(is_sent), Ordering::Relaxed);
        Ok(())
    }
}
