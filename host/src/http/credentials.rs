//! Who may ask: the holder of the password or of a token.
//!
//! Each secret has a name, which the history shows, and a role. What is known may change while the service runs: see
//! [`Credentials::replace`].

mod role;
mod secret;

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

pub(super) use role::Access;
pub use role::Role;
pub(super) use secret::Holder;
pub use secret::{Secret, SecretKind};

/// The secrets that are accepted. Without any, nobody is let in.
#[derive(Clone, Default)]
pub struct Credentials(Arc<RwLock<Vec<Arc<Secret>>>>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.known();
        let names = known.iter().map(|secret| &secret.name);
        formatter.debug_list().entries(names).finish()
    }
}

/// What the `Authorization` header of a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It names a secret that is accepted.
    Accepted(Holder),
    /// It is missing or names another.
    Wrong,
    /// It is neither a token nor base64.
    Unreadable,
    /// It may be the password, but the service has none to compare it with.
    NoPassword,
}

impl Credentials {
    /// These secrets.
    pub fn new(secrets: Vec<Secret>) -> Self {
        Self(Arc::new(RwLock::new(
            secrets.into_iter().map(Arc::new).collect(),
        )))
    }

    /// Accepts these secrets from now on, and no others; false when they are the same. Sessions that were begun with one that stays
    /// go on.
    pub fn replace(&self, secrets: Vec<Secret>) -> bool {
        let known = self.known();
        let pairs = known.iter().zip(&secrets);
        if known.len() == secrets.len() && pairs.into_iter().all(|(old, new)| old.is(new)) {
            return false;
        }
        let replaced = secrets.into_iter().map(|secret| {
            let same = known.iter().find(|known| known.is(&secret));
            same.map_or_else(|| Arc::new(secret), Arc::clone)
        });
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = replaced.collect();
        true
    }

    /// The secrets.
    pub(super) fn known(&self) -> Vec<Arc<Secret>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether any secret is known.
    pub fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    /// The header that proves their knowledge.
    pub fn header(&self) -> Option<String> {
        let known = self.known();
        let of = |kind: SecretKind| known.iter().find(|secret| secret.kind == kind);
        let token = of(SecretKind::Token).and_then(|token| str::from_utf8(&token.text).ok());
        match (token, of(SecretKind::Password)) {
            (Some(token), _) => Some(format!("Bearer {token}")),
            (None, Some(password)) => Some(STANDARD.encode(&password.text)),
            (None, None) => None,
        }
    }

    /// Judges a header, in a time that does not tell how much of a secret was right.
    pub(super) fn judge(&self, header: Option<&[u8]>) -> Verdict {
        let Some(header) = header else {
            return Verdict::Wrong;
        };
        let known = self.known();
        if let Some(token) = bearer(header) {
            return match find(&known, SecretKind::Token, |text| is_equal(text, token)) {
                Some(secret) => Verdict::Accepted(secret.holder()),
                None => Verdict::Wrong,
            };
        }
        let Ok(password) = STANDARD.decode(header) else {
            return Verdict::Unreadable;
        };
        if !known
            .iter()
            .any(|secret| secret.kind == SecretKind::Password)
        {
            return Verdict::NoPassword;
        }
        match find(&known, SecretKind::Password, |text| {
            is_equal(text, &password)
        }) {
            Some(secret) => Verdict::Accepted(secret.holder()),
            None => Verdict::Wrong,
        }
    }

    /// Judges what somebody typed: a token, or the password, at whose end nobody can type the line break that many files
    /// have.
    pub(super) fn judge_typed(&self, typed: &str) -> Option<Arc<Secret>> {
        let known = self.known();
        let is_password = |text: &[u8]| {
            let typed = typed.as_bytes();
            bool::from(text.ct_eq(typed) | text.trim_ascii_end().ct_eq(typed))
        };
        let token = typed.trim().as_bytes();
        let found = find(&known, SecretKind::Password, is_password)
            .or_else(|| find(&known, SecretKind::Token, |text| is_equal(text, token)));
        found.map(Arc::clone)
    }
}

fn is_equal(text: &[u8], given: &[u8]) -> bool {
    text.ct_eq(given).into()
}

/// The secret that is meant; all of them are compared.
fn find(
    known: &[Arc<Secret>],
    kind: SecretKind,
    is_meant: impl Fn(&[u8]) -> bool,
) -> Option<&Arc<Secret>> {
    let of_kind = known.iter().filter(|secret| secret.kind == kind);
    of_kind.fold(None, |found, secret| {
        let is_meant = is_meant(&secret.text);
        found.or(is_meant.then_some(secret))
    })
}

/// The token after the scheme `Bearer`, whose case does not matter:
/// <https://www.rfc-editor.org/rfc/rfc9110#section-11.1>
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}
