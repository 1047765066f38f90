//! Running the step that is tried, on one throw-away database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::injection::InjectionPlan;
use super::injector::FaultInjector;
use super::points::Seen;
use super::report::Finding;
use super::scratch::ScratchDatabase;
use super::{Error, parallel, snapshot};
use crate::catalog::StepFile;
use crate::database::{Content, Database, Kind, Stop, Trait};
use crate::engine::{Command, Engine, Event, Failure, Observer, Order, RunError};
use crate::journal::{Outcome, Phase};

/// Why a run did not do what it should.
#[derive(Clone, Debug)]
pub(super) struct Stumble {
    /// What went wrong.
    pub(super) message: String,
    /// The step's failure, when it was one.
    pub(super) failure: Option<Box<Failure>>,
    /// Whether nothing was changed, because the step refused.
    pub(super) is_refused: bool,
}

impl Stumble {
    /// As a finding.
    pub(super) fn finding(&self, place: &str, what: &str, advice: &str) -> Finding {
        let mut details = Vec::new();
        if let Some(failure) = &self.failure {
            if let Some(statement) = &failure.statement {
                let line = failure
                    .line
                    .map_or_else(String::new, |line| format!(" (line {line})"));
                let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
                details.push(format!("statement{line}: {statement}"));
            }
            if failure.last_lines.len() > 1 {
                let lines = failure.last_lines.iter();
                details.extend(lines.map(|line| format!("it wrote: {line}")));
            }
            details.extend(
                failure
                    .backtrace
                    .iter()
                    .filter(|frame| is_own_frame(frame))
                    .take(5)
                    .map(|frame| format!("at {frame}")),
            );
        }
        Finding {
            place: place.to_owned(),
            message: format!("{what}: {}", self.message),
            details,
            advice: advice.to_owned(),
        }
    }
}

/// Takes the measure of a run.
#[derive(Default)]
struct Gauge {
    memory: AtomicU64,
}

impl Observer for Gauge {
    fn notify(&self, _: &Event) {}

    fn measure(&self, _phase: Phase, memory: u64) {
        self.memory.fetch_max(memory, Ordering::Relaxed);
    }
}

/// Whether a frame is the step's own, and not of what its language does when it breaks off.
fn is_own_frame(frame: &str) -> bool {
    !["std::", "core::", "alloc::", "__rust", "abort"]
        .iter()
        .any(|start| frame.starts_with(start))
}

/// The step that is tried.
#[derive(Clone, Copy)]
pub(super) struct Trial<'t> {
    pub(super) engine: &'t Engine,
    pub(super) step: &'t StepFile,
    /// How long its crash points may take in one place, about; none for as long as all of them do.
    pub(super) crash_time: Option<Duration>,
    /// Ends everything, when the operator does not want to wait any longer.
    pub(super) stop: &'t Stop,
}

/// What a step does where nothing disturbs it.
pub(super) struct Undisturbed {
    /// The database after finalize.
    pub(super) database: ScratchDatabase,
    pub(super) migrated: Content,
    pub(super) finalized: Content,
    /// What the tables are after finalize.
    pub(super) traits: Vec<Trait>,
    pub(super) seen: Seen,
    /// How many of the points lie in migrate.
    pub(super) migrate_points: usize,
    /// The most memory that a component had, in bytes.
    pub(super) memory: u64,
    pub(super) duration: Duration,
    /// When it came to its end.
    pub(super) ended: SystemTime,
    /// How long it took to read the content.
    pub(super) looked: Duration,
}

impl Trial<'_> {
    /// Runs a command for the steps up to this one.
    pub(super) fn run(&self, database: Arc<dyn Database>, command: Command) -> Result<(), Stumble> {
        self.run_up_to(
            self.step.index,
            database,
            command,
            Arc::new(Gauge::default()),
        )
    }

    fn run_up_to(
        &self,
        last: u64,
        database: Arc<dyn Database>,
        command: Command,
        gauge: Arc<Gauge>,
    ) -> Result<(), Stumble> {
        let engine = self.engine.on(database, Some(last));
        let order = Order::new(command);
        let plain = |message: String| Stumble {
            message,
            failure: None,
            is_refused: false,
        };
        if self.stop.is_cancelled() {
            return Err(plain("cancelled".to_owned()));
        }
        // One of its own: it holds the deadline of this run.
        let stop = Stop::default();
        let report = parallel::wait(engine.run(order, Arc::clone(&gauge) as _, &stop))
            .map_err(|error| plain(error.to_string()))?
            .map_err(|error| Stumble {
                failure: match &error {
                    RunError::Step(failure) => Some(failure.clone()),
                    _ => None,
                },
                ..plain(error.to_string())
            })?;
        if report.outcome == Outcome::Done {
            return Ok(());
        }
        Err(match report.failure {
            Some(failure) => Stumble {
                message: failure.to_string(),
                is_refused: report.outcome == Outcome::Refused,
                failure: Some(Box::new(failure)),
            },
            None => plain(format!("the run ended as {}", report.outcome.as_str())),
        })
    }

    /// Runs the steps before this one, to their finalize.
    pub(super) fn run_those_before(&self, database: Arc<dyn Database>) -> Result<(), Stumble> {
        if self.step.index <= 1 {
            return Ok(());
        }
        let gauge = Arc::new(Gauge::default());
        self.run_up_to(self.step.index - 1, database, Command::Finalize, gauge)
    }

    /// Takes the lease from a run that was cut off, as the next host does.
    pub(super) fn take_over(&self, database: Arc<dyn Database>) -> Result<(), Error> {
        let engine = self.engine.on(database, Some(self.step.index));
        parallel::wait(engine.break_lease("the rehearsal cut it off"))?
            .map(|_| ())
            .map_err(|error| {
                Error::Setup(format!(
                    "cannot take over from a run that was cut off: {error}"
                ))
            })
    }

    /// Runs migrate and finalize on the database, watched. The error says which of them did not succeed.
    pub(super) fn perform(
        &self,
        database: ScratchDatabase,
        plan: InjectionPlan,
    ) -> Result<Result<Undisturbed, (&'static str, Stumble)>, Error> {
        let began = Instant::now();
        let gauge = Arc::new(Gauge::default());
        let injector = FaultInjector::new(database.database(), plan);
        let run = |command| {
            let gauge = Arc::clone(&gauge);
            database.disconnect();
            self.run_up_to(self.step.index, Arc::clone(&injector) as _, command, gauge)
        };
        if let Err(stumble) = run(Command::Migrate) {
            return Ok(Err(("migrate", stumble)));
        }
        let migrate_points = injector.seen().points.len();
        let mut duration = began.elapsed();
        let looking = Instant::now();
        let migrated = snapshot(&*database.database())?;
        let looked = looking.elapsed();
        let began = Instant::now();
        if let Err(stumble) = run(Command::Finalize) {
            return Ok(Err(("finalize", stumble)));
        }
        duration += began.elapsed();
        let ended = SystemTime::now();
        let (finalized, traits) = snapshot_with_traits(&*database.database())?;
        Ok(Ok(Undisturbed {
            migrated,
            finalized,
            traits,
            seen: injector.seen(),
            migrate_points,
            memory: gauge.memory.load(Ordering::Relaxed),
            duration,
            ended,
            looked,
            database,
        }))
    }
}

/// The content of a throw-away database, and what its tables are beside that.
pub(super) fn snapshot_with_traits(
    database: &dyn Database,
) -> Result<(Content, Vec<Trait>), Error> {
    parallel::wait(snapshot::take_with_traits(database))?
        .map_err(|error| Error::Setup(format!("cannot read a throw-away database: {error}")))
}

/// The content of a throw-away database.
pub(super) fn snapshot(database: &dyn Database) -> Result<Content, Error> {
    parallel::wait(snapshot::take(database))?
        .map_err(|error| Error::Setup(format!("cannot read a throw-away database: {error}")))
}

/// The name of a database's kind, as people write it.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    kind.display_name()
}
