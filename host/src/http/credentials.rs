//! Who may ask: the holder of the password or of a token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use subtle::ConstantTimeEq as _;

/// The secrets that are accepted. Without any, nobody is let in.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The whole content of the password's file.
    pub password: Option<Vec<u8>>,
    /// The token, as `Authorization: Bearer` carries it.
    pub token: Option<String>,
    /// A token whose holder may look and give no commands.
    pub read_token: Option<String>,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    /// Look and give commands.
    Full,
    /// Look.
    ReadOnly,
}

impl Access {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly => "read-only",
        }
    }

    pub(super) fn from_str(name: &str) -> Option<Self> {
        [Self::Full, Self::ReadOnly]
            .into_iter()
            .find(|access| access.as_str() == name)
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("password", &self.password.is_some())
            .field("token", &self.token.is_some())
            .field("read_token", &self.read_token.is_some())
            .finish()
    }
}

/// What the `Authorization` header of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It names a secret that is accepted, for this.
    Accepted(Access),
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
        self.all().iter().all(Option::is_none)
    }

    /// All secrets, in an order that stays.
    pub(super) fn all(&self) -> [Option<&[u8]>; 3] {
        [
            self.password.as_deref(),
            self.token.as_deref().map(str::as_bytes),
            self.read_token.as_deref().map(str::as_bytes),
        ]
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
            return match self.access_of_token(token) {
                Some(access) => Verdict::Accepted(access),
                None => Verdict::Wrong,
            };
        }
        let Ok(password) = STANDARD.decode(header) else {
            return Verdict::Unreadable;
        };
        match &self.password {
            None => Verdict::NoPassword,
            Some(expected) if bool::from(expected.ct_eq(&password)) => {
                Verdict::Accepted(Access::Full)
            }
            Some(_) => Verdict::Wrong,
        }
    }

    /// Judges what somebody typed: a token, or the password, at whose end nobody can type the line break that many files
    /// have.
    pub(super) fn judge_typed(&self, secret: &str) -> Option<Access> {
        let is_password = self.password.as_deref().is_some_and(|password| {
            let typed = secret.as_bytes();
            bool::from(password.ct_eq(typed) | password.trim_ascii_end().ct_eq(typed))
        });
        match is_password {
            true => Some(Access::Full),
            false => self.access_of_token(secret.trim().as_bytes()),
        }
    }

    fn access_of_token(&self, token: &[u8]) -> Option<Access> {
        let is = |known: &Option<String>| {
            let known = known.as_deref().map(str::as_bytes);
            known.is_some_and(|known| bool::from(known.ct_eq(token)))
        };
        if is(&self.token) {
            Some(Access::Full)
        } else {
            is(&self.read_token).then_some(Access::ReadOnly)
        }
    }
}

/// The token after the scheme `Bearer`, whose case does not matter:
/// <https://www.rfc-editor.org/rfc/rfc9110#section-11.1>
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}
