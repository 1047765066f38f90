//! Public keys on the curve P-256, as PEM.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Serialize;

use super::pem;
use crate::catalog::sha256;
use crate::input;
use crate::releases::error::ReleaseError;

const LABEL: &str = "PUBLIC KEY";

/// What stands before the point in the DER of a key on P-256: <https://www.rfc-editor.org/rfc/rfc5480#section-2>
const PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// How many bytes a point has that is not compressed.
const POINT: usize = 65;

/// What names a key: the SHA-256 of its DER, as `sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A key that tells whether a signature is of its owner.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; POINT],
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.id())
    }
}

impl PublicKey {
    /// The key with this point.
    pub(super) fn of_point(point: &[u8]) -> Option<Self> {
        let point: [u8; POINT] = point.try_into().ok()?;
        (point.first() == Some(&4)).then_some(Self { point })
    }

    /// Reads a key in PEM; none when it is none of P-256.
    pub fn parse(text: &str) -> Option<Self> {
        let der = pem::read(text, &[LABEL])?.1;
        Self::of_point(der.strip_prefix(&PREFIX)?)
    }

    /// Reads the key in a file.
    pub fn read(file: &Path) -> Result<Self, ReleaseError> {
        let text = input::read_text(file).map_err(ReleaseError::file("read the key in", file))?;
        Self::parse(&text).ok_or_else(|| {
            ReleaseError::Refused(format!(
                "`{}` is no public key on P-256 in PEM, as `wasmigrate release keys` and `cosign generate-key-pair` make them",
                file.display()
            ))
        })
    }

    fn der(&self) -> Vec<u8> {
        [&PREFIX[..], &self.point[..]].concat()
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> String {
        pem::write(LABEL, &self.der())
    }

    /// What names it.
    pub fn id(&self) -> KeyId {
        KeyId(format!("sha256:{}", sha256(&self.der())))
    }

    /// What names it in a bundle.
    pub(super) fn hint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.der());
        STANDARD.encode(digest)
    }

    /// Whether a signature over a message is of its owner.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
            .verify(message, signature)
            .is_ok()
    }
}
