//! Who sent it, and when: the headers of Standard Webhooks, so that receivers need no code of ours to check them.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a secret in base64 begins with.
const PREFIX: &str = "whsec_";

/// The shortest secret in bytes, as the specification has it.
const SHORTEST: usize = 24;

/// What the receiver and the host share.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Why a text is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It does not look like one.
    #[error(
        "a secret is `{PREFIX}` and bytes in base64; make one with `echo {PREFIX}$(openssl rand -base64 32)`"
    )]
    Form,
    /// It could be guessed.
    #[error("the secret has {0} bytes: fewer than {SHORTEST} could be guessed")]
    Short(usize),
}

impl Secret {
    /// Reads a secret; surrounding white space does not count.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let bytes = text
            .trim()
            .strip_prefix(PREFIX)
            .and_then(|bytes| STANDARD.decode(bytes).ok())
            .ok_or(SecretError::Form)?;
        match bytes.len() {
            length @ ..SHORTEST => Err(SecretError::Short(length)),
            _ => Ok(Self(bytes)),
        }
    }

    fn sign(&self, content: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(content.as_bytes());
        Some(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ))
    }
}

/// A name for one message, the same in all of its tries.
pub(super) fn new_id() -> String {
    format!("msg_{:032x}", rand::random::<u128>())
}

/// The headers of one try, made now.
pub(super) fn headers(
    id: &str,
    body: &str,
    secret: Option<&Secret>,
) -> Vec<(&'static str, String)> {
    let timestamp = (crate::journal::now() / 1_000).to_string();
    let signature = secret.and_then(|secret| secret.sign(&format!("{id}.{timestamp}.{body}")));
    let mut headers = vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp),
    ];
    headers.extend(signature.map(|signature| ("webhook-signature", signature)));
    headers
}
