//! The files for a target and its tenants: directories of migrations and scripts under one base, some for the target itself and some for each
//! of its tenants.
//!
//! A file is known by its path relative to the base, with `/` between the parts, so that a base that moves is the same
//! target with tenants. Names need no index. The order is that of the versions in them, or of their bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::file_name;
use super::listing::{self, Listing};
use super::repeatable::is_repeatable_name;
use super::source_file::{SourceFile, SourceKind, SourceOrder};
use super::text_order::TextOrder;
use super::{Error, Ignored, StepFile, Strange, source_order, step_sources};
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

impl Sources {
    /// Whether any of the directories is for tenants.
    pub fn are_for_tenants(&self) -> bool {
        !self.tenant_migrations.is_empty() || !self.tenant_scripts.is_empty()
    }

    /// The directory, where there is no other.
    pub fn only_directory(&self) -> Option<PathBuf> {
        let mut all = self.settings().into_iter().flat_map(|(.., all)| all);
        let only = all.next().filter(|_| all.next().is_none())?;
        Some(self.base.join(normal(only)))
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
        let mut nothing = None;
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
                let (listed, without) = self.list(setting, kind, directory, database, &known)?;
                files.extend(listed);
                nothing = nothing.or(without);
            }
            match kind.is_script() {
                true => {
                    source_order::by_name(&mut files);
                    scripts.append(&mut files);
                }
                false => {
                    let repeats = |file: &mut SourceFile| file.kind.is_repeatable();
                    let mut repeated: Vec<SourceFile> = files.extract_if(.., repeats).collect();
                    source_order::by_name(&mut repeated);
                    repeatable.append(&mut repeated);
                    migrations.append(&mut files);
                }
            }
        }
        source_order::put(&mut migrations, self.order, self.are_for_tenants())?;
        migrations.append(&mut repeatable);
        migrations.append(&mut scripts);
        match nothing {
            Some(nothing) if migrations.is_empty() => Err(nothing),
            _ => Ok(migrations),
        }
    }

    /// Refuses files that are to run once for the target, and have another place for the tool that their directory is written for,
    /// where nobody has said which order is meant. With each file comes whether it was applied.
    pub fn order_problem(&self, files: &[(&SourceFile, bool)]) -> Option<Error> {
        if self.order.is_some() {
            return None;
        }
        self.single_migrations.iter().find_map(|directory| {
            let configured = normal(directory);
            let of_it = |(file, _): &&(&SourceFile, bool)| {
                file.kind == SourceKind::SingleMigration && file.directory == configured
            };
            let (mut steps, mut applied) = (BTreeMap::new(), BTreeSet::new());
            for (index, (file, is_applied)) in (1..).zip(files.iter().filter(of_it)) {
                let step = StepFile {
                    file_name: file.file_name.clone(),
                    ..file.as_step(index)
                };
                steps.insert(index, step);
                applied.extend(is_applied.then_some(index));
            }
            let order = TextOrder::of(&self.base.join(&configured), &steps)?;
            order.problems(&steps, |index| applied.contains(&index))
        })
    }

    /// The files of one directory; where there is none, what is to be said if there is none elsewhere either.
    fn list(
        &self,
        setting: &'static str,
        kind: SourceKind,
        directory: &str,
        database: Kind,
        known: &BTreeSet<PathBuf>,
    ) -> Result<(Vec<SourceFile>, Option<Error>), Error> {
        let configured = normal(directory);
        let path = self.base.join(&configured);
        let listing = Listing::of(&path, database, known, file_name::Parts::of_free);
        let Listing {
            listed,
            baselines,
            ignored,
            mut strange,
        } = listing.map_err(|source| Error::SourceDirectory {
            setting,
            directory: path.clone(),
            source,
        })?;
        if let Some(unbuilt) = step_sources::first_unbuilt(&path, database)? {
            return Err(unbuilt);
        }
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
                version: source_order::version(&file.stem),
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
        if !strange.is_empty() {
            return Err(Error::Strange {
                directory: path,
                files: strange,
                hint: "move these files away, or to where they belong",
            });
        }
        let is_elsewhere = ignored.iter().any(|file| file.is_for_another_database);
        let found = listing::only(&ignored).filter(|_| files.is_empty() && !is_elsewhere);
        let nothing = found.map(|found| Error::NoSource {
            setting,
            directory: path,
            found,
        });
        let is_program = |file: &Ignored| file_name::is_in_another_language(&file.file_name);
        match nothing {
            Some(nothing) if ignored.iter().any(is_program) => Err(nothing),
            nothing => Ok((files, nothing)),
        }
    }
}

/// A directory under the base, however it was written.
fn normal(directory: &str) -> String {
    let parts = directory
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}
