//! Where the steps are: a directory, with one of seeds; or the directories of `[sources]`.

use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};

use super::{Config, Error, SourcesConfig, TenantsConfig, paths};
use crate::catalog::{Seeds, SourceOrder, Sources};
use crate::engine::TenancyOptions;

/// Which setting names the directory of the steps: of variables, the file, and `.env`.
pub(super) fn named(variables: &Table, file: &Table, beside: &Table) -> Option<&'static str> {
    let names_it = |table: &Table| {
        let directory = table.get("migrations").and_then(Value::as_str);
        directory.is_some_and(|directory| !directory.is_empty())
    };
    // What counts is the highest that is there, which may name none.
    let layers = [
        (variables, "WASMIGRATE_MIGRATIONS"),
        (file, "`migrations`"),
        (beside, "WASMIGRATE_MIGRATIONS in .env"),
    ];
    let highest = layers
        .into_iter()
        .find(|(table, _)| table.contains_key("migrations"));
    highest
        .filter(|(table, _)| names_it(table))
        .map(|(_, name)| name)
}

impl Config {
    /// What is for tenants, when there are directories for one.
    pub fn tenancy(&self, only_failed: bool) -> Option<TenancyOptions> {
        let sources = &self.sources;
        let directories = [
            &sources.single_migrations,
            &sources.tenant_migrations,
            &sources.single_scripts,
            &sources.tenant_scripts,
        ];
        if directories.iter().all(|directories| directories.is_empty()) {
            return None;
        }
        let statement = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let mut sources = Sources {
            base: sources.base.clone(),
            single_migrations: sources.single_migrations.clone(),
            tenant_migrations: sources.tenant_migrations.clone(),
            single_scripts: sources.single_scripts.clone(),
            tenant_scripts: sources.tenant_scripts.clone(),
            placeholder: sources.placeholder.clone(),
            order: sources.order,
        };
        let is_plain = !sources.are_for_tenants() && !self.is_migrators;
        if is_plain && sources.placeholder == SourcesConfig::default().placeholder {
            // There is no tenant for which it could stand.
            sources.placeholder.clear();
        }
        if self.is_migrators {
            sources.order = Some(SourceOrder::Names);
        }
        let mut tenants = self.tenants.clone();
        if is_plain && tenants.parallel == 0 && !tenants.is_atomic {
            // What holds for all tenants together has no meaning: each file is a transaction, as it is among `migrations`.
            tenants.parallel = 1;
        }
        Some(TenancyOptions {
            sources,
            tenant_select: statement(&self.tenants.select),
            tenant_insert: statement(&self.tenants.insert),
            strategy: tenants.strategy(only_failed),
        })
    }

    /// Where the seeds are that run, and those that do not.
    pub fn seeds(&self) -> Seeds {
        let directory = Some(self.seeds.clone()).filter(|seeds| !seeds.as_os_str().is_empty());
        Seeds {
            name: directory.as_deref().map(|seeds| self.name_of(seeds)),
            directory,
            elsewhere: self.all_seeds.clone(),
        }
    }

    /// What a directory of seeds is called in the journal: its path from the directory of the steps on where it stands in that,
    /// else from the directory of the settings on, so that it is the same wherever the project is.
    fn name_of(&self, seeds: &Path) -> String {
        let seeds = plain(seeds);
        if let Ok(inside) = seeds.strip_prefix(plain(&self.migrations)) {
            return slashed(inside);
        }
        match seeds.strip_prefix(plain(&self.directory)) {
            Ok(beside) => format!("../{}", slashed(beside)),
            Err(_) => slashed(&seeds),
        }
    }

    /// Refuses settings of which one would be passed over without a word.
    pub(super) fn check_steps(&mut self, migrations: Option<&'static str>) -> Result<(), Error> {
        if self.tenancy(false).is_none() {
            if self.tenants != TenantsConfig::default() {
                self.warnings.push(
                    "`[tenants]` has no effect: it is for the files of `[sources]`, which names no directories".to_owned(),
                );
            }
            if migrations.is_none()
                && let Some((beside, warning)) = paths::steps_beside(&self.directory)
            {
                self.migrations = beside;
                self.warnings.extend(warning);
            }
            return Ok(());
        }
        if !self.seeds.as_os_str().is_empty() {
            return Err(Error::SeedsBesideSources);
        }
        match migrations {
            Some(named) => self.refuse_steps_beside_sources(named),
            None => Ok(()),
        }
    }

    /// Refuses a directory of steps beside `[sources]`, under the name by which it was given.
    pub fn refuse_steps_beside_sources(&self, named: &str) -> Result<(), Error> {
        if self.tenancy(false).is_none() {
            return Ok(());
        }
        Err(Error::StepsBesideSources(format!(
            "{named} and `[sources]` both say where the steps are, and each has a list of its own in the journal. To run the files \
             of `[sources]`, leave out {named}; to run the steps of the directory, use settings without `[sources]` (another \
             `--config`)"
        )))
    }
}

/// A path from the root on, without `.` and `..`. Links stay as they are: where one leads may change with each release.
fn plain(path: &Path) -> PathBuf {
    // Without a working directory, what is relative stays so.
    let path = std::path::absolute(match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    })
    .unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

/// A path with the same signs between its parts everywhere.
fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|component| component.as_os_str().to_string_lossy())
        .collect();
    parts.join("/").replace("//", "/")
}
