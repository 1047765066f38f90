//! Copying a release from one place to another, with the tags of its steps: not one digest changes.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::document::{Descriptor, INDEX};
use super::error::ReleaseError;
use super::index::PackedStep;
use super::packing::step_tag;
use super::pull::{ReleaseOptions, ResolvedRelease};
use super::push::{Pushed, check_tag};
use super::reference::ReleaseReference;
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
    let manifests = work.manifests(&release.index.steps)?;
    // Many steps have blobs in common, and a manifest comes after all that it names.
    let mut blobs: Vec<(&str, &Descriptor)> = Vec::new();
    for (step, _, manifest) in &manifests {
        blobs.extend(manifest.blobs().map(|blob| (&*step.file.file, blob)));
    }
    blobs.sort_by(|(_, one), (_, other)| one.digest.cmp(&other.digest));
    blobs.dedup_by(|(_, one), (_, other)| one.digest == other.digest);
    at_the_same_time(&blobs, |(file, blob)| work.blob(file, blob))?;
    at_the_same_time(&manifests, |(step, bytes, _)| work.put(step, bytes))?;
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
    })
}

/// A step, the bytes of its manifest, and what they say.
type Found<'s> = (&'s PackedStep, Vec<u8>, StepManifest);

struct Copying<'c> {
    from: &'c Store,
    to: &'c Store,
    sent: AtomicUsize,
}

impl Copying<'_> {
    /// The manifests of the steps.
    fn manifests<'s>(&self, steps: &'s [PackedStep]) -> Result<Vec<Found<'s>>, ReleaseError> {
        let found = Mutex::new(Vec::with_capacity(steps.len()));
        at_the_same_time(steps, |step| {
            let Some(manifest) = self.from.manifest(&step.manifest)? else {
                let (digest, file) = (&step.manifest, &step.file.file);
                return Err(ReleaseError::NotFound(format!(
                    "manifest {digest} of `{file}`"
                )));
            };
            let read = StepManifest::read(&manifest.bytes, step)?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push((step, manifest.bytes, read));
            Ok(())
        })?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, step: &PackedStep, manifest: &[u8]) -> Result<(), ReleaseError> {
        let tag = step_tag(&step.file.file, &step.manifest);
        if self.to.digest_of(&tag)?.as_ref() != Some(&step.manifest) {
            self.to
                .put_manifest(&tag, StepManifest::MEDIA_TYPE, manifest)?;
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn blob(&self, file: &str, blob: &Descriptor) -> Result<(), ReleaseError> {
        let what = format!("a blob of `{file}`");
        let failed = |error| ReleaseError::file("write a file in", std::env::temp_dir())(error);
        let mut temporary = tempfile::tempfile().map_err(failed)?;
        self.from
            .download(&what, &blob.digest, blob.size, &mut temporary)?;
        let mut bytes = Vec::new();
        temporary.seek(SeekFrom::Start(0)).map_err(failed)?;
        temporary.read_to_end(&mut bytes).map_err(failed)?;
        let is_sent = self.to.put_blob(&blob.digest, &bytes, None)?;
        self.sent.fetch_add(usize::from(is_sent), Ordering::Relaxed);
        Ok(())
    }
}
