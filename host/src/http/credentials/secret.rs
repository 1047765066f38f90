//! A secret, and what is made of it.

use std::sync::OnceLock;

use super::role::{Access, Role};

/// How a secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// In base64, as the whole header.
    Password,
    /// After `Bearer`.
    Token,
}

/// A secret that is accepted.
pub struct Secret {
    /// What its holders are called in the history.
    pub name: String,
    /// How it is sent.
    pub kind: SecretKind,
    /// What its holders may do.
    pub role: Role,
    /// The secret itself.
    pub text: Vec<u8>,
    session_key: OnceLock<[u8; 32]>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Secret").field(&self.name).finish()
    }
}

/// Who has proved to know a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Holder {
    /// The secret's name.
    pub(in crate::http) name: String,
    pub(in crate::http) access: Access,
}

/// How much work it is to make a key of a secret, as powers of two: 32 MiB of memory and a tenth of a second. A password may
/// be short, and whoever has stolen a cookie could try out all of them:
/// <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt>
const WORK: u8 = 15;

/// Keys for something else that are made of the same secret are others.
const SALT: &[u8] = b"wasmigrate: sessions of browsers, 1";

impl Secret {
    /// A secret of this name.
    pub fn new(name: impl Into<String>, kind: SecretKind, role: Role, text: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            kind,
            role,
            text,
            session_key: OnceLock::new(),
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        let facts = |secret: &Self| (secret.kind, secret.role);
        self.name == other.name && facts(self) == facts(other) && self.text == other.text
    }

    pub(in crate::http) fn holder(&self) -> Holder {
        Holder {
            name: self.name.clone(),
            access: Access::of(self.role),
        }
    }

    /// The key of sessions that are begun with it. Every host that accepts the secret makes the same one of it, so that a session
    /// holds on each.
    pub(in crate::http) fn session_key(&self) -> &[u8; 32] {
        self.session_key.get_or_init(|| {
            let mut key = [0; 32];
            let parameters = scrypt::Params::new(WORK, 8, 1).ok();
            let made = parameters.and_then(|parameters| {
                scrypt::scrypt(&self.text, SALT, &parameters, &mut key).ok()
            });
            // The limits of both are far away. A key that everybody knows would be worse than one that no other host has.
            made.map_or_else(rand::random, |()| key)
        })
    }
}
