//! Who may ask: the holder of the password or of the token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

/// The secrets that are accepted. Without any, nobody is let in.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The whole content of the password's file.
    pub password: Option<Vec<u8>>,
    /// The token, as `Authorization: Bearer` carries it.
    pub token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("password", &self.password.is_some())
            .field("token", &self.token.is_some())
            .finish()
    }
}

/// What the `Authorization` header of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It names a secret that is accepted.
    Accepted,
    /// It is missing or names another.
    Wrong,
    /// It is neither a token nor base64.
    Unreadable,
    /// It may be the password, but the service has none to compare it with.
    NoPassword,
}

impl Credentials {
    /// Whether any secret is known.
    pub fn is_empty(&self) -> bool {
        self.password.is_none() && self.token.is_none()
    }

    /// The header that proves their knowledge.
    pub fn header(&self) -> Option<String> {
        match (&self.token, &self.password) {
            (Some(token), _) => Some(format!("Bearer {token}")),
            (None, Some(password)) => Some(STANDARD.encode(password)),
            (None, None) => None,
        }
    }

    /// Judges a header, in a time that does not tell how much of a secret was right.
    pub(super) fn judge(&self, header: Option<&[u8]>) -> Verdict {
        let Some(header) = header else {
            return Verdict::Wrong;
        };
        if let Some(token) = bearer(header) {
            return match &self.token {
                Some(expected) if bool::from(expected.as_bytes().ct_eq(token)) => Verdict::Accepted,
                _ => Verdict::Wrong,
            };
        }
        let Ok(password) = STANDARD.decode(header) else {
            return Verdict::Unreadable;
        };
        match &self.password {
            None => Verdict::NoPassword,
            Some(expected) if bool::from(expected.ct_eq(&password)) => Verdict::Accepted,
            Some(_) => Verdict::Wrong,
        }
    }
}

/// The token behind the scheme `Bearer`, whose case does not matter:
/// <https://www.rfc-editor.org/rfc/rfc9110#section-11.1>
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}
