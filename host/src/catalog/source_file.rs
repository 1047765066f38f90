//! A file for a target and its tenants: for whom it is, how often it runs, and by what it is known.

use std::path::PathBuf;

use super::{Role, StepFile, StepKind, Version};

/// The order in which migrations run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceOrder {
    /// By the versions in their names, as numbers.
    Versions,
    /// By the bytes of their names.
    Names,
}

/// For whom a file is, and how often it runs.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Runs once.
    SingleMigration,
    /// Runs once for each tenant.
    TenantMigration,
    /// Runs whenever its content has changed.
    SingleRepeatable,
    /// Runs for each tenant whenever its content has changed.
    TenantRepeatable,
    /// Runs at every apply.
    SingleScript,
    /// Runs at every apply, for each tenant.
    TenantScript,
}

impl SourceKind {
    /// Whether it is run for each tenant.
    pub fn is_for_tenants(self) -> bool {
        matches!(
            self,
            Self::TenantMigration | Self::TenantRepeatable | Self::TenantScript
        )
    }

    /// Whether it is run once, and must not change then.
    pub fn runs_once(self) -> bool {
        matches!(self, Self::SingleMigration | Self::TenantMigration)
    }

    /// Whether it is run whenever its content has changed.
    pub fn is_repeatable(self) -> bool {
        matches!(self, Self::SingleRepeatable | Self::TenantRepeatable)
    }

    /// Whether it is run at every apply.
    pub fn is_script(self) -> bool {
        matches!(self, Self::SingleScript | Self::TenantScript)
    }

    /// Its spelling in the journal and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SingleMigration => "single-migration",
            Self::TenantMigration => "tenant-migration",
            Self::SingleRepeatable => "single-repeatable",
            Self::TenantRepeatable => "tenant-repeatable",
            Self::SingleScript => "single-script",
            Self::TenantScript => "tenant-script",
        }
    }

    /// The kind that is spelled so.
    pub fn from_journal(name: &str) -> Option<Self> {
        [
            Self::SingleMigration,
            Self::TenantMigration,
            Self::SingleRepeatable,
            Self::TenantRepeatable,
            Self::SingleScript,
            Self::TenantScript,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }
}

/// One file for the target or its tenants.
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
    /// The file beside it that undoes it.
    pub undo: Option<PathBuf>,
    /// The file beside it that says how it runs.
    pub metadata: Option<PathBuf>,
    /// The version in its name.
    pub version: Option<Version>,
}

impl SourceFile {
    /// The file as the catalog knows files, at this place in the order.
    pub fn as_step(&self, index: u64) -> StepFile {
        StepFile {
            index,
            name: self.key.clone(),
            kind: self.form,
            file_name: self.key.clone(),
            path: self.path.clone(),
            undo: self.undo.clone(),
            metadata: self.metadata.clone(),
            role: match self.kind.is_repeatable() {
                true => Role::Repeatable,
                false => Role::Migration,
            },
        }
    }

    /// The base name of its directory, which is the schema of a file that is not for tenants.
    pub fn base_name(&self) -> &str {
        self.directory
            .rsplit('/')
            .find(|part| !part.is_empty())
            .unwrap_or_default()
    }
}
