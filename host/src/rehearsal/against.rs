//! On real data: the steps run on the target itself, in a transaction that is always rolled back, or, where the target is a
//! SQLite file, on a copy of it, so that nobody waits.
//!
//! Looked at are the rows that change, a sample of them before and after, the locks that are taken and for how long, and
//! the time that it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::injection::{InjectionPlan, Probe};
use super::injector::FaultInjector;
use super::report::{Finding, Part};
use super::snapshot::{Words, counted, differences};
use super::{Error, parallel};
use crate::database::{
    Access, Content, Database, Location, Result, Session, SessionLimits, Shape, Sqlite, Stop, Table,
};
use crate::engine::{Engine, Extent, Unobserved};

/// Rows of a table that are compared: this many with the lowest keys, and as many with the highest.
const SAMPLE: usize = 250;

/// How many differences of the sample are told.
const MOST_TOLD: usize = 6;

/// How often it is repeated to tell a range, when it is quick.
const RUNS: usize = 3;

/// What takes longer is not repeated: the target's locks are held meanwhile.
const QUICK: Duration = Duration::from_secs(2);

/// How often locks are looked at, at most.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

const WORDS: Words = Words {
    extra: "is new",
    missing: "is gone",
};

/// Tries the steps that are pending up to `last`, and tells what happened.
pub(super) fn check(
    engine: &Engine,
    target: &Location,
    last: u64,
    limits: SessionLimits,
    stop: &Stop,
) -> std::result::Result<Part, Error> {
    let began = Instant::now();
    // Kept until the end: the copy lies in it.
    let directory = tempfile::tempdir()
        .map_err(|error| Error::Setup(format!("cannot make a directory: {error}")))?;
    let database = reachable(target, directory.path(), limits)?;
    let before =
        parallel::wait(sample(&*database))?.map_err(|error| unreadable(&*database, &error))?;
    let mut part = Part::default();
    let mut durations = Vec::new();
    for run in 0..RUNS {
        let probe = Arc::new(Looks::new(&before));
        let plan = InjectionPlan {
            probe: Some(Arc::clone(&probe) as _),
            ..InjectionPlan::default()
        };
        let injector = FaultInjector::new(Arc::clone(&database), plan);
        let began = Instant::now();
        let engine = engine.on(injector, Some(last));
        let rehearsed = parallel::wait(engine.rehearse(&Extent::All, Arc::new(Unobserved), stop))?
            .map_err(|error| {
                Error::Setup(format!(
                    "cannot try the steps on {}: {error}",
                    database.name()
                ))
            })?;
        durations.push(began.elapsed());
        if let Some(failure) = rehearsed.failure {
            part.findings.push(Finding {
                place: database.name().to_owned(),
                message: failure.to_string(),
                details: failure
                    .statement
                    .into_iter()
                    .map(|statement| format!("statement: {statement}"))
                    .collect(),
                advice: "it would fail on this target; nothing of it was kept".to_owned(),
            });
        }
        if run == 0 {
            part.tried = rehearsed.steps.len();
            part.notes.push(match rehearsed.rows_changed.is_empty() {
                true => "no rows would change".to_owned(),
                false => format!(
                    "rows that would change: {}",
                    listed(&rehearsed.rows_changed)
                ),
            });
            part.notes.extend(probe.told(&before, began.elapsed()));
            part.notes.extend(before.withheld_told());
        }
        let is_slow = durations.iter().any(|duration| *duration > QUICK);
        if is_slow || !part.findings.is_empty() || part.tried == 0 {
            break;
        }
    }
    part.notes.push(time_told(&durations));
    part.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(part)
}

/// The database to try it on.
fn reachable(
    target: &Location,
    directory: &Path,
    limits: SessionLimits,
) -> std::result::Result<Arc<dyn Database>, Error> {
    match target {
        Location::Server(database) => Ok(Arc::new(database.clone())),
        Location::File(database) => {
            let copy = directory.join("copy.db");
            database.copy_to(&copy).map_err(|error| {
                Error::Setup(format!("cannot copy {}: {error}", database.name()))
            })?;
            Ok(Arc::new(Sqlite::new(copy, limits)))
        }
    }
}

fn unreadable(database: &dyn Database, error: &crate::database::Error) -> Error {
    Error::Setup(format!("cannot read {}: {error}", database.name()))
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter().map(|(table, rows)| format!("{table} {rows}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn time_told(durations: &[Duration]) -> String {
    let milliseconds = |duration: Option<&Duration>| duration.map_or(0, Duration::as_millis);
    let (least, most) = (
        milliseconds(durations.iter().min()),
        milliseconds(durations.iter().max()),
    );
    match durations.len() {
        1 => format!(
            "it takes about {most} ms (one run, without the wait for the disk at its commit)"
        ),
        runs => format!(
            "it takes {least} to {most} ms ({runs} runs, without the wait for the disk at their commit)"
        ),
    }
}

/// What is there before: the shapes of the tables, a sample of their rows, and the tables whose rows are not read.
struct Before {
    shapes: BTreeMap<String, Shape>,
    rows: Content,
    withheld: BTreeSet<String>,
}

impl Before {
    fn withheld_told(&self) -> Option<String> {
        let withheld: Vec<&str> = self.withheld.iter().map(String::as_str).collect();
        (!withheld.is_empty()).then(|| {
            format!(
                "rows of these tables were not read, because others could have made what runs then: {}",
                withheld.join(", ")
            )
        })
    }
}

async fn sample(database: &dyn Database) -> Result<Before> {
    let mut session = database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let shapes = session.shapes().await?;
    let (rows, withheld) = sampled_rows(&mut *session, &shapes).await?;
    session.rollback().await?;
    Ok(Before {
        shapes,
        rows,
        withheld,
    })
}

/// The rows with the lowest and the highest keys of each table that has a key, and the tables whose rows are not read.
async fn sampled_rows(
    session: &mut dyn Session,
    shapes: &BTreeMap<String, Shape>,
) -> Result<(Content, BTreeSet<String>)> {
    let now = session.shapes().await?;
    let has_key = |name: &&String| {
        let (key, now) = (shapes.get(*name)?.unique.first()?, now.get(*name)?);
        let has_column = |name: &String| now.columns.iter().any(|column| column.name == *name);
        key.iter().all(has_column).then_some((key, now))
    };
    let with_key: Vec<&str> = shapes
        .keys()
        .filter(|name| has_key(name).is_some())
        .map(String::as_str)
        .collect();
    let withheld = session.hold_to_read(&with_key).await?;
    let mut snapshot = Content::default();
    for name in shapes.keys().filter(|name| !withheld.contains(*name)) {
        let Some((key, now)) = has_key(&name) else {
            continue;
        };
        let columns: Vec<String> = now
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let rows = session
            .rows_at_the_ends(name, &columns, key, SAMPLE)
            .await?;
        let key = key
            .iter()
            .filter_map(|name| columns.iter().position(|column| column == name));
        let key = key.collect();
        snapshot
            .tables
            .insert(name.clone(), Table { columns, key, rows });
    }
    Ok((snapshot, withheld))
}

/// Looks at locks while the steps run, and at the sample when they are done.
struct Looks {
    tables: Vec<String>,
    shapes: BTreeMap<String, Shape>,
    began: Instant,
    seen: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    looked_at: Option<Instant>,
    /// Each lock, and the last moment at which it was not yet held.
    locks: BTreeMap<(String, String), Duration>,
    after: Option<Content>,
}

impl Looks {
    fn new(before: &Before) -> Self {
        Self {
            tables: before.shapes.keys().cloned().collect(),
            shapes: before.shapes.clone(),
            began: Instant::now(),
            seen: Mutex::default(),
        }
    }

    fn told(&self, before: &Before, whole: Duration) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notes = Vec::new();
        if let Some(after) = &seen.after {
            let different = differences(&before.rows, after, WORDS);
            for difference in different.iter().take(MOST_TOLD) {
                notes.push(format!(
                    "in a sample of {} a table: {}",
                    counted(SAMPLE * 2, "row", "rows"),
                    difference.text
                ));
            }
        }
        for ((table, mode), since) in &seen.locks {
            let held = whole.saturating_sub(*since).as_millis();
            notes.push(format!("lock: {mode} on {table}, held for up to {held} ms"));
        }
        notes
    }

    async fn look_at_locks(&self, session: &mut dyn Session) {
        let last = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.looked_at.replace(Instant::now())
        };
        let Ok(locks) = session.held_locks().await else {
            return;
        };
        let since = last.map_or(Duration::ZERO, |last| last.duration_since(self.began));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for lock in locks {
            if self.tables.contains(&lock.0) {
                seen.locks.entry(lock).or_insert(since);
            }
        }
    }
}

#[async_trait]
impl Probe for Looks {
    async fn after_a_call(&self, session: &mut dyn Session) {
        let is_due = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.looked_at
                .is_none_or(|at| at.elapsed() >= LOOK_INTERVAL)
        };
        if is_due {
            self.look_at_locks(session).await;
        }
    }

    async fn at_the_end(&self, session: &mut dyn Session) {
        self.look_at_locks(session).await;
        let after = sampled_rows(session, &self.shapes).await.ok();
        let after = after.map(|(rows, _)| rows);
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .after = after;
    }
}
