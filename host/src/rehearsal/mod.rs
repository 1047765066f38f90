//! Steps, proven on throw-away databases before they meet real data: `wasmigrate test`.
//!
//! A component can act only through the host, so that the host can prove what it does with no help from its author, and a
//! step in SQL all the same. A [`Rehearsal`] takes each step to throw-away databases (`scratch`), one for each kind of
//! database and each fixture (`fixture`), and tries it there undisturbed (`trials`, `trial`). Then the same again, disturbed: the host dies
//! in the middle, rows come in another order or in small batches, a reset comes between (`injector`, `checks`). Contents are
//! compared whole (`snapshot`). What was found is a [`Report`].
//!
//! Everything goes through the engine that runs steps in earnest: this room knows no component and no statement of a step.
//!
//! ```no_run
//! let report = wasmigrate::rehearsal::Rehearsal::of("migrations")
//!     .fixture("tests/people.sql")
//!     .run()?;
//! assert!(report.has_passed(), "{}", report.complaints());
//! # Ok::<(), wasmigrate::rehearsal::Error>(())
//! ```

mod against;
mod baseline;
mod chains;
mod checks;
mod declarations;
mod expected;
mod fixture;
mod generate;
mod injected_coordination;
mod injected_session;
mod injection;
mod injector;
mod junit;
mod owner;
mod parallel;
mod points;
mod report;
mod rules;
mod scratch;
mod selection;
mod shape;
mod snapshot;
mod squash;
mod summaries;
mod trial;
mod trials;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalog::{self, Allowances, Catalog, Seeds, label_of_file};
use crate::config::Config;
use crate::database::{Database as _, Kind, Location, Postgres, SessionLimits, Sqlite, Stop};
use crate::engine::{self, Engine, Replacement, Retries, TransformOptions};
use scratch::ScratchServer;
use snapshot::counted;
use trials::Trials;

pub use junit::junit;
pub use report::{Check, CheckReport, Finding, Report, StepReport, Verdict};
pub use rules::Rule;
pub use scratch::SCRATCH_PREFIX;
pub use squash::Squashed;

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The steps cannot be read.
    #[error("{0}")]
    Steps(#[from] catalog::Error),
    /// There is no such step.
    #[error("there is no step {name} in `{}`: pass its index, its name, or its file", .directory.display())]
    NoStep {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// A fixture, or what is expected of it, cannot be used.
    #[error("{0}")]
    Fixture(String),
    /// The settings make no sense.
    #[error("{0}")]
    Settings(String),
    /// Something around the step went wrong.
    #[error("{0}")]
    Setup(String),
    /// The operator did not want to wait.
    #[error("cancelled; nothing was left behind")]
    Cancelled,
}

/// Tries steps on throw-away databases.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    migrations: PathBuf,
    config: Config,
    step: Option<String>,
    fixtures: Vec<PathBuf>,
    postgres: Option<String>,
    is_without_sqlite: bool,
    accept: bool,
    seed: Option<u64>,
    deny: Vec<Rule>,
    allow: Option<Vec<Rule>>,
    against: Option<String>,
    stop: Stop,
}

impl Rehearsal {
    /// Of the steps in a directory, on SQLite, with the settings' defaults.
    pub fn of(migrations: impl Into<PathBuf>) -> Self {
        Self {
            migrations: migrations.into(),
            ..Self::default()
        }
    }

    /// Takes limits and the values for steps from a configuration.
    #[must_use]
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Tries one step alone, by its index or its name.
    #[must_use]
    pub fn step(mut self, name: impl Into<String>) -> Self {
        self.step = Some(name.into());
        self
    }

    /// Tries steps on this fixture, too, beside those in the directory `fixtures` of the steps.
    #[must_use]
    pub fn fixture(mut self, path: impl Into<PathBuf>) -> Self {
        self.fixtures.push(path.into());
        self
    }

    /// Tries steps on PostgreSQL, too, on a server where databases may be made.
    #[must_use]
    pub fn on_postgres(mut self, url: impl Into<String>) -> Self {
        self.postgres = Some(url.into());
        self
    }

    /// Leaves SQLite out.
    #[must_use]
    pub fn without_sqlite(mut self) -> Self {
        self.is_without_sqlite = true;
        self
    }

    /// Writes the results beside the fixtures, as what is expected from now on.
    #[must_use]
    pub fn accepting(mut self) -> Self {
        self.accept = true;
        self
    }

    /// Makes the rows that another run made.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Says what a step may not do.
    #[must_use]
    pub fn deny(mut self, rule: Rule) -> Self {
        self.deny.push(rule);
        self
    }

    /// Says all that steps may do.
    #[must_use]
    pub fn allow_only(mut self, rules: Vec<Rule>) -> Self {
        self.allow = Some(rules);
        self
    }

    /// Tries the steps on real data, too, on the target with this URL: on PostgreSQL in a transaction that is rolled back, of
    /// a SQLite file on a copy.
    #[must_use]
    pub fn against(mut self, url: impl Into<String>) -> Self {
        self.against = Some(url.into());
        self
    }

    /// Ends it when `stop` is cancelled.
    #[must_use]
    pub fn stopping(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Tries the steps. Blocks until all is done; must not be called from within an asynchronous runtime.
    pub fn run(&self) -> Result<Report, Error> {
        let began = Instant::now();
        let mut servers = Vec::new();
        if !self.is_without_sqlite {
            servers.push(Arc::new(ScratchServer::of_files(self.limits())?));
        }
        if let Some(url) = &self.postgres {
            servers.push(Arc::new(ScratchServer::on_server(self.server(url)?)));
        }
        if servers.is_empty() {
            return Err(Error::Settings(
                "no database to try steps on was named".to_owned(),
            ));
        }
        let target = self
            .against
            .as_deref()
            .map(|url| self.target(url))
            .transpose()?;
        let seed = self.seed.unwrap_or_else(random_seed);
        let mut trials = Trials::begin(self, servers.clone())?;
        let mut reports = Vec::new();
        if self.step.is_none() {
            reports.extend(self.prove_baseline(&servers)?);
        }
        for index in trials.chosen.clone() {
            reports.push(trials.try_step(index, seed)?);
            if self.stop.is_cancelled() {
                return Err(Error::Cancelled);
            }
        }
        if let (Some(target), Some(last), Some(report)) =
            (&target, trials.chosen.last(), reports.last_mut())
        {
            let part = against::check(&trials.engine, target, *last, self.limits(), &self.stop)?;
            let summary = match part.tried {
                0 => "nothing is pending there".to_owned(),
                steps => format!(
                    "{} tried, and rolled back",
                    counted(steps, "pending step", "pending steps")
                ),
            };
            report.checks.push(part.report(Check::Against, summary));
        }
        Ok(Report {
            steps: reports,
            seed,
            milliseconds: milliseconds(began.elapsed()),
        })
    }

    fn limits(&self) -> SessionLimits {
        self.config.session_limits()
    }

    /// The target with real data that a URL names.
    fn target(&self, url: &str) -> Result<Location, Error> {
        match self.locate(url)? {
            Location::File(file) if !file.is_there() => Err(Error::Settings(format!(
                "there is no file `{}` to try steps against",
                file.name().trim_start_matches("sqlite:")
            ))),
            location => Ok(location),
        }
    }

    fn server(&self, url: &str) -> Result<Postgres, Error> {
        match self.locate(url)? {
            Location::Server(server) => Ok(server),
            Location::File(_) => Err(Error::Settings(
                "the server to try steps on must be given as postgres://USER@HOST/NAME".to_owned(),
            )),
        }
    }

    fn locate(&self, url: &str) -> Result<Location, Error> {
        let mut settings = self.config.database_settings();
        // What a role may do on the target says nothing of a throw-away database.
        settings.postgres.role = None;
        Location::parse(url, &settings).map_err(Error::Settings)
    }

    /// Seeds are no steps to be proven: those that stand among the steps are passed over.
    fn seeds(&self) -> Seeds {
        Seeds {
            elsewhere: self.config.all_seeds.clone(),
            ..Seeds::default()
        }
    }

    /// The kind of database for which all steps are, where they are not for several.
    pub fn only_kind(&self) -> Option<Kind> {
        let has_steps = |kind: &Kind| {
            Catalog::scan(&self.migrations, *kind, &self.seeds())
                .is_ok_and(|catalog| !catalog.steps.is_empty() || !catalog.baselines.is_empty())
        };
        let mut kinds = Kind::ALL.into_iter().filter(has_steps);
        kinds.next().filter(|_| kinds.next().is_none())
    }

    /// Each step is tried by itself; where steps are in a baseline alone, those after it begin with that.
    fn first_baseline(&self) -> Option<u64> {
        let lacks_steps = |kind: Kind| {
            Catalog::scan(&self.migrations, kind, &self.seeds())
                .is_ok_and(|catalog| catalog.lacks_squashed_steps())
        };
        let lacks_steps = Kind::ALL.into_iter().any(lacks_steps);
        lacks_steps.then_some(u64::MAX)
    }

    /// An engine for the steps; each trial gives it a target of its own.
    fn engine(&self) -> Result<Engine, Error> {
        let mut config = self.config.clone();
        config.settle_cache();
        let options = engine::Options {
            migrations: self.migrations.clone(),
            baselines: self.first_baseline(),
            seeds: self.seeds(),
            cache: config.cache,
            limits: config.limits,
            settings: Arc::new(config.settings),
            placeholders: config.placeholders,
            // A second try would hide that the first did not succeed.
            retries: Retries::brief(1),
            // No run lasts so long that the lease would have to be renewed.
            lease: Duration::from_secs(24 * 60 * 60),
            allowances: Allowances::default(),
            wait: true,
            strict: false,
            last: None,
            transform: TransformOptions {
                // So that a run is cut off at the same point each time.
                workers: Some(1),
                ..config.transform.options()
            },
            replacement: Replacement::Refuse,
            gate: None,
            tenancy: None,
            release: self.config.release.clone(),
            commander: crate::journal::Commander::of_this_process(),
            request: None,
            hears_cancels: false,
        };
        Ok(Engine::new(Arc::new(Sqlite::empty(self.limits())), options))
    }
}

/// The directory and the step that a path names: the step's file, or the directory of steps.
pub fn located(path: &Path) -> Option<(PathBuf, Option<String>)> {
    if path.is_dir() {
        return Some((path.to_owned(), None));
    }
    if !path.is_file() {
        return None;
    }
    let name = path.file_name()?.to_string_lossy();
    let step = label_of_file(&name).unwrap_or_else(|| name.into_owned());
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    Some((parent.unwrap_or(Path::new(".")).to_owned(), Some(step)))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish() & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new database is what a check costs most on a server.
    #[test]
    fn small_steps_are_tried_on_few_databases() {
        let migrations = tempfile::tempdir().unwrap();
        let write =
            |name: &str, sql: &str| std::fs::write(migrations.path().join(name), sql).unwrap();
        write(
            "0001_user.sql",
            "-- wasmigrate:migrate\nCREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT);
             -- wasmigrate:reset\nDROP TABLE user;",
        );
        write(
            "0002_nick.sql",
            "-- wasmigrate:migrate\nALTER TABLE user ADD COLUMN nick TEXT; UPDATE user SET nick = name;
             -- wasmigrate:reset\nALTER TABLE user DROP COLUMN nick;",
        );
        let config = Config {
            cache: migrations.path().join("cache"),
            ..Config::default()
        };
        let rehearsal = Rehearsal::of(migrations.path()).with_config(config);
        let server = Arc::new(ScratchServer::of_files(rehearsal.limits()).unwrap());
        let mut trials = Trials::begin(&rehearsal, vec![Arc::clone(&server)]).unwrap();
        for index in trials.chosen.clone() {
            let report = trials.try_step(index, 1).unwrap();
            let failed = |check: &CheckReport| check.verdict == Verdict::Failed;
            assert!(!report.checks.iter().any(failed), "{report:?}");
        }
        // They are numbered.
        let next = server.make().unwrap();
        let name = next.file().unwrap().file_stem().unwrap();
        let made: u32 = name.to_str().unwrap().parse().unwrap();
        assert!(made <= 8, "{made}");
    }

    /// As a project would do it for its own steps.
    #[test]
    fn the_steps_of_a_project_are_right() {
        let migrations = tempfile::tempdir().unwrap();
        let write =
            |name: &str, sql: &str| std::fs::write(migrations.path().join(name), sql).unwrap();
        write(
            "0001_user.sql",
            "CREATE TABLE user (id INTEGER PRIMARY KEY);",
        );
        let config = Config {
            cache: migrations.path().join("cache"),
            ..Config::default()
        };
        let rehearsal = Rehearsal::of(migrations.path()).with_config(config);
        let report = rehearsal.run().unwrap();
        assert!(!report.has_passed());
        assert!(
            report
                .complaints()
                .contains("it has no section `-- wasmigrate:reset`")
        );

        write("0001_user.test.toml", "reversible = false\n");
        let report = rehearsal.run().unwrap();
        assert!(report.has_passed(), "{}", report.complaints());
    }
}
