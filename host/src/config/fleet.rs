//! Settings of a fleet: where its files are, and how its tenants are found.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the files of a fleet are; without any directory, there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourcesConfig {
    /// The directory that all others are under.
    pub base: PathBuf,
    /// Directories of migrations that run once.
    pub single_migrations: Vec<String>,
    /// Directories of migrations that run once for each tenant.
    pub tenant_migrations: Vec<String>,
    /// Directories of scripts that run at every apply.
    pub single_scripts: Vec<String>,
    /// Directories of scripts that run at every apply, for each tenant.
    pub tenant_scripts: Vec<String>,
    /// What stands for the schema in SQL.
    pub placeholder: String,
}

impl Default for SourcesConfig {
    fn default() -> Self {
        Self {
            base: PathBuf::from("migrations"),
            single_migrations: Vec::new(),
            tenant_migrations: Vec::new(),
            single_scripts: Vec::new(),
            tenant_scripts: Vec::new(),
            placeholder: "{schema}".to_owned(),
        }
    }
}

impl SourcesConfig {
    /// Whether it names any directory.
    pub fn is_set(&self) -> bool {
        [
            &self.single_migrations,
            &self.tenant_migrations,
            &self.single_scripts,
            &self.tenant_scripts,
        ]
        .iter()
        .any(|directories| !directories.is_empty())
    }
}

/// How tenants are found, and how a run goes from one to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantsConfig {
    /// The query whose first column is the tenants' names; empty for our own table.
    pub select: String,
    /// The statement that adds a tenant, whose one parameter is its name; empty for our own table.
    pub insert: String,
    /// Whether all tenants are one transaction.
    pub atomic: bool,
    /// How many tenants are worked on at the same time.
    pub parallel: u32,
    /// The tenants that come first.
    pub canaries: Vec<String>,
    /// After how many failed tenants no further one begins; 0 for any number.
    pub stop_after: u32,
}

impl Default for TenantsConfig {
    fn default() -> Self {
        Self {
            select: String::new(),
            insert: String::new(),
            atomic: false,
            parallel: 4,
            canaries: Vec::new(),
            stop_after: 0,
        }
    }
}
