//! How registries are reached: what the configuration and the environment say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::reference::registry_name;

/// How one registry is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Whether it is reached without TLS; when nothing is said, that is so on this machine alone, where no `ca_file` is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_http: Option<bool>,
    /// The file of certificate authorities that are trusted beside those of the system; empty for none.
    pub ca_file: PathBuf,
    /// The user name; empty for none.
    pub username: String,
    /// The file whose whole content is the password; empty for none.
    pub password_file: PathBuf,
}

/// All that is said about registries.
#[derive(Clone, Debug, Default)]
pub struct RegistryAccess {
    /// Registries by their hosts.
    pub registries: BTreeMap<String, RegistryConfig>,
    /// The variables of the environment, and of `.env` beneath them.
    pub variables: BTreeMap<String, String>,
}

impl RegistryAccess {
    /// What is said of a host.
    pub(super) fn of(&self, host: &str) -> RegistryConfig {
        let mut all = self.registries.iter();
        let found = all.find(|(name, _)| registry_name(name).as_deref() == Some(host));
        found.map(|(_, config)| config.clone()).unwrap_or_default()
    }

    /// A variable that is not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let text = self.variables.get(name).map(String::as_str);
        text.filter(|text| !text.is_empty())
    }
}
