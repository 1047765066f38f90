//! The signatures that stand beside a release, as they are found: in bundles that refer to it, and under the tag that older tools use.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::public_key::{KeyId, PublicKey};
use super::statement::{BUNDLE, SIGNED, is_bundle_of, is_old_payload_of, predicate_type};
use crate::releases::content_digest::ContentDigest;
use crate::releases::document::{Descriptor, Document};
use crate::releases::error::ReleaseError;
use crate::releases::limits;
use crate::releases::store::Store;

/// The media type of a signature in the older form, and where the signature itself stands.
pub(super) const OLD_LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(super) const OLD_SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The tag under which signatures in the older form stand.
pub(in crate::releases) fn signature_tag(digest: &ContentDigest) -> String {
    format!("sha256-{}.sig", digest.hexadecimal())
}

/// A signature in the older form.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OldSignature {
    payload: Encoded,
    signature: Encoded,
}

/// Bytes that are kept in base64: as numbers they would be four times as long.
#[derive(Clone, Debug)]
struct Encoded(Vec<u8>);

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

/// All that stands beside a manifest and may sign it. Nothing of it is believed yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::releases) struct SignatureMaterial {
    bundles: Vec<Encoded>,
    old: Vec<OldSignature>,
    /// Bundles that state something else, with the type of that.
    #[serde(default)]
    statements: Vec<(String, Encoded)>,
    /// What else refers to it, in words.
    pub(in crate::releases) others: Vec<String>,
}

/// What a store has of blobs, up to a limit for all of them together.
struct Blobs<'b> {
    store: &'b Store,
    room: u64,
}

impl Blobs<'_> {
    fn take(&mut self, layer: &Descriptor) -> Result<Encoded, ReleaseError> {
        self.room = self
            .room
            .checked_sub(layer.size)
            .ok_or_else(|| ReleaseError::OverLimit {
                what: "what is signed and said of a release".to_owned(),
                limit: "the bytes of all signatures and statements beside a manifest",
                most: limits::MATERIAL_BYTES.to_string(),
            })?;
        let bytes = self.store.blob("a signature", &layer.digest, layer.size)?;
        Ok(Encoded(bytes))
    }
}

impl SignatureMaterial {
    /// What stands beside the manifest with this digest.
    pub(in crate::releases) fn fetch(
        store: &Store,
        digest: &ContentDigest,
    ) -> Result<Self, ReleaseError> {
        let mut material = Self::default();
        let mut blobs = Blobs {
            store,
            room: limits::MATERIAL_BYTES,
        };
        for referrer in store.referrers(digest)? {
            material.take_referrer(&mut blobs, &referrer, digest)?;
        }
        if let Some(found) = store.tagged(&signature_tag(digest))? {
            material.take_old(&mut blobs, &found.bytes)?;
        }
        Ok(material)
    }

    /// What the descriptor says of it is not looked at: tools that copy write other things there.
    fn take_referrer(
        &mut self,
        blobs: &mut Blobs<'_>,
        referrer: &Descriptor,
        digest: &ContentDigest,
    ) -> Result<(), ReleaseError> {
        let Some(found) = blobs.store.manifest(&referrer.digest)? else {
            return Ok(());
        };
        let Ok(document) = Document::read(&found.bytes, "a signature") else {
            self.others.push("something that is no manifest".to_owned());
            return Ok(());
        };
        let is_about_it = document
            .subject
            .as_ref()
            .is_some_and(|it| it.digest == *digest);
        let layers = document.layers.unwrap_or_default();
        match layers.as_slice() {
            [layer] if is_about_it && layer.media_type == BUNDLE => {
                if layer.size > limits::BUNDLE_BYTES {
                    return Err(ReleaseError::OverLimit {
                        what: format!("a signature with {} bytes", layer.size),
                        limit: "the bytes of a bundle",
                        most: limits::BUNDLE_BYTES.to_string(),
                    });
                }
                let bundle = blobs.take(layer)?;
                match predicate_type(&bundle.0) {
                    Some(kind) if kind != SIGNED => self.statements.push((kind, bundle)),
                    None => self
                        .others
                        .push("a bundle without a statement, not verified".to_owned()),
                    Some(_) => self.bundles.push(bundle),
                }
            }
            _ if is_about_it => {
                let kind = document
                    .artifact_type
                    .unwrap_or_else(|| "without a type".to_owned());
                self.others
                    .push(format!("{}, not verified", ReleaseError::said(&kind)));
            }
            _ => {}
        }
        Ok(())
    }

    fn take_old(&mut self, blobs: &mut Blobs<'_>, manifest: &[u8]) -> Result<(), ReleaseError> {
        let document = Document::read(manifest, "a signature")?;
        let layers = document.layers.unwrap_or_default();
        if layers.len() > limits::SIGNATURES {
            return Err(ReleaseError::OverLimit {
                what: format!("a release with {} signatures", layers.len()),
                limit: "signatures",
                most: limits::SIGNATURES.to_string(),
            });
        }
        for layer in layers {
            let signature = layer.annotations.get(OLD_SIGNATURE);
            let signature = signature.and_then(|text| STANDARD.decode(text).ok());
            let (Some(signature), OLD_LAYER) = (signature, &*layer.media_type) else {
                continue;
            };
            if layer.size > limits::PAYLOAD_BYTES {
                self.others
                    .push("a signature over too long a text, not verified".to_owned());
                continue;
            }
            let payload = blobs.take(&layer)?;
            self.old.push(OldSignature {
                payload,
                signature: Encoded(signature),
            });
        }
        Ok(())
    }

    /// How many signatures there are, of whomever.
    pub(in crate::releases) fn count(&self) -> usize {
        self.bundles.len() + self.old.len()
    }

    /// Whether the key's owner has signed in the older form.
    pub(super) fn has_old_of(&self, digest: &ContentDigest, key: &PublicKey) -> bool {
        self.old.iter().any(|old| {
            key.verifies(&old.payload.0, &old.signature.0)
                && is_old_payload_of(&old.payload.0, digest)
        })
    }

    /// Whether the key's owner has signed in a bundle.
    pub(super) fn has_bundle_of(&self, digest: &ContentDigest, key: &PublicKey) -> bool {
        self.bundles
            .iter()
            .any(|bundle| is_bundle_of(&bundle.0, digest, SIGNED, key))
    }

    /// What else is stated, by its types.
    pub(in crate::releases) fn stated(&self) -> BTreeSet<&str> {
        self.statements.iter().map(|(kind, _)| &**kind).collect()
    }

    /// Which of these keys have stated something of this type about the manifest with this digest.
    pub(in crate::releases) fn attesters(
        &self,
        digest: &ContentDigest,
        predicate_type: &str,
        keys: &[PublicKey],
    ) -> BTreeSet<KeyId> {
        let has_stated = |key: &&PublicKey| {
            self.statements
                .iter()
                .any(|(_, bundle)| is_bundle_of(&bundle.0, digest, predicate_type, key))
        };
        keys.iter().filter(has_stated).map(PublicKey::id).collect()
    }

    /// Which of these keys have signed the manifest with this digest.
    pub(in crate::releases) fn signers(
        &self,
        digest: &ContentDigest,
        keys: &[PublicKey],
    ) -> BTreeSet<KeyId> {
        let has_signed =
            |key: &&PublicKey| self.has_bundle_of(digest, key) || self.has_old_of(digest, key);
        keys.iter().filter(has_signed).map(PublicKey::id).collect()
    }
}
