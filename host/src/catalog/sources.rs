//! The files of a fleet: directories of migrations and scripts under one base, some for the target itself and some for each
//! of its tenants.
//!
//! A file is known by its path relative to the base, with `/` between the parts, so that a base that moves is the same
//! fleet. Names need no index: the order is that of their bytes.

use std::path::PathBuf;

use super::StepKind;

/// Where the files of a fleet are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
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
    /// What stands for the schema in SQL, such as `{schema}`.
    pub placeholder: String,
}

/// For whom a file is, and how often it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Runs once.
    SingleMigration,
    /// Runs once for each tenant.
    TenantMigration,
    /// Runs at every apply.
    SingleScript,
    /// Runs at every apply, for each tenant.
    TenantScript,
}

impl SourceKind {
    /// Whether it is run for each tenant.
    pub fn is_for_tenants(self) -> bool {
        matches!(self, Self::TenantMigration | Self::TenantScript)
    }

    /// Whether it is run at every apply.
    pub fn is_script(self) -> bool {
        matches!(self, Self::SingleScript | Self::TenantScript)
    }
}

/// One file of a fleet.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path relative to the base, with `/` between the parts: what it is known by.
    pub key: String,
    /// Its directory, as it is configured.
    pub directory: String,
    /// Its name.
    pub file_name: String,
    /// For whom it is, and how often it runs.
    pub kind: SourceKind,
    /// Whether it is a component or SQL.
    pub form: StepKind,
    /// Where it is.
    pub path: PathBuf,
}
