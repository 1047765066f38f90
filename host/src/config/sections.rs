//! The sections of the file, one type each, with their defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalog::SourceOrder;
use crate::engine::{OnBadRow, RolloutStrategy, TransformOptions};
use crate::http::{Dialect, Role};
use crate::notifications::{Format, NotificationKind};

/// What holds for PostgreSQL alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// How long a statement waits for a lock. Then the step is rolled back, so that nobody queues up behind it, and tried
    /// again later.
    pub lock_timeout_milliseconds: u64,
    /// The role in whose name steps work; empty for that of the connection.
    pub role: String,
    /// The file whose whole content is the password; empty for none.
    pub password_file: PathBuf,
    /// The schema of the journal; empty for `wasmigrate`, or `wasmigrate_` and the migrated schema when that is not `public`.
    pub journal_schema: String,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            lock_timeout_milliseconds: 2_000,
            role: String::new(),
            password_file: PathBuf::new(),
            journal_schema: String::new(),
        }
    }
}

/// How the service tries again what failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// How often a step is tried, whatever it failed of; 1 for no more than `attempts` says, 0 for what clients of
    /// `/migrate/result` expect where that is enabled, and 1 elsewhere.
    pub attempts: u32,
    /// The pause before the second try; it doubles with each further one.
    pub delay_milliseconds: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts: 0,
            delay_milliseconds: 5_000,
        }
    }
}

/// How `serve` answers at `/migrate/result`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MigrateResultConfig {
    /// Whether it answers there at all.
    pub enabled: bool,
    /// The file with the token that the header `token` must carry; empty for none.
    pub token_file: PathBuf,
    /// The value of `Access-Control-Allow-Origin`, such as `*`; empty for none.
    pub allow_origin: String,
}

/// How notifications are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoticesConfig {
    /// How long one try may take, answer included.
    pub timeout_milliseconds: u64,
    /// How often the sending of one notification is tried.
    pub attempts: u32,
    /// The pause before the second try; it doubles with each further one.
    pub delay_milliseconds: u64,
    /// How long a run may tell nothing before it is called stalled.
    pub stalled_milliseconds: u64,
}

impl Default for NoticesConfig {
    fn default() -> Self {
        Self {
            timeout_milliseconds: 10_000,
            attempts: 5,
            delay_milliseconds: 1_000,
            stalled_milliseconds: 300_000,
        }
    }
}

/// Who gets notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// What it is called in metrics and logs.
    pub name: String,
    /// Where to send.
    pub url: String,
    /// What to tell.
    #[serde(default = "every_kind")]
    pub events: Vec<NotificationKind>,
    /// What is sent.
    #[serde(default)]
    pub format: Format,
    /// What is sent in its place: JSON with places for values; empty for none.
    #[serde(default)]
    pub template: String,
    /// The file with the secret that signs what is sent; empty for none.
    #[serde(default)]
    pub secret_file: PathBuf,
}

fn every_kind() -> Vec<NotificationKind> {
    NotificationKind::ALL.to_vec()
}

/// Who is asked before a finalize.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// The address that must answer 2xx; empty for none.
    pub before_finalize: String,
    /// The file with the secret that signs what is sent; empty for none.
    pub secret_file: PathBuf,
    /// How long the answer may take.
    pub timeout_milliseconds: u64,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            before_finalize: String::new(),
            secret_file: PathBuf::new(),
            timeout_milliseconds: 10_000,
        }
    }
}

/// Where traces are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesConfig {
    /// The address of a collector that takes OTLP over HTTP; empty for none.
    pub endpoint: String,
}

/// How transformations go about their work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransformConfig {
    /// How many workers go through a table at the same time; 0 for as many as there are processors.
    pub workers: u32,
    /// How long a chunk of rows should take, about.
    pub chunk_milliseconds: u64,
    /// The most rows in a second; 0 for no limit.
    pub max_rows_per_second: u64,
    /// How far a replica may be behind before the work pauses; 0 for any distance.
    pub max_replica_lag_seconds: u64,
    /// What becomes of a row that the function rejects: `fail` or `quarantine`.
    pub on_bad_row: OnBadRow,
    /// How many such rows are set aside before the step fails.
    pub max_bad_rows: u64,
}

impl Default for TransformConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            chunk_milliseconds: 200,
            max_rows_per_second: 0,
            max_replica_lag_seconds: 10,
            on_bad_row: OnBadRow::Fail,
            max_bad_rows: 100,
        }
    }
}

impl TransformConfig {
    /// The same for an engine.
    pub fn options(&self) -> TransformOptions {
        let set = |number: u64| (number > 0).then_some(number);
        TransformOptions {
            workers: usize::try_from(self.workers)
                .ok()
                .filter(|workers| *workers > 0),
            chunk: Duration::from_millis(self.chunk_milliseconds),
            max_rows_per_second: set(self.max_rows_per_second),
            max_replica_lag: set(self.max_replica_lag_seconds).map(Duration::from_secs),
            on_bad_row: self.on_bad_row,
            max_bad_rows: self.max_bad_rows,
            native: None,
        }
    }
}

/// Where the files are of a target that has tenants.
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
    /// What stands for the tenant's schema in SQL.
    pub placeholder: String,
    /// The order of the migrations, where their names leave it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<SourceOrder>,
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
            order: None,
        }
    }
}

/// How the tenants are found, and how a run goes from one to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantsConfig {
    /// A query whose first column is the tenants' names; empty for the host's own table.
    pub select: String,
    /// A statement that adds a tenant, whose name is `$1`; empty for the host's own table.
    pub insert: String,
    /// How many tenants are worked on at the same time, each file in a transaction of its own; 0 when all are one
    /// transaction.
    pub parallel: usize,
    /// When they are not: the tenants that come first, and must all succeed before any other begins.
    pub canaries: Vec<String>,
    /// When they are not: after how many failed tenants no further one begins; 0 for any number.
    pub stop_after: usize,
    /// Whether the command line asked for one transaction.
    #[serde(skip)]
    pub is_atomic: bool,
}

impl TenantsConfig {
    /// How a run goes from tenant to tenant.
    pub fn strategy(&self, only_failed: bool) -> RolloutStrategy {
        if self.parallel == 0 {
            return RolloutStrategy::Atomic;
        }
        RolloutStrategy::Parallel {
            workers: self.parallel,
            canaries: self.canaries.clone(),
            stop_after: (self.stop_after > 0).then_some(self.stop_after),
            only_failed,
        }
    }
}

/// What `test` uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TestConfig {
    /// The PostgreSQL server on which throw-away databases are made; empty for none.
    pub server: String,
    /// How long the crash points of a step may take in one place, about; 0 for as long as all of them do.
    pub crash_seconds: u64,
}

impl Default for TestConfig {
    fn default() -> Self {
        Self {
            server: String::new(),
            crash_seconds: 8,
        }
    }
}

/// A token of the service with a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// What the history calls its holder.
    pub name: String,
    /// What its holder may do: `read`, `operate` or `finalize`.
    pub role: Role,
    /// The file with the token; several, one a line, while one is replaced by another.
    pub token_file: PathBuf,
}

/// How `serve` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// The address to listen on.
    #[serde(deserialize_with = "super::listen::setting")]
    pub listen: SocketAddr,
    /// Another address, which answers how the service is and nothing else.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::listen::optional_setting"
    )]
    pub listen_health: Option<SocketAddr>,
    /// The dialect of `/internal/migrations`.
    pub dialect: Dialect,
    /// How long the answer to a command waits for the end of its work.
    pub answer_wait_milliseconds: u64,
    /// The file whose whole content is the password; empty for none.
    pub password_file: PathBuf,
    /// The file with the token; empty for none.
    pub token_file: PathBuf,
    /// The file with a token whose holder may look and give no commands; empty for none.
    pub read_token_file: PathBuf,
    /// The names that requests may have in `Host`, besides those of loopback addresses; empty for any name, but where the
    /// service is on a loopback address and has no secret or a well-known one.
    pub hosts: Vec<String>,
    /// Whether there is a well-known password when none is given, on loopback.
    pub development: bool,
    /// What is logged: `error`, `warn`, `info` or `debug`. The variable `RUST_LOG` wins over it.
    pub log_level: String,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9002)),
            listen_health: None,
            dialect: Dialect::default(),
            answer_wait_milliseconds: 200,
            password_file: PathBuf::new(),
            token_file: PathBuf::new(),
            read_token_file: PathBuf::new(),
            hosts: Vec::new(),
            development: false,
            log_level: "info".to_owned(),
        }
    }
}
