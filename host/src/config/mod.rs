//! Settings: from flags, then `WASMIGRATE_*` variables, then the file with its chosen environment, then `.env`, then the defaults. The target is also
//! looked for in `DATABASE_URL`, before `.env`.
//!
//! Every setting of the file has a variable: `limits.memory_mib` is `WASMIGRATE_LIMITS_MEMORY_MIB`, a value for steps
//! `settings.region` is `WASMIGRATE_SETTINGS_REGION`. A variable or a key that is not known is an error, because a limit
//! with a misspelt name would silently not hold.

mod conninfo;
mod database;
mod dotenv;
mod environment;
mod fuzzing;
mod listen;
mod migrator;
mod paths;
mod reference;
mod secrets;
mod sections;
mod service_links;
mod steps;
mod substitute;
mod variables;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::engine::{Retries, RunRelease};
use crate::output::without_secrets;
use crate::releases::RegistryConfig;
use crate::sandbox::Limits;

use dotenv::Dotenv;
pub use fuzzing::read_foreign;
pub(crate) use listen::address as listen_address;
pub use migrator::{MigratorConfig, effective};
pub use secrets::open_secret;
use secrets::without_value;
pub use sections::{
    GateConfig, MigrateResultConfig, NoticesConfig, PostgresConfig, RetryConfig, ServeConfig,
    SourcesConfig, TenantsConfig, TestConfig, TokenConfig, TracesConfig, TransformConfig,
    WebhookConfig,
};

/// The file that is read when no other is named.
pub const DEFAULT_FILE: &str = "wasmigrate.toml";

/// How often clients of `/migrate/result` expect a failing step to be tried before they give up.
const EXPECTED_ATTEMPTS: u32 = 3;

/// The variable that chooses an environment.
pub const ENVIRONMENT: &str = "WASMIGRATE_ENV";

/// The variable of the file with the password of the service, as other services of its kind have it.
pub const PASSWORD_FILE: &str = "INTERNAL_AUTH_PASSWORD_FILE";

/// The variable of the target.
const DATABASE: &str = "WASMIGRATE_DATABASE";

/// Where many tools look for the database.
const DATABASE_URL: &str = "DATABASE_URL";

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The target: `sqlite:PATH` or `postgres://…`; empty when none is named.
    pub database: String,
    /// Whether a SQLite file is made that is not there.
    pub create: bool,
    /// The directory of the steps.
    pub migrations: PathBuf,
    /// The directory of the seeds that run after the steps; empty for none.
    pub seeds: PathBuf,
    /// The directories of seeds that the file names for any environment.
    #[serde(skip)]
    pub all_seeds: Vec<PathBuf>,
    /// The same of steps.
    #[serde(skip)]
    pub all_migrations: Vec<PathBuf>,
    /// What `serve` answers at the paths of the tool *migrator*.
    pub migrator: MigratorConfig,
    /// The file to which a command that changed something writes the schema; empty for none.
    pub schema_file: PathBuf,
    /// The directory of the host's caches; empty for `wasmigrate` in the user's cache directory.
    pub cache: PathBuf,
    /// How often a step is tried that says that another try may help, or that finds the database busy.
    pub attempts: u32,
    /// How the service tries again what failed.
    pub retry: RetryConfig,
    /// Whether to refuse steps whose statements would hold up the application.
    pub strict: bool,
    /// Whether steps may run that come before one that was applied.
    pub out_of_order: bool,
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
    /// Tokens of the service that have names of their own.
    pub token: Vec<TokenConfig>,
    /// Who is asked before a finalize.
    pub gate: GateConfig,
    /// Where traces are sent.
    pub traces: TracesConfig,
    /// The file of rules that say who must have signed a release; empty for none.
    pub trust: PathBuf,
    /// How registries are reached, by their hosts.
    pub registry: BTreeMap<String, RegistryConfig>,
    /// Where the files are of a target that has tenants, in the place of `migrations`.
    pub sources: SourcesConfig,
    /// How its tenants are found, and how a run goes from one to the next.
    pub tenants: TenantsConfig,
    /// What `test` uses.
    pub test: TestConfig,
    /// What components may use.
    pub limits: Limits,
    /// Whether those values are put into steps made of SQL, too.
    pub placeholders: bool,
    /// Values that are passed to the steps.
    pub settings: BTreeMap<String, String>,
    /// The environments: what is laid over the file when one is chosen.
    #[serde(skip_serializing)]
    pub env: BTreeMap<String, Self>,
    /// The environment that is in force.
    #[serde(skip)]
    pub environment: Option<String>,
    /// Where the target is named.
    #[serde(skip)]
    pub database_origin: String,
    /// Why no target is named, where `.env` would name one.
    #[serde(skip)]
    pub database_fault: Option<String>,
    /// The variables that `.env` has.
    #[serde(skip)]
    pub beside: BTreeMap<String, String>,
    /// The file that was read, or would be if it was there.
    #[serde(skip)]
    pub file: PathBuf,
    /// The directory of the file, where its paths begin.
    #[serde(skip)]
    pub directory: PathBuf,
    /// What in the file means nothing, for whoever starts the program.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// The release that `migrations` holds, when it was named as one.
    #[serde(skip)]
    pub release: Option<RunRelease>,
    /// Whether the file is one of the tool *migrator*, whose history is then taken over by itself.
    #[serde(skip)]
    pub is_migrators: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: String::new(),
            create: false,
            migrations: PathBuf::from("migrations"),
            seeds: PathBuf::new(),
            all_seeds: Vec::new(),
            all_migrations: Vec::new(),
            migrator: MigratorConfig::default(),
            schema_file: PathBuf::new(),
            cache: PathBuf::new(),
            attempts: 3,
            retry: RetryConfig::default(),
            strict: false,
            out_of_order: false,
            lease_seconds: 15,
            lock_wait_seconds: 5,
            postgres: PostgresConfig::default(),
            serve: ServeConfig::default(),
            transform: TransformConfig::default(),
            migrate_result: MigrateResultConfig::default(),
            notices: NoticesConfig::default(),
            webhook: Vec::new(),
            token: Vec::new(),
            gate: GateConfig::default(),
            traces: TracesConfig::default(),
            trust: PathBuf::new(),
            registry: BTreeMap::new(),
            sources: SourcesConfig::default(),
            tenants: TenantsConfig::default(),
            test: TestConfig::default(),
            limits: Limits::default(),
            placeholders: false,
            settings: BTreeMap::new(),
            env: BTreeMap::new(),
            environment: None,
            database_origin: String::new(),
            database_fault: None,
            beside: BTreeMap::new(),
            file: PathBuf::new(),
            directory: PathBuf::new(),
            warnings: Vec::new(),
            release: None,
            is_migrators: false,
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the messages")]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {cause}", .path.display())]
    Read {
        path: PathBuf,
        cause: std::io::Error,
    },
    /// The file is not TOML, or has a key or a value that is not known.
    #[error("the configuration `{}`: {message}", .path.display())]
    File { path: PathBuf, message: String },
    /// A variable is not known or has a value that does not fit.
    #[error("the variable {name}: {message}")]
    Variable { name: String, message: String },
    /// The lease is too short to be renewed in time.
    #[error("`lease_seconds` is {0}: a lease shorter than 3 seconds cannot be renewed in time")]
    ShortLease(u64),
    /// Files of sources are named otherwise.
    #[error(
        "`seeds` is for steps of one directory: where there are `[sources]`, name the directory of seeds among \
         `single_migrations` or `tenant_migrations` of the environment that is to have them"
    )]
    SeedsBesideSources,
    /// Only one of them can say where the steps are.
    #[error("{0}")]
    StepsBesideSources(String),
    /// Nothing would ever be given.
    #[error(
        "`postgres.lock_timeout_milliseconds` is 0, which PostgreSQL takes for waiting without end: give a time"
    )]
    NoLockTimeout,
    /// The server would cut the name of the journal's schema.
    #[error(
        "{origin}: `postgres.journal_schema` has {bytes} bytes: PostgreSQL's names have at most {}, and no NUL",
        database::MOST_NAME_BYTES
    )]
    JournalSchema { origin: String, bytes: usize },
    /// Nothing would ever be tried.
    #[error("`attempts` is 0: a step must be tried at least once")]
    NoAttempts,
}

impl Config {
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

    /// Reads the file (the default one may be missing, one that is named may not) and the variables, and beneath them
    /// `DATABASE_URL` and `.env`. A file that ends in `.yaml` or `.yml` has the form of the tool *migrator*.
    pub fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let all: BTreeMap<String, String> = variables.collect();
        let beside = dotenv::read(&|name| all.get(name).cloned()).map_err(|cause| {
            let path = PathBuf::from(dotenv::FILE);
            Error::Read { path, cause }
        })?;
        let variable = |name: &str| all.get(name).cloned().or_else(|| beside.get(name));
        let named = file
            .map(Path::to_owned)
            .or_else(|| paths::named_by_variable(variable));
        beside.settle(Path::new(dotenv::FILE), Ok(()))?;
        let path = named.clone().unwrap_or_else(paths::default_file);
        let mut warnings = Vec::new();
        let (mut all_seeds, mut all_migrations) = (Vec::new(), Vec::new());
        let is_migrators = migrator::is_one(&path);
        let failed = |message: String| Error::File {
            path: path.clone(),
            message: without_secrets(&message),
        };
        let environment = variable(ENVIRONMENT).filter(|name| !name.is_empty());
        let mut from_file = match crate::input::read_text(&path) {
            Ok(text) if is_migrators => {
                environment::refuse(environment.as_deref()).map_err(failed)?;
                let asked = RefCell::new(BTreeSet::new());
                let noted = |name: &str| {
                    asked.borrow_mut().insert(name.to_owned());
                    variable(name)
                };
                let table;
                (table, warnings) = beside.settle(&path, migrator::read(&text, &noted))?;
                if named.is_none() {
                    warnings.push(migrator::found(&asked.into_inner()));
                }
                table
            }
            Ok(text) => {
                let mut table = parse(&path, &text)?;
                let directory = path.parent().unwrap_or(Path::new(""));
                all_seeds.extend(environment::directories(&table, "seeds", directory));
                all_migrations.extend(environment::directories(&table, "migrations", directory));
                environment::choose(&mut table, environment.as_deref()).map_err(failed)?;
                beside.settle(&path, substitute::substitute(&mut table, &variable))?;
                paths::begin_at(&mut table, directory);
                table
            }
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                environment::refuse(environment.as_deref()).map_err(failed)?;
                Table::new()
            }
            Err(_) if path.is_dir() => {
                let message = format!(
                    "it is a directory: name the file in it, `{}`",
                    path.join(DEFAULT_FILE).display()
                );
                return Err(Error::File { path, message });
            }
            Err(cause) => return Err(Error::Read { path, cause }),
        };
        let defaults =
            Table::try_from(Self::default()).map_err(|error| failed(error.to_string()))?;
        let mut links = Vec::new();
        let mut from_variables = Table::new();
        variables::set_all(&mut from_variables, &defaults, &all, &mut links)?;
        let mut table = Table::new();
        variables::set_all(&mut table, &defaults, &beside.variables, &mut links)?;
        if let Some(fault) = beside.fault_of_ours(&all) {
            return Err(Dotenv::error(fault));
        }
        if !links.is_empty() {
            warnings.push(format!(
                "variables of a Kubernetes service are no settings and are passed over: {}",
                links.join(", ")
            ));
        }
        let url = |variables: &BTreeMap<String, String>| {
            let url = variables.get(DATABASE_URL).filter(|url| !url.is_empty());
            url.map(|url| Value::String(url.clone()))
        };
        let has_database = |table: &Table| {
            table
                .get("database")
                .and_then(Value::as_str)
                .is_some_and(|url| !url.is_empty())
        };
        let file_name = path.display().to_string();
        let mut fault = None;
        let origin = if has_database(&from_variables) {
            DATABASE
        } else if has_database(&from_file) {
            &file_name
        } else if let Some(url) = url(&all) {
            from_file.insert("database".to_owned(), url);
            DATABASE_URL
        } else if let Some(why) = beside.faults.get(DATABASE) {
            fault = Some(why);
            ""
        } else if has_database(&table) {
            "WASMIGRATE_DATABASE in .env"
        } else if let Some(url) = url(&beside.variables) {
            table.insert("database".to_owned(), url);
            "DATABASE_URL in .env"
        } else {
            fault = beside.faults.get(DATABASE_URL);
            ""
        }
        .to_owned();
        let migrations = steps::named(&from_variables, &from_file, &table);
        let journal_schema = database::journal_schema(&from_variables, &from_file, file_name);
        variables::lay_over(&mut table, from_file);
        variables::lay_over(&mut table, from_variables);
        let mut config: Self = table
            .try_into()
            .map_err(|error: toml::de::Error| failed(error.to_string()))?;
        warnings.extend(beside.warning.clone());
        config.warnings = warnings;
        config.database_fault = fault.map(|fault| Dotenv::error(fault).to_string());
        if config.serve.password_file.as_os_str().is_empty()
            && let Some(file) = variable(PASSWORD_FILE).filter(|file| !file.is_empty())
        {
            config.serve.password_file = PathBuf::from(file);
        }
        beside.settle(Path::new(dotenv::FILE), Ok(()))?;
        (config.all_seeds, config.all_migrations) = (all_seeds, all_migrations);
        config.is_migrators = is_migrators;
        config.environment = environment;
        config.database_origin = origin;
        config.directory = path.parent().unwrap_or(Path::new("")).to_owned();
        config.file = path;
        config.beside = beside.variables;
        config.settle_cache();
        config.check_steps(migrations)?;
        if migrations.is_some() || config.migrations.is_dir() {
            config.all_migrations.push(config.migrations.clone());
        }
        if config.lease_seconds < 3 {
            return Err(Error::ShortLease(config.lease_seconds));
        }
        if config.postgres.lock_timeout_milliseconds == 0 {
            return Err(Error::NoLockTimeout);
        }
        config.check_journal_schema(journal_schema)?;
        if config.attempts == 0 {
            return Err(Error::NoAttempts);
        }
        Ok(config)
    }
}

impl Config {
    /// Names the directory of caches where none was named. A user without a home has none.
    pub fn settle_cache(&mut self) {
        if self.cache.as_os_str().is_empty() {
            self.cache = paths::user_cache().unwrap_or_default();
        }
    }
}

/// Reads the file twice: as settings, for errors with line and column, and as a table to lay variables over. What stands in
/// the line may be a password, and is not quoted.
fn parse(path: &Path, text: &str) -> Result<Table, Error> {
    let failed = |error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let place = before.map_or_else(String::new, |before| {
            let line = 1 + before.matches('\n').count();
            let column = 1 + before
                .chars()
                .rev()
                .take_while(|letter| *letter != '\n')
                .count();
            format!("line {line}, column {column}: ")
        });
        Error::File {
            path: path.to_owned(),
            message: format!("{place}{}", without_value(error.message().trim_end())),
        }
    };
    toml::from_str::<Config>(text).map_err(failed)?;
    toml::from_str(text).map_err(failed)
}

#[cfg(test)]
mod tests;
