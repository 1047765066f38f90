//! Signing, in both of cosign's forms: what reads one does not always read the other.

use serde::Serialize;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::material::{OLD_LAYER, OLD_SIGNATURE, SignatureMaterial, signature_tag};
use super::private_key::PrivateKey;
use super::public_key::KeyId;
use super::statement::{BUNDLE, SIGNED, bundle, old_payload};
use crate::releases::content_digest::ContentDigest;
use crate::releases::document::{
    Annotations, Descriptor, Document, EMPTY, EMPTY_CONTENT, INDEX, MANIFEST, json,
};
use crate::releases::error::ReleaseError;
use crate::releases::pull::{ReleaseOptions, ResolvedRelease};
use crate::releases::reference::{Place, ReleaseReference};
use crate::releases::store::Store;

const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// What was signed.
#[derive(Clone, Debug, Serialize)]
pub struct Signed {
    /// The release, with its digest.
    pub reference: String,
    /// The key that signed.
    pub key: KeyId,
    /// How many manifests have a signature of it now.
    pub manifests: usize,
}

#[derive(Serialize)]
struct ImageConfig {
    architecture: &'static str,
    created: &'static str,
    history: Vec<History>,
    os: &'static str,
    rootfs: Layers,
    config: Empty,
}

#[derive(Serialize)]
struct History {
    created: &'static str,
}

#[derive(Serialize)]
struct Layers {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<ContentDigest>,
}

#[derive(Serialize)]
struct Empty {}

/// Signs a release, and each of its steps where that is asked for. Signatures that are there stay.
pub fn sign(
    reference: &ReleaseReference,
    key: &PrivateKey,
    with_steps: bool,
    options: &ReleaseOptions,
) -> Result<Signed, ReleaseError> {
    let release = ResolvedRelease::checked(reference, options)?;
    let store = Store::to_write(reference, None, &options.access)?;
    let place = match &reference.place {
        Place::Registry(repository) => repository.to_string(),
        Place::Layout(_) => "localhost/release".to_owned(),
    };
    let mut manifests = vec![(INDEX, release.digest.clone(), release.bytes.len() as u64)];
    if with_steps {
        manifests.extend(
            release
                .index
                .steps
                .iter()
                .map(|step| (MANIFEST, step.manifest.clone(), step.manifest_size)),
        );
    }
    for (media_type, digest, size) in &manifests {
        sign_manifest(&store, &place, subject(media_type, digest, *size), key)?;
    }
    store.finish()?;
    Ok(Signed {
        reference: release.reference.to_string(),
        key: key.public()?.id(),
        manifests: manifests.len(),
    })
}

/// What a signature refers to.
pub(super) fn subject(media_type: &str, digest: &ContentDigest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        artifact_type: None,
        digest: digest.clone(),
        size,
        annotations: Annotations::default(),
    }
}

fn sign_manifest(
    store: &Store,
    place: &str,
    subject: Descriptor,
    key: &PrivateKey,
) -> Result<(), ReleaseError> {
    let material = SignatureMaterial::fetch(store, &subject.digest)?;
    let public = key.public()?;
    if !material.has_old_of(&subject.digest, &public) {
        add_old(store, place, &subject.digest, key)?;
    }
    if material.has_bundle_of(&subject.digest, &public) {
        return Ok(());
    }
    let bundle = bundle(&subject.digest, SIGNED, serde_json::json!({}), key)?;
    put_bundle(store, subject, &bundle, SIGNED)
}

/// Keeps a bundle beside what it is about.
pub(super) fn put_bundle(
    store: &Store,
    subject: Descriptor,
    bundle: &[u8],
    predicate_type: &str,
) -> Result<(), ReleaseError> {
    let mut manifest = Document::new(MANIFEST);
    manifest.artifact_type = Some(BUNDLE.to_owned());
    manifest.config = Some(put(store, EMPTY, EMPTY_CONTENT)?);
    manifest.layers = Some(vec![put(store, BUNDLE, bundle)?]);
    manifest
        .annotations
        .set("dev.sigstore.bundle.content", "dsse-envelope");
    manifest
        .annotations
        .set("dev.sigstore.bundle.predicateType", predicate_type);
    let digest = subject.digest.clone();
    manifest.subject = Some(subject);
    store.put_referrer(&digest, &manifest.bytes()?)
}

/// Adds a signature in the older form to those of others.
fn add_old(
    store: &Store,
    place: &str,
    digest: &ContentDigest,
    key: &PrivateKey,
) -> Result<(), ReleaseError> {
    let tag = signature_tag(digest);
    let mut layers = match store.tagged(&tag)? {
        Some(found) => Document::read(&found.bytes, "a signature")?
            .layers
            .unwrap_or_default(),
        None => Vec::new(),
    };
    let payload = old_payload(digest, place)?;
    let mut layer = put(store, OLD_LAYER, &payload)?;
    layer
        .annotations
        .set(OLD_SIGNATURE, STANDARD.encode(key.sign(&payload)?));
    layers.push(layer);
    let config = json(&ImageConfig {
        architecture: "",
        created: NO_TIME,
        history: layers
            .iter()
            .map(|_| History { created: NO_TIME })
            .collect(),
        os: "",
        rootfs: Layers {
            kind: "layers",
            diff_ids: layers.iter().map(|layer| layer.digest.clone()).collect(),
        },
        config: Empty {},
    })?;
    let mut manifest = Document::new(MANIFEST);
    manifest.config = Some(put(store, IMAGE_CONFIG, &config)?);
    manifest.layers = Some(layers);
    store.put_manifest(&tag, MANIFEST, &manifest.bytes()?)
}

fn put(store: &Store, media_type: &str, bytes: &[u8]) -> Result<Descriptor, ReleaseError> {
    let descriptor = Descriptor::of(media_type, bytes);
    store.put_blob(&descriptor.digest, bytes, None)?;
    Ok(descriptor)
}
