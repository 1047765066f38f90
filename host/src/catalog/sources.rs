//! The files for a target and its tenants: directories of migrations and scripts under one base, some for the target itself and some for each
//! of its tenants.
//!
//! A file is known by its path relative to the base, with `/` between the parts, so that a base that moves is the same
//! target with tenants. Names need no index. The order is that of the versions in them, or of their bytes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::file_name;
use super::listing::Listing;
use super::repeatable::is_repeatable_name;
use super::{Error, Role, StepFile, StepKind, Strange, Version};
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
    /// What stands for the schema in SQL, such as `{schema}`; empty for nothing.
    pub placeholder: String,
    /// The order of the migrations; none for that of the versions where there are no tenants, and elsewhere for names that
    /// are in the same order either way.
    pub order: Option<SourceOrder>,
}

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

impl Sources {
    /// Whether any of the directories is for tenants.
    pub fn are_for_tenants(&self) -> bool {
        !self.tenant_migrations.is_empty() || !self.tenant_scripts.is_empty()
    }

    fn settings(&self) -> [(&'static str, SourceKind, &[String]); 4] {
        [
            (
                "single_migrations",
                SourceKind::SingleMigration,
                &self.single_migrations,
            ),
            (
                "tenant_migrations",
                SourceKind::TenantMigration,
                &self.tenant_migrations,
            ),
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
        ]
    }

    /// Lists the files that are meant for a database of this kind, in the order in which they run: migrations (of
    /// equal names those for the target first, then as the directories are configured), then what is repeatable among them, and
    /// scripts; of both, those for the target by name and those for tenants by name. Reads no file.
    pub fn scan(&self, database: Kind) -> Result<Vec<SourceFile>, Error> {
        let path_of = |directory: &String| self.base.join(normal(directory));
        let directories = self.settings().into_iter().flat_map(|(.., all)| all);
        let known: BTreeSet<PathBuf> = directories.map(path_of).collect();
        let mut seen = BTreeSet::new();
        let mut migrations = Vec::new();
        let mut repeatable = Vec::new();
        let mut scripts = Vec::new();
        for (setting, kind, directories) in self.settings() {
            let mut files = Vec::new();
            for directory in directories {
                if !seen.insert(normal(directory)) {
                    return Err(Error::DirectoryTwice {
                        setting,
                        directory: directory.clone(),
                    });
                }
                files.extend(self.list(setting, kind, directory, database, &known)?);
            }
            match kind.is_script() {
                true => {
                    sort(&mut files);
                    scripts.append(&mut files);
                }
                false => {
                    let repeats = |file: &mut SourceFile| file.kind.is_repeatable();
                    let mut repeated: Vec<SourceFile> = files.extract_if(.., repeats).collect();
                    sort(&mut repeated);
                    repeatable.append(&mut repeated);
                    migrations.append(&mut files);
                }
            }
        }
        self.put_in_order(&mut migrations)?;
        migrations.append(&mut repeatable);
        migrations.append(&mut scripts);
        Ok(migrations)
    }

    fn list(
        &self,
        setting: &'static str,
        kind: SourceKind,
        directory: &str,
        database: Kind,
        known: &BTreeSet<PathBuf>,
    ) -> Result<Vec<SourceFile>, Error> {
        let configured = normal(directory);
        let path = self.base.join(&configured);
        let listing = Listing::of(&path, database, known);
        let Listing {
            listed,
            baselines,
            ignored: _,
            mut strange,
        } = listing.map_err(|source| Error::SourceDirectory {
            setting,
            directory: path.clone(),
            source,
        })?;
        strange.extend(baselines.into_iter().map(|file| Strange {
            file_name: file.file_name,
            why: file_name::BASELINE.to_owned(),
        }));
        let mut files = Vec::new();
        for file in listed {
            let objection = file_name::objection(&file.stem).filter(|_| !kind.is_script());
            if let Some(why) = objection {
                strange.push(Strange {
                    file_name: file.file_name,
                    why: why.to_owned(),
                });
                continue;
            }
            files.push(SourceFile {
                key: match &*configured {
                    "" => file.file_name.clone(),
                    directory => format!("{directory}/{}", file.file_name),
                },
                directory: configured.clone(),
                version: file_name::version(&file.stem),
                kind: match (is_repeatable_name(&file.stem), kind) {
                    (true, SourceKind::SingleMigration) => SourceKind::SingleRepeatable,
                    (true, SourceKind::TenantMigration) => SourceKind::TenantRepeatable,
                    _ => kind,
                },
                file_name: file.file_name,
                form: file.form,
                path: file.path,
                undo: file.undo,
                metadata: file.metadata,
            });
        }
        match strange.is_empty() {
            true => Ok(files),
            false => Err(Error::Strange {
                directory: path,
                files: strange,
                hint: "move these files away, or to where they belong",
            }),
        }
    }

    /// Puts migrations into their order, and refuses names that do not say it.
    fn put_in_order(&self, files: &mut [SourceFile]) -> Result<(), Error> {
        sort(files);
        if self.order == Some(SourceOrder::Names) {
            return Ok(());
        }
        if let (Some(SourceOrder::Versions), Some(file)) =
            (self.order, files.iter().find(|file| file.version.is_none()))
        {
            return Err(Error::NoVersion(file.key.clone()));
        }
        let have_versions = files.iter().all(|file| file.version.is_some());
        if self.order == Some(SourceOrder::Versions) || (have_versions && !self.are_for_tenants()) {
            // Those of equal versions stay in the order of their names.
            files.sort_by(|one, other| one.version.cmp(&other.version));
            return Ok(());
        }
        let mut last: Option<(&Version, &SourceFile)> = None;
        for file in files.iter() {
            let Some(version) = &file.version else {
                continue;
            };
            match last {
                Some((before, first)) if before > version => {
                    return Err(Error::Order {
                        first: first.key.clone(),
                        second: file.key.clone(),
                    });
                }
                _ => last = Some((version, file)),
            }
        }
        Ok(())
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
