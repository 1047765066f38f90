//! All that reads keys and signatures of others, for a fuzzer.

use super::pem;
use super::public_key::PublicKey;
use super::statement::{SIGNED, is_bundle_of, is_old_payload_of, predicate_type};
use crate::releases::content_digest::ContentDigest;

/// A point on P-256, which has signed nothing.
const POINT: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXNh8xMtBt/jjtPYfgYrqZ4PA7mW9
H7wrNf7Dq1QUAEtQi35VbKWnVbEG296S7XSNNgj3FmnP8llv4Q4mgT8R1Q==
-----END PUBLIC KEY-----";

/// Reads bytes in every way in which a key or a signature is read. Nothing signs this digest.
pub(in crate::releases) fn read_foreign(bytes: &[u8], digest: &ContentDigest) {
    let text = String::from_utf8_lossy(bytes);
    let _ = pem::read(&text, &["PRIVATE KEY"]);
    if let Some(key) = PublicKey::parse(&text) {
        assert!(PublicKey::parse(&key.to_pem()).is_some_and(|again| again == key));
    }
    let _ = predicate_type(bytes);
    let _ = is_old_payload_of(bytes, digest);
    if let Some(key) = PublicKey::parse(POINT) {
        assert!(!is_bundle_of(bytes, digest, SIGNED, &key));
    }
}
