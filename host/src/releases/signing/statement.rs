//! What is signed: cosign's two forms. The older is a small document beside the image, the newer a bundle of Sigstore with a statement of
//! in-toto. Whoever reads one demands that it is of a release, of this digest, and made for that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::private_key::PrivateKey;
use super::public_key::PublicKey;
use crate::releases::content_digest::ContentDigest;
use crate::releases::document::json;
use crate::releases::error::ReleaseError;

/// The media type of a bundle.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What a statement says that signs.
pub(super) const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
const OLD_TYPE: &str = "cosign container image signature";

#[derive(Serialize, Deserialize)]
struct OldPayload {
    critical: Critical,
    /// Whoever signed may say more here.
    optional: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: ContentDigest,
}

/// The bytes of the older form. Where it is said to be is shown to people, and nothing is made of it: mirrors have others.
pub(super) fn old_payload(digest: &ContentDigest, place: &str) -> Result<Vec<u8>, ReleaseError> {
    json(&OldPayload {
        critical: Critical {
            identity: Identity {
                docker_reference: place.to_owned(),
            },
            image: Image {
                docker_manifest_digest: digest.clone(),
            },
            kind: OLD_TYPE.to_owned(),
        },
        optional: None,
    })
}

/// Whether such bytes are about this digest.
pub(super) fn is_old_payload_of(payload: &[u8], digest: &ContentDigest) -> bool {
    serde_json::from_slice::<OldPayload>(payload).is_ok_and(|payload| {
        payload.critical.kind == OLD_TYPE
            && payload.critical.image.docker_manifest_digest == *digest
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: serde_json::Value,
    dsse_envelope: Option<Envelope>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Serialize, Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

/// A bundle with a statement about a digest, signed.
pub(super) fn bundle(
    digest: &ContentDigest,
    predicate_type: &str,
    predicate: serde_json::Value,
    key: &PrivateKey,
) -> Result<Vec<u8>, ReleaseError> {
    let statement = json(&Statement {
        kind: STATEMENT.to_owned(),
        subject: vec![Subject {
            digest: SubjectDigest {
                sha256: Some(digest.hexadecimal().to_owned()),
            },
        }],
        predicate_type: predicate_type.to_owned(),
        predicate,
    })?;
    let signature = key.sign(&encoded(STATEMENT_TYPE, &statement))?;
    json(&Bundle {
        media_type: BUNDLE.to_owned(),
        verification_material: serde_json::json!({ "publicKey": { "hint": key.public()?.hint() } }),
        dsse_envelope: Some(Envelope {
            payload: STANDARD.encode(&statement),
            payload_type: STATEMENT_TYPE.to_owned(),
            signatures: vec![EnvelopeSignature {
                sig: STANDARD.encode(signature),
            }],
        }),
    })
}

/// Whether a bundle has a statement of this type about this digest, and is of the key's owner.
pub(super) fn is_bundle_of(
    bytes: &[u8],
    digest: &ContentDigest,
    predicate_type: &str,
    key: &PublicKey,
) -> bool {
    let look = || {
        let bundle: Bundle = serde_json::from_slice(bytes).ok()?;
        let envelope = bundle.dsse_envelope?;
        let [signature] = envelope.signatures.as_slice() else {
            return None;
        };
        let payload = STANDARD.decode(&envelope.payload).ok()?;
        let statement: Statement = serde_json::from_slice(&payload).ok()?;
        let is_subject =
            |subject: &Subject| subject.digest.sha256.as_deref() == Some(digest.hexadecimal());
        let is_meant = bundle.media_type == BUNDLE
            && envelope.payload_type == STATEMENT_TYPE
            && statement.kind == STATEMENT
            && statement.predicate_type == predicate_type
            && statement.subject.iter().any(is_subject);
        let signature = STANDARD.decode(&signature.sig).ok()?;
        (is_meant && key.verifies(&encoded(&envelope.payload_type, &payload), &signature))
            .then_some(())
    };
    look().is_some()
}

/// What an attestation is about; none when a bundle holds none.
pub(super) fn predicate_type(bytes: &[u8]) -> Option<String> {
    let bundle: Bundle = serde_json::from_slice(bytes).ok()?;
    let payload = STANDARD.decode(bundle.dsse_envelope?.payload).ok()?;
    let statement: Statement = serde_json::from_slice(&payload).ok()?;
    Some(statement.predicate_type)
}

/// What is signed of an envelope: <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}
