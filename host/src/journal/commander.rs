//! Who gave a command.

use serde::{Deserialize, Serialize};

use super::process;

/// Who gave a command, from where, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Commander {
    /// The name of the token, `password`, or the user of the operating system; empty where nobody had to say who they are.
    pub name: String,
    /// How the command came.
    pub via: Via,
    /// The machine of the command line, or the address of whoever asked the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// For whom a proxy says that it asked. Whoever reaches the service without one can say anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_for: Option<String>,
    /// The version of the wasmigrate that took the command.
    pub version: String,
}

/// How a command came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// By the command line, which has the database itself.
    CommandLine,
    /// By the API of a service; `--host` uses it, too.
    Api,
    /// By the page of a service.
    Dashboard,
    /// By the migration route of OpenSlides.
    Openslides,
    /// By the API of the tool *migrator*.
    Migrator,
}

impl Via {
    /// In words, for people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::CommandLine => "the command line",
            Self::Api => "the API",
            Self::Dashboard => "the dashboard",
            Self::Openslides => "the route of OpenSlides",
            Self::Migrator => "migrator's API",
        }
    }
}

impl Commander {
    /// Whoever runs this process.
    pub fn of_this_process() -> Self {
        Self {
            name: process::user(),
            via: Via::CommandLine,
            from: Some(process::machine()),
            forwarded_for: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// For people.
    pub fn in_words(&self) -> String {
        let name = match self.name.as_str() {
            "" => "somebody",
            name => name,
        };
        let from = self.from.as_ref();
        let from = from.map_or_else(String::new, |from| format!(", from {from}"));
        let behind = self.forwarded_for.as_ref();
        let behind = behind.map_or_else(String::new, |client| format!(" for {client}"));
        format!("{name} by {}{from}{behind}", self.via.in_words())
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// None of what an earlier or a later host has written otherwise.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
