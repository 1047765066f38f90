//! Settings: from flags, then `WASMIGRATE_*` variables, then the file, then the defaults.
//!
//! Every setting of the file has a variable: `limits.memory_mib` is `WASMIGRATE_LIMITS_MEMORY_MIB`, a value for steps
//! `settings.region` is `WASMIGRATE_SETTINGS_REGION`. A variable or a key that is not known is an error, because a limit
//! with a misspelt name would silently not hold.

mod conninfo;
mod database;
mod migrator;
mod sections;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::catalog::Sources;
use crate::engine::{Retries, TenancyOptions};
use crate::sandbox::Limits;

pub use migrator::{MigratorConfig, effective};
pub use sections::{
    GateConfig, MigrateResultConfig, NoticesConfig, PostgresConfig, RetryConfig, ServeConfig,
    SourcesConfig, TenantsConfig, TestConfig, TracesConfig, TransformConfig, WebhookConfig,
};

/// The file that is read when no other is named.
pub const DEFAULT_FILE: &str = "wasmigrate.toml";

/// The tables of the file, all of whose keys have variables.
const SECTIONS: [&str; 14] = [
    "gate",
    "limits",
    "migrate_result",
    "migrator",
    "notices",
    "postgres",
    "retry",
    "serve",
    "settings",
    "sources",
    "tenants",
    "test",
    "traces",
    "transform",
];

/// How often clients of `/migrate/result` expect a failing step to be tried before they give up.
const EXPECTED_ATTEMPTS: u32 = 3;

const PREFIX: &str = "WASMIGRATE_";

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The target: `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// The directory of the steps.
    pub migrations: PathBuf,
    /// What `serve` answers at the paths of the tool *migrator*.
    pub migrator: MigratorConfig,
    /// The directory of the host's caches; empty for `wasmigrate` in the user's cache directory.
    pub cache: PathBuf,
    /// How often a step is tried that says that another try may help, or that finds the database busy.
    pub attempts: u32,
    /// How the service tries again what failed.
    pub retry: RetryConfig,
    /// Whether to refuse steps whose statements would hold up the application.
    pub strict: bool,
    /// How long a host that is not heard of keeps its lease.
    pub lease_seconds: u64,
    /// How long to wait for the lock of another writer of a SQLite file.
    pub lock_wait_seconds: u64,
    /// What holds for PostgreSQL alone.
    pub postgres: PostgresConfig,
    /// How `serve` answers.
    pub serve: ServeConfig,
    /// How transformations go about their work.
    pub transform: TransformConfig,
    /// How `serve` answers at `/migrate/result`.
    pub migrate_result: MigrateResultConfig,
    /// How notifications are sent.
    pub notices: NoticesConfig,
    /// Who gets notifications.
    pub webhook: Vec<WebhookConfig>,
    /// Who is asked before a finalize.
    pub gate: GateConfig,
    /// Where traces are sent.
    pub traces: TracesConfig,
    /// Where the files are of a target that has tenants, in the place of `migrations`.
    pub sources: SourcesConfig,
    /// How its tenants are found, and how a run goes from one to the next.
    pub tenants: TenantsConfig,
    /// What `test` uses.
    pub test: TestConfig,
    /// What components may use.
    pub limits: Limits,
    /// Values that are passed to the steps.
    pub settings: BTreeMap<String, String>,
    /// What in the file means nothing, for whoever starts the program.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// Whether the file is one of the tool *migrator*, whose history is then taken over by itself.
    #[serde(skip)]
    pub is_migrators: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: "sqlite:wasmigrate.db".to_owned(),
            migrations: PathBuf::from("migrations"),
            migrator: MigratorConfig::default(),
            cache: PathBuf::new(),
            attempts: 3,
            retry: RetryConfig::default(),
            strict: false,
            lease_seconds: 15,
            lock_wait_seconds: 5,
            postgres: PostgresConfig::default(),
            serve: ServeConfig::default(),
            transform: TransformConfig::default(),
            migrate_result: MigrateResultConfig::default(),
            notices: NoticesConfig::default(),
            webhook: Vec::new(),
            gate: GateConfig::default(),
            traces: TracesConfig::default(),
            sources: SourcesConfig::default(),
            tenants: TenantsConfig::default(),
            test: TestConfig::default(),
            limits: Limits::default(),
            settings: BTreeMap::new(),
            warnings: Vec::new(),
            is_migrators: false,
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the messages")]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {source}", .path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or a value that is not known.
    #[error("the configuration `{}`: {message}", .path.display())]
    File { path: PathBuf, message: String },
    /// A variable is not known or has a value that does not fit.
    #[error("the variable {name}: {message}")]
    Variable { name: String, message: String },
    /// There is no directory for caches.
    #[error("cannot tell the user's cache directory: set HOME, or pass `--cache DIR`")]
    NoCache,
    /// The lease is too short to be renewed in time.
    #[error("`lease_seconds` is {0}: a lease shorter than 3 seconds cannot be renewed in time")]
    ShortLease(u64),
    /// Nothing would ever be given.
    #[error(
        "`postgres.lock_timeout_milliseconds` is 0, which PostgreSQL takes for waiting without end: give a time"
    )]
    NoLockTimeout,
    /// Nothing would ever be tried.
    #[error("`attempts` is 0: a step must be tried at least once")]
    NoAttempts,
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
        Some(TenancyOptions {
            sources: Sources {
                base: sources.base.clone(),
                single_migrations: sources.single_migrations.clone(),
                tenant_migrations: sources.tenant_migrations.clone(),
                single_scripts: sources.single_scripts.clone(),
                tenant_scripts: sources.tenant_scripts.clone(),
                placeholder: sources.placeholder.clone(),
            },
            tenant_select: statement(&self.tenants.select),
            tenant_insert: statement(&self.tenants.insert),
            strategy: self.tenants.strategy(only_failed),
        })
    }

    /// How the service tries again what failed.
    pub fn service_retries(&self) -> Retries {
        let attempts = match (self.retry.attempts, self.migrate_result.enabled) {
            (0, true) => EXPECTED_ATTEMPTS,
            (attempts, _) => attempts,
        };
        match attempts {
            0 | 1 => Retries::brief(self.attempts),
            _ => {
                let delay = Duration::from_millis(self.retry.delay_milliseconds);
                Retries::patient(attempts, delay)
            }
        }
    }

    /// Reads the file (the default one may be missing, one that is named may not) and the variables. A file that ends in
    /// `.yaml` or `.yml` has the form of the tool *migrator*.
    pub fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let all: BTreeMap<String, String> = variables.collect();
        let variables = all.iter().filter(|(name, _)| name.starts_with(PREFIX));
        let named = file
            .map(Path::to_owned)
            .or_else(|| all.get("WASMIGRATE_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(default_file);
        let mut warnings = Vec::new();
        let is_migrators = migrator::is_one(&path);
        let mut table = match std::fs::read_to_string(&path) {
            Ok(text) if is_migrators => {
                let failed = |message| Error::File {
                    path: path.clone(),
                    message,
                };
                let table;
                (table, warnings) =
                    migrator::read(&text, &|name| all.get(name).cloned()).map_err(failed)?;
                table
            }
            Ok(text) => parse(&path, &text)?,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Table::new()
            }
            Err(source) => return Err(Error::Read { path, source }),
        };
        let defaults = Table::try_from(Self::default()).map_err(|error| Error::File {
            path: path.clone(),
            message: error.to_string(),
        })?;
        for (name, text) in variables {
            if name != "WASMIGRATE_CONFIG" {
                set(&mut table, &defaults, name, text)?;
            }
        }
        let mut config: Self = table.try_into().map_err(|error| Error::File {
            path,
            message: error.to_string(),
        })?;
        config.warnings = warnings;
        config.is_migrators = is_migrators;
        config.settle_cache()?;
        if config.lease_seconds < 3 {
            return Err(Error::ShortLease(config.lease_seconds));
        }
        if config.postgres.lock_timeout_milliseconds == 0 {
            return Err(Error::NoLockTimeout);
        }
        if config.attempts == 0 {
            return Err(Error::NoAttempts);
        }
        Ok(config)
    }
}

impl Config {
    /// Names the directory of caches where none was named.
    pub fn settle_cache(&mut self) -> Result<(), Error> {
        if self.cache.as_os_str().is_empty() {
            self.cache = user_cache().ok_or(Error::NoCache)?;
        }
        Ok(())
    }
}

/// Our own file, but for a directory that has only the other tool's.
fn default_file() -> PathBuf {
    let other = Path::new(migrator::DEFAULT_FILE);
    match !Path::new(DEFAULT_FILE).exists() && other.exists() {
        true => other.to_owned(),
        false => PathBuf::from(DEFAULT_FILE),
    }
}

/// Reads the file twice: as settings, for errors with line and column, and as a table to lay variables over.
fn parse(path: &Path, text: &str) -> Result<Table, Error> {
    let failed = |error: toml::de::Error| Error::File {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    toml::from_str::<Config>(text).map_err(failed)?;
    toml::from_str(text).map_err(failed)
}

/// Puts a variable's value where its name says.
fn set(table: &mut Table, defaults: &Table, name: &str, text: &str) -> Result<(), Error> {
    let unknown = || Error::Variable {
        name: name.to_owned(),
        message: "there is no such setting; see docs/configuration.md".to_owned(),
    };
    let key = name
        .strip_prefix(PREFIX)
        .ok_or_else(unknown)?
        .to_ascii_lowercase();
    let (section, key) = SECTIONS
        .iter()
        .find_map(|section| {
            let rest = key.strip_prefix(section)?.strip_prefix('_')?;
            Some((Some(*section), rest.to_owned()))
        })
        .unwrap_or((None, key));
    let (table, defaults) = match section {
        None => (table, Some(defaults)),
        Some(section) => (
            table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .ok_or_else(unknown)?,
            defaults.get(section).and_then(Value::as_table),
        ),
    };
    let value = match (section, defaults.and_then(|defaults| defaults.get(&key))) {
        (Some("settings"), _) | (_, Some(Value::String(_))) => Value::String(text.to_owned()),
        (_, Some(Value::Integer(_))) => {
            Value::Integer(text.parse().map_err(|_| Error::Variable {
                name: name.to_owned(),
                message: format!("`{text}` is no whole number"),
            })?)
        }
        (_, Some(Value::Boolean(_))) => {
            Value::Boolean(text.parse().map_err(|_| Error::Variable {
                name: name.to_owned(),
                message: format!("`{text}` is neither `true` nor `false`"),
            })?)
        }
        (Some("sources" | "tenants"), Some(Value::Array(_))) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| Value::String(name.to_owned()))
                .collect(),
        ),
        _ => return Err(unknown()),
    };
    table.insert(key, value);
    Ok(())
}

/// `$XDG_CACHE_HOME/wasmigrate`, or `~/.cache/wasmigrate`:
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("wasmigrate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wasmigrate.toml");
        std::fs::write(&path, file).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(Some(&path), variables).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_win_over_the_file_and_the_file_over_the_defaults() {
        let config = load(
            "attempts = 5\n[limits]\nmemory_mib = 64\n[settings]\nregion = \"north\"\n",
            &[
                ("WASMIGRATE_LIMITS_MEMORY_MIB", "32"),
                ("WASMIGRATE_SETTINGS_COLOUR", "red"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.attempts, 5);
        assert_eq!(config.limits.memory_mib, 32);
        assert_eq!(config.limits.stack_kib, Limits::default().stack_kib);
        assert_eq!(config.settings["region"], "north");
        assert_eq!(config.settings["colour"], "red");
    }

    #[test]
    fn what_is_not_known_is_an_error_that_says_where() {
        let error = load("[limits]\nmemory = 5\n", &[]).unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("memory_mib"),
            "{error}"
        );
        let error = load("", &[("WASMIGRATE_LIMITS_MEMROY_MIB", "1")]).unwrap_err();
        assert!(error.contains("WASMIGRATE_LIMITS_MEMROY_MIB"), "{error}");
        let error = load("", &[("WASMIGRATE_ATTEMPTS", "many")]).unwrap_err();
        assert!(error.contains("`many` is no whole number"), "{error}");
    }
}
