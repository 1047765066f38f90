//! Deterministic: the same data gives the same result, at another time, with its rows stored in another order, and with
//! batches of another size.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::declarations::{Declarations, except};
use super::super::injection::InjectionPlan;
use super::super::injector::FaultInjector;
use super::super::report::{Finding, Part};
use super::super::scratch::ScratchDatabase;
use super::super::snapshot::{Words, differences};
use super::super::trial::{Trial, snapshot};
use super::super::{Error, parallel};
use super::{Case, told};
use crate::database::{Access, Content, Database, Durability, Stop};
use crate::engine::Command;

const WORDS: Words = Words {
    extra: "is there in one run and not in the other",
    missing: "is missing in one run and not in the other",
};

/// How many workers try a transformation, which otherwise has one.
const WORKERS: usize = 4;

/// Sizes of batches that are tried: each row by itself, and one that divides nothing.
const BATCHES: [usize; 2] = [1, 7];

/// What differs between two runs at different times, with nothing else changed.
pub(in crate::rehearsal) fn unstable(
    trial: &Trial<'_>,
    base: &ScratchDatabase,
    finalized: &Content,
) -> Result<BTreeSet<String>, Error> {
    if base.database().capabilities().clock_counts_seconds {
        wait_for_the_next_second();
    }
    let database = base.copy()?;
    if trial.run(database.database(), Command::Finalize).is_err() {
        return Ok(BTreeSet::new());
    }
    let found = snapshot(&*database.database())?;
    let different = differences(finalized, &found, WORDS);
    Ok(different
        .into_iter()
        .map(|difference| difference.subject)
        .collect())
}

/// Where the clock counts seconds, a time that a step keeps differs only in another one.
fn wait_for_the_next_second() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let rest =
        Duration::from_secs(1).saturating_sub(Duration::from_nanos(now.subsec_nanos().into()));
    std::thread::sleep(rest);
}

/// Tries one place. `has_workers` says that the step is a transformation, on which several may work.
pub(in crate::rehearsal) fn check(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    has_workers: bool,
) -> Result<Part, Error> {
    let began = Instant::now();
    let mut part = Part::default();
    let mut unstable: Vec<String> = case
        .unstable
        .difference(declarations.volatile())
        .cloned()
        .collect();
    if !unstable.is_empty() {
        unstable.sort();
        part.findings.push(Finding {
            place: case.place(),
            message: format!("two runs on the same data differ in {}", unstable.join(", ")),
            details: Vec::new(),
            advice: "compute it from the data, not from time or chance; what must hold a time or a random value is named in \
                     `volatile` of the step's .test.toml"
                .to_owned(),
        });
    }
    let reversed = case.base.copy()?;
    if !reversed.database().capabilities().reverses_unordered_rows {
        parallel::wait(turn_around(&*reversed.database()))?.map_err(|error| {
            Error::Setup(format!("cannot store rows in another order: {error}"))
        })?;
    }
    part.findings.extend(differs(
        trial,
        case,
        declarations,
        reversed.reversed(),
        "with its rows stored in another order",
        "without `ORDER BY` a database gives rows in any order: add one wherever the order matters, with a unique column at its end",
    )?);
    for most in BATCHES {
        if !part.findings.is_empty() {
            break;
        }
        let copy = case.base.copy()?;
        let plan = InjectionPlan {
            most_rows: Some(most),
            ..InjectionPlan::default()
        };
        let injector = FaultInjector::new(copy.database(), plan);
        part.findings.extend(differs(
            trial,
            case,
            declarations,
            injector as Arc<dyn Database>,
            &format!("with batches of {most} rows"),
            "a batch may have fewer rows than were asked for: carry over what is unfinished at its end, and continue until one is \
             empty",
        )?);
    }
    part.tried = 2 + BATCHES.len();
    if has_workers && part.findings.is_empty() {
        let copy = case.base.copy()?;
        let plan = InjectionPlan {
            most_rows: BATCHES.last().copied(),
            ..InjectionPlan::default()
        };
        let engine = trial.engine.with_workers(WORKERS);
        let trial = Trial {
            engine: &engine,
            ..*trial
        };
        part.findings.extend(differs(
            &trial,
            case,
            declarations,
            FaultInjector::new(copy.database(), plan) as Arc<dyn Database>,
            &format!("with {WORKERS} workers"),
            "a function may keep nothing from one batch to the next: each worker has an instance of its own, and chunks come in \
             any order",
        )?);
        part.tried += 1;
    }
    part.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(part)
}

/// Runs the step under other circumstances and compares.
fn differs(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    database: Arc<dyn Database>,
    circumstances: &str,
    advice: &str,
) -> Result<Option<Finding>, Error> {
    if let Err(stumble) = trial.run(Arc::clone(&database), Command::Finalize) {
        let what = format!("it fails {circumstances}");
        return Ok(Some(stumble.finding(&case.place(), &what, advice)));
    }
    let found = snapshot(&*database)?;
    let mut different = differences(&case.undisturbed.finalized, &found, WORDS);
    except(&mut different, &case.incomparable(declarations));
    Ok((!different.is_empty()).then(|| Finding {
        place: case.place(),
        message: format!(
            "{circumstances} the result is another: {}",
            told(&different)
        ),
        details: Vec::new(),
        advice: advice.to_owned(),
    }))
}

/// Stores the rows of every table again, the last first.
async fn turn_around(database: &dyn Database) -> crate::database::Result<()> {
    let mut session = database.open(Access::Write, &Stop::default()).await?;
    session.begin(Durability::Deferred).await?;
    session.reverse_stored_rows().await?;
    session.commit_throwaway().await
}
