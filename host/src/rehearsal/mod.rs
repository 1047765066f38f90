//! Steps, proven on throw-away databases before they meet real data: `wasmigrate test`.
//!
//! A component can act only through the host, so that the host can prove what it does with no help from its author, and a
//! step in SQL all the same. A [`Rehearsal`] takes each step to throw-away databases (`throwaway`), one for each kind of
//! database and each fixture (`fixture`), and tries it there undisturbed (`trial`). Then the same again, disturbed: the host dies
//! in the middle, rows come in another order or in small batches, a reset comes between (`watched`, `checks`). Contents are
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
mod checks;
mod declarations;
mod expected;
mod fixture;
mod generate;
mod junit;
mod parallel;
mod report;
mod rules;
mod shape;
mod snapshot;
mod throwaway;
mod trial;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalog::{self, Allowances, Catalog, StepFile, StepKind};
use crate::config::Config;
use crate::database::{Kind, Postgres, PostgresOptions, SessionLimits, Sqlite, Stop};
use crate::engine::{self, Engine};
use checks::confined::Rules;
use checks::generated::{self, Ground};
use checks::{Case, applies, confined, crashes, deterministic, everywhere, memory, place, reset};
use declarations::Declarations;
use fixture::Fixture;
use report::{Part, skipped};
use snapshot::counted;
use throwaway::{Throwaway, Workshop};
use trial::{Trial, kind_name};

pub use junit::junit;
pub use report::{Check, CheckReport, Finding, Report, StepReport, Verdict};
pub use rules::Rule;
pub use throwaway::THROWAWAY_PREFIX;

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
        let mut workshops = Vec::new();
        if !self.is_without_sqlite {
            workshops.push(Arc::new(Workshop::of_files(self.limits())?));
        }
        if let Some(url) = &self.postgres {
            workshops.push(Arc::new(Workshop::on_server(self.server(url)?)));
        }
        if workshops.is_empty() {
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
        let mut session = Session::begin(self, workshops)?;
        let mut reports = Vec::new();
        for index in session.chosen.clone() {
            reports.push(session.try_step(index, seed)?);
            if self.stop.is_cancelled() {
                return Err(Error::Cancelled);
            }
        }
        if let (Some(target), Some(last), Some(report)) =
            (&target, session.chosen.last(), reports.last_mut())
        {
            let part = against::check(&session.engine, target, *last, self.limits(), &self.stop)?;
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
        SessionLimits {
            value_bytes: self.config.limits.value_bytes,
            lock_wait: Duration::from_secs(self.config.lock_wait_seconds),
            deadline: Duration::from_secs(self.config.limits.deadline_seconds),
        }
    }

    fn target(&self, url: &str) -> Result<against::Target, Error> {
        match url.strip_prefix("sqlite:") {
            Some(path) if Path::new(path).is_file() => {
                Ok(against::Target::File(Sqlite::new(path, self.limits())))
            }
            Some(path) => Err(Error::Settings(format!(
                "there is no file `{path}` to try steps against"
            ))),
            None => Ok(against::Target::Server(self.server(url)?)),
        }
    }

    fn server(&self, url: &str) -> Result<Postgres, Error> {
        let options = PostgresOptions {
            lock_timeout: Duration::from_millis(self.config.postgres.lock_timeout_milliseconds),
            role: None,
            password_file: Some(self.config.postgres.password_file.clone())
                .filter(|file| !file.as_os_str().is_empty()),
        };
        Postgres::new(url, options, self.limits()).map_err(Error::Settings)
    }

    /// An engine for the steps; each trial gives it a target of its own.
    fn engine(&self) -> Result<Engine, Error> {
        let mut config = self.config.clone();
        config
            .settle_cache()
            .map_err(|error| Error::Settings(error.to_string()))?;
        let options = engine::Options {
            migrations: self.migrations.clone(),
            cache: config.cache,
            limits: config.limits,
            settings: Arc::new(config.settings),
            // A second try would hide that the first did not succeed.
            attempts: 1,
            // No run lasts so long that the lease would have to be renewed.
            lease: Duration::from_secs(24 * 60 * 60),
            allowances: Allowances::default(),
            wait: true,
            strict: false,
            last: None,
        };
        Ok(Engine::new(Arc::new(Sqlite::empty(self.limits())), options))
    }
}

/// A chain of steps on one database with one fixture, as far as it has come.
struct Chain {
    fixture: Fixture,
    /// None once a step did not succeed.
    at: Option<Throwaway>,
}

/// Everything that trials of several steps share.
struct Session<'r> {
    rehearsal: &'r Rehearsal,
    engine: Engine,
    workshops: Vec<Arc<Workshop>>,
    catalogs: Vec<(Kind, Catalog)>,
    chosen: Vec<u32>,
    fixtures: Vec<Fixture>,
    chains: Vec<Chain>,
}

impl<'r> Session<'r> {
    fn begin(rehearsal: &'r Rehearsal, workshops: Vec<Arc<Workshop>>) -> Result<Self, Error> {
        let mut catalogs = Vec::new();
        let mut labels: BTreeMap<u32, String> = BTreeMap::new();
        for workshop in &workshops {
            let catalog = Catalog::scan(&rehearsal.migrations, workshop.kind())?;
            for step in catalog.steps.values() {
                labels.insert(step.index, label(step));
            }
            catalogs.push((workshop.kind(), catalog));
        }
        let labels: Vec<(u32, String)> = labels.into_iter().collect();
        let chosen: Vec<u32> = match &rehearsal.step {
            None => labels.iter().map(|(index, _)| *index).collect(),
            Some(name) => {
                let is_meant =
                    |(index, label): &&(u32, String)| label == name || name.parse() == Ok(*index);
                let (index, _) = labels.iter().find(is_meant).ok_or_else(|| Error::NoStep {
                    name: name.clone(),
                    directory: rehearsal.migrations.clone(),
                })?;
                vec![*index]
            }
        };
        if chosen.is_empty() {
            return Err(Error::NoStep {
                name: "NNNN_name.wasm or NNNN_name.sql".to_owned(),
                directory: rehearsal.migrations.clone(),
            });
        }
        let mut fixtures = fixture::discover(&rehearsal.migrations, &labels)?;
        for path in &rehearsal.fixtures {
            fixtures.push(Fixture::read(path)?.asked_for());
        }
        let mut session = Self {
            engine: rehearsal.engine()?,
            rehearsal,
            workshops,
            catalogs,
            chosen,
            fixtures,
            chains: Vec::new(),
        };
        session.chains = session.first_chains()?;
        Ok(session)
    }

    /// The databases before the first step: each fixture that makes tables, and one without rows.
    fn first_chains(&self) -> Result<Vec<Chain>, Error> {
        let mut chains = Vec::new();
        for workshop in &self.workshops {
            let bases: Vec<&Fixture> = self
                .fixtures
                .iter()
                .filter(|fixture| fixture.is_base() && fixture.is_for(workshop.kind()))
                .collect();
            let empty = workshop.make()?;
            if let Some(first) = bases.first() {
                parallel::wait(fixture::load_base(first, &empty, self.rehearsal.limits()))??;
                parallel::wait(fixture::clear(&empty))??;
            }
            chains.push(Chain {
                fixture: Fixture::empty(),
                at: Some(empty),
            });
            for fixture in bases {
                let database = workshop.make()?;
                parallel::wait(fixture::load_base(
                    fixture,
                    &database,
                    self.rehearsal.limits(),
                ))??;
                chains.push(Chain {
                    fixture: fixture.clone(),
                    at: Some(database),
                });
            }
        }
        Ok(chains)
    }

    fn step(&self, index: u32, kind: Kind) -> Option<&StepFile> {
        let (_, catalog) = self.catalogs.iter().find(|(own, _)| *own == kind)?;
        catalog.steps.get(&index)
    }

    /// Tries one step everywhere.
    fn try_step(&mut self, index: u32, seed: u64) -> Result<StepReport, Error> {
        let Some(step) = self
            .workshops
            .iter()
            .find_map(|workshop| self.step(index, workshop.kind()))
            .cloned()
        else {
            return Err(Error::NoStep {
                name: index.to_string(),
                directory: self.rehearsal.migrations.clone(),
            });
        };
        let label = label(&step);
        let declarations = Declarations::read(&self.rehearsal.migrations, &label)?;
        let began = Instant::now();
        let mut applied = Part::default();
        let places = self.places(&step, &mut applied)?;
        let outcomes = parallel::each(places, |(fixture, base)| {
            let step = self.step(index, base.kind()).unwrap_or(&step).clone();
            let trial = self.trial(&step);
            let kind = base.kind();
            (
                kind,
                fixture.name.clone(),
                applies::apply(&trial, fixture, base),
            )
        });
        let mut cases = Vec::new();
        let mut failed: BTreeSet<(bool, String)> = BTreeSet::new();
        for (kind, fixture, outcome) in outcomes {
            match outcome? {
                Ok(case) => cases.push(case),
                Err(finding) => {
                    failed.insert((kind == Kind::Sqlite, fixture));
                    applied.findings.push(finding);
                }
            }
        }
        let mut expectations = 0;
        for case in &cases {
            let trial = self.trial(&step);
            let compared = applies::compare(&trial, case, &declarations, self.rehearsal.accept)?;
            applied.findings.extend(compared.finding);
            applied.notes.extend(compared.notes);
            expectations += usize::from(compared.is_expected);
        }
        applied.milliseconds = milliseconds(began.elapsed());
        let summary = self.places_told(&cases, expectations);
        let mut checks = vec![applied.report(Check::Applies, summary)];
        let grounds = self.grounds(&step)?;
        checks.extend(self.try_disturbed(&step, &cases, &grounds, &declarations, seed)?);
        drop(grounds);
        self.advance(cases, &failed)?;
        Ok(StepReport {
            step: label,
            checks,
        })
    }

    fn trial<'t>(&'t self, step: &'t StepFile) -> Trial<'t> {
        Trial {
            engine: &self.engine,
            step,
            stop: &self.rehearsal.stop,
        }
    }

    /// Where a step is tried: each chain, and on the empty one each fixture of rows.
    fn places(
        &mut self,
        step: &StepFile,
        applied: &mut Part,
    ) -> Result<Vec<(Fixture, Throwaway)>, Error> {
        let mut chains = std::mem::take(&mut self.chains);
        let mut places = Vec::new();
        for chain in &mut chains {
            let Some(at) = &chain.at else {
                continue;
            };
            let kind = at.kind();
            let Some(step) = self.step(step.index, kind) else {
                applied
                    .notes
                    .push(format!("there is no such step for {}", kind_name(kind)));
                continue;
            };
            if let Err(stumble) = self.trial(step).run_those_before(at) {
                let what = "the steps before it fail";
                let advice = "try those first";
                applied
                    .findings
                    .push(stumble.finding(&place(kind, &chain.fixture), what, advice));
                chain.at = None;
                continue;
            }
            places.push((chain.fixture.clone(), at.copy()?));
            if chain.fixture.path.is_some() {
                continue;
            }
            for fixture in &self.fixtures {
                let is_for_it = fixture.step.is_none_or(|index| index == step.index);
                if fixture.is_base() || !is_for_it || !fixture.is_for(kind) {
                    continue;
                }
                let database = at.copy()?;
                match parallel::wait(fixture::load_rows(fixture, &database))? {
                    Ok(()) => places.push((fixture.clone(), database)),
                    // Rows for all steps wait until their tables are there.
                    Err(error) if fixture.is_for_all_steps() => applied.notes.push(format!(
                        "the fixture {} does not fit before this step: {error}",
                        fixture.name
                    )),
                    Err(error) => return Err(error),
                }
            }
        }
        self.chains = chains;
        Ok(places)
    }

    fn try_disturbed(
        &self,
        step: &StepFile,
        cases: &[Case],
        grounds: &[Ground<'_>],
        declarations: &Declarations,
        seed: u64,
    ) -> Result<Vec<CheckReport>, Error> {
        let all = [
            Check::Crashes,
            Check::Reset,
            Check::Deterministic,
            Check::Everywhere,
            Check::Generated,
            Check::Confined,
        ];
        if cases.is_empty() {
            let why = "the step did not run anywhere";
            return Ok(all.into_iter().map(|check| skipped(check, why)).collect());
        }
        let jobs: Vec<(Option<&Case>, Check)> =
            [Check::Crashes, Check::Reset, Check::Deterministic]
                .into_iter()
                .filter(|check| *check != Check::Reset || declarations.is_reversible())
                .flat_map(|check| cases.iter().map(move |case| (Some(case), check)))
                .chain([(None, Check::Generated), (None, Check::Confined)])
                .collect();
        let known: Vec<&snapshot::Snapshot> = cases.iter().map(|case| &case.before).collect();
        let kept = self
            .rehearsal
            .migrations
            .join(fixture::DIRECTORY)
            .join(label(step));
        let done = parallel::each(jobs, |(case, check)| {
            let part = match (check, case) {
                (Check::Generated, _) => {
                    generated::check(grounds, seed, &known, declarations, &kept)
                }
                (_, None) => self.measure(grounds, seed, &known),
                (_, Some(case)) => {
                    let step = self.step(step.index, case.kind).unwrap_or(step);
                    let trial = self.trial(step);
                    match check {
                        Check::Crashes => crashes::check(&trial, case, declarations),
                        Check::Reset => reset::check(&trial, case, declarations),
                        _ => deterministic::check(&trial, case, declarations),
                    }
                }
            };
            (check, part)
        });
        let mut parts: BTreeMap<Check, Part> = BTreeMap::new();
        for (check, part) in done {
            parts.entry(check).or_default().add(part?);
        }
        let mut take = |check| parts.remove(&check).unwrap_or_default();
        let crashed = take(Check::Crashes);
        let reset = take(Check::Reset);
        let reports = vec![
            crashes_report(crashed),
            match declarations.is_reversible() {
                true => reset.report(
                    Check::Reset,
                    "schema, rows and sequences are as before, and migrating again gives the same"
                        .to_owned(),
                ),
                false => skipped(Check::Reset, "declared as not reversible"),
            },
            take(Check::Deterministic).report(
                Check::Deterministic,
                "twice, rows stored in another order, batches of 1 and of 7 rows".to_owned(),
            ),
            self.compare_kinds(cases, declarations),
            generated_report(take(Check::Generated), seed),
            self.confine(step, cases, take(Check::Confined))?,
        ];
        Ok(reports)
    }

    /// The empty databases before the step, for rows that are made.
    fn grounds<'t>(&'t self, step: &'t StepFile) -> Result<Vec<Ground<'t>>, Error> {
        let mut grounds = Vec::new();
        for chain in self
            .chains
            .iter()
            .filter(|chain| chain.fixture.path.is_none())
        {
            let Some(at) = &chain.at else {
                continue;
            };
            if let Some(step) = self.step(step.index, at.kind()) {
                grounds.push(Ground {
                    trial: self.trial(step),
                    empty: at.copy()?,
                });
            }
        }
        Ok(grounds)
    }

    /// Whether the memory of a component grows with the data.
    fn measure(
        &self,
        grounds: &[Ground<'_>],
        seed: u64,
        known: &[&snapshot::Snapshot],
    ) -> Result<Part, Error> {
        let began = Instant::now();
        let mut part = Part::default();
        if let Some(ground) = grounds
            .first()
            .filter(|ground| ground.trial.step.kind == StepKind::Wasm)
        {
            let limit = self.rehearsal.config.limits.memory_mib;
            part.findings
                .extend(memory::check(ground, seed, known, limit)?);
        }
        part.milliseconds = milliseconds(began.elapsed());
        Ok(part)
    }

    fn compare_kinds(&self, cases: &[Case], declarations: &Declarations) -> CheckReport {
        let began = Instant::now();
        if self.workshops.len() < 2 {
            let only = self
                .workshops
                .first()
                .map_or("one", |workshop| kind_name(workshop.kind()));
            return skipped(Check::Everywhere, format!("tried on {only} alone"));
        }
        let mut part = Part::default();
        for sqlite in cases.iter().filter(|case| case.kind == Kind::Sqlite) {
            let same = cases.iter().find(|case| {
                case.kind == Kind::Postgres && case.fixture.name == sqlite.fixture.name
            });
            if let Some(postgres) = same {
                part.add(everywhere::check(sqlite, postgres, declarations));
            }
        }
        if part.tried == 0 {
            return skipped(Check::Everywhere, "it ran nowhere on both databases");
        }
        part.milliseconds = milliseconds(began.elapsed());
        let summary = format!(
            "SQLite and PostgreSQL agree on {}",
            counted(part.tried, "fixture", "fixtures")
        );
        part.report(Check::Everywhere, summary)
    }

    fn confine(
        &self,
        step: &StepFile,
        cases: &[Case],
        mut part: Part,
    ) -> Result<CheckReport, Error> {
        let began = Instant::now();
        let rules = Rules {
            deny: self.rehearsal.deny.clone(),
            allow: self.rehearsal.allow.clone(),
        };
        for case in cases {
            for finding in confined::check(case, &rules).findings {
                if !part
                    .findings
                    .iter()
                    .any(|known: &Finding| known.message == finding.message)
                {
                    part.findings.push(finding);
                }
            }
        }
        let can = match step.kind {
            StepKind::Sql => {
                "read and change the database, inside the transaction that the host opens"
                    .to_owned()
            }
            StepKind::Wasm => {
                let inspection = parallel::wait(self.engine.inspect(step))?
                    .map_err(|failure| Error::Setup(failure.to_string()))?;
                match &*inspection.interface.abilities {
                    [] => "do nothing but compute".to_owned(),
                    abilities => abilities.join("; "),
                }
            }
        };
        part.notes.push(format!("it can {can}"));
        for kind in [Kind::Sqlite, Kind::Postgres] {
            let richest = cases
                .iter()
                .filter(|case| case.kind == kind)
                .max_by_key(|case| case.before.row_count());
            for note in richest.map(confined::notes).unwrap_or_default() {
                if !part.notes.contains(&note) {
                    part.notes.push(note);
                }
            }
        }
        part.milliseconds += milliseconds(began.elapsed());
        let summary = match (&rules.allow, rules.deny.len()) {
            (None, 0) => "no rules to hold it to".to_owned(),
            (None, deny) => format!("held to {}", counted(deny, "rule", "rules")),
            (Some(allow), deny) => {
                format!(
                    "held to a list of {}",
                    counted(allow.len() + deny, "rule", "rules")
                )
            }
        };
        Ok(part.report(Check::Confined, summary))
    }

    /// Lets the chains go on from where the step has left them.
    fn advance(
        &mut self,
        cases: Vec<Case>,
        failed: &BTreeSet<(bool, String)>,
    ) -> Result<(), Error> {
        for chain in &mut self.chains {
            let Some(at) = &chain.at else {
                continue;
            };
            let kind = at.kind();
            if failed.contains(&(kind == Kind::Sqlite, chain.fixture.name.clone())) {
                chain.at = None;
                continue;
            }
            let case = cases.iter().find(|case| {
                case.kind == kind
                    && case.fixture.name == chain.fixture.name
                    && case.fixture.path == chain.fixture.path
            });
            if let Some(case) = case {
                chain.at = Some(case.undisturbed.database.copy()?);
            }
        }
        Ok(())
    }

    fn places_told(&self, cases: &[Case], expectations: usize) -> String {
        let names: BTreeSet<&str> = cases
            .iter()
            .filter(|case| case.fixture.path.is_some())
            .map(|case| case.fixture.name.as_str())
            .collect();
        let kinds: Vec<&str> = self
            .workshops
            .iter()
            .map(|workshop| kind_name(workshop.kind()))
            .collect();
        let expected = match expectations {
            0 => String::new(),
            count => format!(
                "; {}",
                counted(count, "result as expected", "results as expected")
            ),
        };
        format!(
            "an empty database and {}, on {}{expected}",
            counted(names.len(), "fixture", "fixtures"),
            kinds.join(" and ")
        )
    }
}

fn crashes_report(part: Part) -> CheckReport {
    let identical = part.tried.saturating_sub(part.findings.len());
    let summary = match part.tried == part.of {
        true => format!("{} crash points, {identical} identical results", part.tried),
        false => format!(
            "{} of {} crash points (commits, and calls between them), {identical} identical results",
            part.tried, part.of
        ),
    };
    let summary = match part.findings.is_empty() {
        true => summary,
        false => format!("{} crash points", part.tried),
    };
    part.report(Check::Crashes, summary)
}

fn generated_report(part: Part, seed: u64) -> CheckReport {
    let summary = match part.tried {
        0 => "there are no tables before it".to_owned(),
        rows => format!(
            "{} in {}, seed {seed}",
            counted(rows, "row", "rows"),
            counted(part.of, "table", "tables")
        ),
    };
    part.report(Check::Generated, summary)
}

/// `NNNN_name`.
fn label(step: &StepFile) -> String {
    format!("{:04}_{}", step.index, step.name)
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
    let stem = name.split('.').next()?.to_owned();
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    Some((parent.unwrap_or(Path::new(".")).to_owned(), Some(stem)))
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
