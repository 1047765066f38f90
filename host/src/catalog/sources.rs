//! The files for a target and its tenants: directories of migrations and scripts under one base, some for the target itself and some for each
//! of its tenants.
//!
//! A file is known by its path relative to the base, with `/` between the parts, so that a base that moves is the same
//! target with tenants. Names need no index: the order is that of their bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Error, StepFile, StepKind, form};
use crate::database::Kind;

/// Where the files for the target and its tenants are.
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

    /// Its spelling in the journal and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SingleMigration => "single-migration",
            Self::TenantMigration => "tenant-migration",
            Self::SingleScript => "single-script",
            Self::TenantScript => "tenant-script",
        }
    }

    /// The kind that is spelled so.
    pub fn from_journal(name: &str) -> Option<Self> {
        [
            Self::SingleMigration,
            Self::TenantMigration,
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
}

impl SourceFile {
    /// The file as the catalog knows files, at this place in the order.
    pub fn as_step(&self, index: u32) -> StepFile {
        StepFile {
            index,
            name: self.key.clone(),
            kind: self.form,
            file_name: self.key.clone(),
            path: self.path.clone(),
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

impl Sources {
    /// Lists the files that are meant for a database of this kind, in the order in which they run: migrations by name (of
    /// equal names those for the target first, then as the directories are configured), scripts for the target by name,
    /// scripts for tenants by name. Reads no file.
    pub fn scan(&self, database: Kind) -> Result<Vec<SourceFile>, Error> {
        let mut seen = BTreeSet::new();
        let mut list = |setting: &'static str, kind, directories: &[String]| {
            let mut files = Vec::new();
            for directory in directories {
                if !seen.insert(normal(directory)) {
                    return Err(Error::DirectoryTwice {
                        setting,
                        directory: directory.clone(),
                    });
                }
                files.extend(self.list(setting, kind, directory, database)?);
            }
            Ok(files)
        };
        let single = SourceKind::SingleMigration;
        let mut files = list("single_migrations", single, &self.single_migrations)?;
        let for_tenants = SourceKind::TenantMigration;
        files.extend(list(
            "tenant_migrations",
            for_tenants,
            &self.tenant_migrations,
        )?);
        sort(&mut files);
        for (setting, kind, directories) in [
            (
                "single_scripts",
                SourceKind::SingleScript,
                &self.single_scripts,
            ),
            (
                "tenant_scripts",
                SourceKind::TenantScript,
                &self.tenant_scripts,
            ),
        ] {
            let mut scripts = list(setting, kind, directories)?;
            sort(&mut scripts);
            files.extend(scripts);
        }
        Ok(files)
    }

    fn list(
        &self,
        setting: &'static str,
        kind: SourceKind,
        directory: &str,
        database: Kind,
    ) -> Result<Vec<SourceFile>, Error> {
        let configured = normal(directory);
        let path = self.base.join(&configured);
        let failed = |source: io::Error| Error::SourceDirectory {
            setting,
            directory: path.clone(),
            source,
        };
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Followed, when it is a link.
            if fs::metadata(entry.path()).map_err(failed)?.is_file() {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        let files = names.iter().filter_map(|name| {
            let form = form(name, database).ok().map(|(_, form)| form)?;
            let is_hidden = name.starts_with('.');
            // How sqlx and golang-migrate name the way back.
            let is_way_back = name
                .strip_suffix(".down.sql")
                .is_some_and(|stem| names.contains(&format!("{stem}.up.sql")));
            (!is_hidden && !is_way_back).then(|| SourceFile {
                key: match &*configured {
                    "" => name.clone(),
                    directory => format!("{directory}/{name}"),
                },
                directory: configured.clone(),
                file_name: name.clone(),
                kind,
                form,
                path: path.join(name),
            })
        });
        Ok(files.collect())
    }
}

/// By name; files of equal names stay in the order of their directories.
fn sort(files: &mut [SourceFile]) {
    files.sort_by(|one, other| one.file_name.as_bytes().cmp(other.file_name.as_bytes()));
}

/// A directory under the base, however it was written.
fn normal(directory: &str) -> String {
    let parts = directory
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}
