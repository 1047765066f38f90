//! A file for a target or its tenants, as this API writes it.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::catalog::SourceKind;
use crate::engine::{AppliedFile, Source};
use crate::output::rfc3339;

/// Where the files are. Answers name them by absolute paths, whatever they are known by.
#[derive(Clone, Debug)]
pub(in crate::http) struct Places(PathBuf);

impl Places {
    pub(super) fn under(base: &Path) -> Self {
        Self(std::path::absolute(base).unwrap_or_else(|_| base.to_owned()))
    }

    /// The path of a file or directory that is known by its path under the base.
    pub(super) fn file(&self, relative: &str) -> String {
        let mut path = PathBuf::new();
        for component in self.0.join(relative).components() {
            match component {
                Component::ParentDir => {
                    path.pop();
                }
                Component::CurDir => {}
                other => path.push(other),
            }
        }
        path.display().to_string()
    }
}

/// A file. The fields keep this order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Migration {
    name: String,
    source_dir: String,
    file: String,
    migration_type: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    contents: String,
    check_sum: String,
}

impl Migration {
    pub(super) fn of(source: Source, places: &Places) -> Self {
        let Source {
            file,
            digest,
            contents,
        } = source;
        Self::at(
            places,
            (&file.directory, file.file_name, file.kind),
            contents,
            digest,
        )
    }

    fn at(
        places: &Places,
        (directory, name, kind): (&str, String, SourceKind),
        contents: String,
        digest: String,
    ) -> Self {
        let source_dir = places.file(directory);
        Self {
            file: format!("{}/{name}", source_dir.trim_end_matches('/')),
            source_dir,
            name,
            migration_type: number(kind),
            contents,
            check_sum: digest,
        }
    }

    pub(super) fn without_contents(mut self) -> Self {
        self.contents.clear();
        self
    }
}

/// A file as it was applied. The fields keep this order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AppliedMigration {
    #[serde(flatten)]
    migration: Migration,
    id: i64,
    schema: String,
    applied_at: String,
    /// The same, as later clients call it.
    created: String,
}

impl AppliedMigration {
    pub(super) fn of(applied: AppliedFile, places: &Places) -> Self {
        let file = (&*applied.directory, applied.file_name, applied.kind);
        let at = rfc3339(applied.applied_at);
        Self {
            migration: Migration::at(places, file, applied.contents, applied.digest),
            id: applied.id,
            schema: applied.schema,
            applied_at: at.clone(),
            created: at,
        }
    }
}

/// The number of a kind.
fn number(kind: SourceKind) -> u8 {
    match kind {
        SourceKind::SingleMigration => 1,
        SourceKind::TenantMigration => 2,
        // It knows files that run once, and files that run again.
        SourceKind::SingleScript | SourceKind::SingleRepeatable => 3,
        SourceKind::TenantScript | SourceKind::TenantRepeatable => 4,
    }
}
