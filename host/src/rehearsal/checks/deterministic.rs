//! Deterministic: the same data gives the same result, at another time, with its rows stored in another order, and with
//! batches of another size.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::super::declarations::Declarations;
use super::super::injection::InjectionPlan;
use super::super::injector::FaultInjector;
use super::super::points::FETCH;
use super::super::report::{Finding, Part};
use super::super::snapshot::{Words, differences};
use super::super::trial::{Trial, snapshot};
use super::super::{Error, milliseconds};
use super::in_turn::Turned;
use super::otherwise::{turn_around, wait_for_another_time};
use super::{Case, told};
use crate::database::Database;
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
pub(super) fn unstable(trial: &Trial<'_>, case: &Case) -> Result<BTreeSet<String>, Error> {
    wait_for_another_time(case);
    let database = case.base.copy()?;
    if trial.run(database.database(), Command::Finalize).is_err() {
        return Ok(BTreeSet::new());
    }
    let found = snapshot(&*database.database())?;
    let different = differences(&case.undisturbed.finalized, &found, WORDS);
    Ok(different
        .into_iter()
        .map(|difference| difference.subject)
        .collect())
}

/// Tries one place. `has_workers` says that the step is a transformation, on which several may work.
pub(super) fn check(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    has_workers: bool,
    turned: &Turned,
) -> Result<Part, Error> {
    let began = Instant::now();
    let mut part = Part::default();
    let mut unstable: Vec<String> = case
        .unstable(trial)?
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
    if !turned.is_steady {
        let reversed = case.base.copy()?;
        if !reversed.database().capabilities().reverses_unordered_rows {
            turn_around(&*reversed.database())?;
        }
        part.findings.extend(differs(
            trial,
            case,
            declarations,
            reversed.reversed(),
            "with its rows stored in another order",
            "without `ORDER BY` a database gives rows in any order: add one wherever the order matters, with a unique column at its end",
        )?);
    }
    // Nothing else changes with the size of batches.
    let has_batches = has_workers || reads_batches(case);
    for most in BATCHES.into_iter().filter(|_| has_batches) {
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
    part.tried = 2 + if has_batches { BATCHES.len() } else { 0 };
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
    part.milliseconds = milliseconds(began.elapsed());
    Ok(part)
}

/// Whether the step asks for rows, which it then gets in batches.
pub(in crate::rehearsal) fn reads_batches(case: &Case) -> bool {
    (case.undisturbed.seen.points.iter()).any(|point| point.what == FETCH)
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
    case.except_incomparable(trial, declarations, &mut different)?;
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
