//! Pushing: everything is built first; then the blobs go, then the manifests of the steps, and the index last.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::content_digest::ContentDigest;
use super::document::{INDEX, MANIFEST};
use super::error::ReleaseError;
use super::index::Identity;
use super::packing::{Blob, PackedManifest, pack, pack_component};
use super::pull::ReleaseOptions;
use super::reference::ReleaseReference;
use super::signing::KeyId;
use super::store::{Store, at_the_same_time};

/// How something is pushed.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// Whether another content may lose its tag.
    pub force: bool,
    /// Another repository of the same registry, which has most of the blobs.
    pub mount_from: Option<String>,
}

/// What was pushed.
#[derive(Clone, Debug, Serialize)]
pub struct Pushed {
    /// Where it is, with its digest.
    pub reference: String,
    /// The digest of its index, or of its manifest.
    pub digest: ContentDigest,
    /// How many steps it has.
    pub steps: usize,
    /// How many blobs and manifests had to be sent.
    pub sent: usize,
    /// The files that were left out, and why.
    pub left_out: Vec<(String, String)>,
    /// The key that has signed it, where it was signed, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<KeyId>,
}

/// The tag of a reference to which something is written.
pub(super) fn tag_to_write(reference: &ReleaseReference) -> Result<&str, ReleaseError> {
    match (&reference.tag, &reference.digest) {
        (Some(tag), None) => Ok(tag),
        (_, Some(_)) => Err(ReleaseError::Reference(format!(
            "`{reference}` has a digest, and what is written has its own: leave it out"
        ))),
        (None, None) => Err(ReleaseError::Reference(format!(
            "`{reference}` has no tag: write {}:VERSION",
            reference.place()
        ))),
    }
}

/// Pushes the steps of a directory as a release.
pub fn push(
    directory: &Path,
    reference: &ReleaseReference,
    identity: &Identity,
    how: &PushOptions,
    options: &ReleaseOptions,
) -> Result<Pushed, ReleaseError> {
    let tag = tag_to_write(reference)?;
    let release = pack(directory, identity, options.most_component)?;
    let store = Store::to_write(reference, how.mount_from.as_deref(), &options.access)?;
    // Nothing is sent in vain.
    check_tag(&store, reference, tag, &release.index.digest, how.force)?;
    let sent = send(&store, &release.steps, how)?;
    let is_there = check_tag(&store, reference, tag, &release.index.digest, how.force)?;
    if !is_there {
        store.put_manifest(tag, INDEX, &release.index.bytes)?;
    }
    store.finish()?;
    Ok(Pushed {
        reference: reference.pinned(release.index.digest.clone()).to_string(),
        digest: release.index.digest,
        steps: release.steps.len(),
        sent: sent + usize::from(!is_there),
        left_out: release.left_out,
        signed_by: None,
    })
}

/// Pushes one component as an artifact of its own, as other tools for components take it.
pub fn push_component(
    file: &Path,
    reference: &ReleaseReference,
    how: &PushOptions,
    options: &ReleaseOptions,
) -> Result<Pushed, ReleaseError> {
    let tag = tag_to_write(reference)?;
    let component = pack_component(file, tag, options.most_component)?;
    let digest = component.manifest.digest.clone();
    let store = Store::to_write(reference, how.mount_from.as_deref(), &options.access)?;
    check_tag(&store, reference, tag, &digest, how.force)?;
    let sent = send(&store, &[component], how)?;
    store.finish()?;
    Ok(Pushed {
        reference: reference.pinned(digest.clone()).to_string(),
        digest,
        steps: 1,
        sent,
        left_out: Vec::new(),
        signed_by: None,
    })
}

/// Whether a tag has this content already; another content is refused unless it may lose it.
pub(super) fn check_tag(
    store: &Store,
    reference: &ReleaseReference,
    tag: &str,
    digest: &ContentDigest,
    force: bool,
) -> Result<bool, ReleaseError> {
    match store.digest_of(tag)? {
        Some(known) if known == *digest => Ok(true),
        Some(known) if !force => Err(ReleaseError::TagExists {
            reference: format!("{}:{tag}", reference.place()),
            digest: known,
        }),
        _ => Ok(false),
    }
}

/// Sends manifests with their blobs, as far as they are not there: where a manifest is, its blobs are, too. How many were sent.
fn send(
    store: &Store,
    manifests: &[PackedManifest],
    how: &PushOptions,
) -> Result<usize, ReleaseError> {
    let missing = Mutex::new(Vec::new());
    at_the_same_time(manifests, |packed| {
        if store.digest_of(&packed.tag)?.as_ref() != Some(&packed.manifest.digest) {
            let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
            missing.push(packed);
        }
        Ok(())
    })?;
    let missing = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sent = AtomicUsize::new(missing.len());
    let mut blobs: Vec<&Blob> = missing
        .iter()
        .flat_map(|manifest| &manifest.blobs)
        .collect();
    blobs.sort_by(|one, other| one.digest.cmp(&other.digest));
    blobs.dedup_by(|one, other| one.digest == other.digest);
    at_the_same_time(&blobs, |blob| {
        let is_sent = store.put_blob(&blob.digest, &blob.bytes, how.mount_from.as_deref())?;
        sent.fetch_add(usize::from(is_sent), Ordering::Relaxed);
        Ok(())
    })?;
    at_the_same_time(&missing, |PackedManifest { tag, manifest, .. }| {
        store.put_manifest(tag, MANIFEST, &manifest.bytes)
    })?;
    Ok(sent.into_inner())
}
