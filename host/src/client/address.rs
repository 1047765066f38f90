//! Where a host is, which may be written with a password.

use std::fmt;

use crate::output::without_secrets;

/// The address of a host. Whoever prints it prints no password.
#[derive(Clone)]
pub(super) struct Address(String);

impl Address {
    pub(super) fn new(address: &str) -> Self {
        Self(address.trim_end_matches('/').to_owned())
    }

    pub(super) fn is_encrypted(&self) -> bool {
        let scheme = self.0.get(..8);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
    }

    /// What to send a request to, in full.
    pub(super) fn of(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&without_secrets(&self.0))
    }
}
