//! Survives crashes: the run is cut off after each of its calls and commits, and continued by a new run.
//!
//! A call that was not committed leaves nothing; a commit in the middle leaves what the step must find again. Whatever
//! the moment, the end must be the same.

use std::time::{Duration, Instant};

use super::super::declarations::Declarations;
use super::super::points::Point;
use super::super::report::{Finding, Part};
use super::super::trial::Trial;
use super::super::{Error, milliseconds, parallel};
use super::Case;
use super::cut_off::{cut_off, ends_differently};
use super::in_turn::Turned;
use crate::engine::Command;

/// The most points that are tried in one place in a limited time.
const MOST_POINTS: usize = 250;

/// How many points are tried however long it takes.
const FEWEST_POINTS: usize = 16;

const ADVICE: &str = "a checkpoint must cover all rows before it and none after it: write the rows first, then set the \
                      checkpoint with the place of the last of them, and begin after that place when `migrate` is called with it";

const ADVICE_OUTSIDE: &str = "outside a transaction every statement stays: let each find out whether it was done (`IF NOT EXISTS`, \
                              `ON CONFLICT DO NOTHING`)";

/// The points of one place that there is time for.
pub(super) fn chosen(trial: &Trial<'_>, case: &Case) -> Vec<usize> {
    choose(&case.undisturbed.seen.points, most(trial, case))
}

/// Tries the points that were chosen, but for those that were survived in turn, which took so long.
pub(super) fn check(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    chosen: &[usize],
    turned: &Turned,
    in_turn: Duration,
) -> Result<Part, Error> {
    let began = Instant::now();
    let alone = chosen.iter().copied();
    let alone = alone.filter(|number| !turned.survived.contains(number));
    let results = parallel::each(alone.collect(), |number| {
        survive(trial, case, declarations, number)
    });
    let mut part = Part {
        tried: chosen.len(),
        of: case.undisturbed.seen.points.len(),
        ..Part::default()
    };
    for result in results {
        part.findings.extend(result?);
    }
    let broken = part.findings.len();
    // They have the same cause, most of the time.
    part.findings.truncate(2);
    if broken > part.findings.len()
        && let Some(first) = part.findings.first_mut()
    {
        first.details.push(format!(
            "{broken} of {} crash points end differently",
            chosen.len()
        ));
    }
    part.milliseconds = milliseconds(began.elapsed() + in_turn);
    Ok(part)
}

/// How many points there is time for.
fn most(trial: &Trial<'_>, case: &Case) -> usize {
    let Some(time) = trial.crash_time else {
        return usize::MAX;
    };
    // A copy of the database, the run, its continuation, and a look at the end.
    let once = case.undisturbed.duration * 2 + case.undisturbed.looked + case.copied;
    let fitting = time.as_millis() / once.as_millis().max(1);
    let fitting = usize::try_from(fitting).unwrap_or(MOST_POINTS);
    fitting.clamp(FEWEST_POINTS, MOST_POINTS)
}

/// The numbers of the points that are tried: all of them, or the commits and calls evenly between them.
fn choose(points: &[Point], most: usize) -> Vec<usize> {
    let all: Vec<usize> = (1..=points.len()).collect();
    if points.len() <= most {
        return all;
    }
    let (commits, calls): (Vec<usize>, Vec<usize>) = all
        .into_iter()
        .partition(|number| points.get(number - 1).is_some_and(|point| point.is_commit));
    let mut chosen = evenly(&commits, most - most / 4);
    let rest = evenly(&calls, most - chosen.len());
    chosen.extend(rest);
    chosen.sort_unstable();
    chosen
}

/// At most this many of the numbers, with the first and the last, evenly spread.
fn evenly(numbers: &[usize], most: usize) -> Vec<usize> {
    if numbers.len() <= most {
        return numbers.to_vec();
    }
    (0..most)
        .filter_map(|place| {
            numbers
                .get(place * (numbers.len() - 1) / most.saturating_sub(1).max(1))
                .copied()
        })
        .collect()
}

/// Cuts the run off after a point, continues it, and compares.
fn survive(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    number: usize,
) -> Result<Option<Finding>, Error> {
    let points = &case.undisturbed.seen.points;
    let Some(point) = points.get(number - 1) else {
        return Ok(None);
    };
    let copy = case.base.copy()?;
    let database = copy.database();
    cut_off(
        trial,
        &database,
        number,
        point,
        &[Command::Migrate, Command::Finalize],
    )?;
    let is_outside = points
        .iter()
        .any(|point| point.is_commit && point.what != "a commit");
    let message = ends_differently(trial, case, declarations, &database)?;
    Ok(message.map(|message| Finding {
        place: case.place(),
        message: format!(
            "cut off after call {number} of {} ({}) and continued: {message}",
            points.len(),
            point.what
        ),
        details: Vec::new(),
        advice: if is_outside { ADVICE_OUTSIDE } else { ADVICE }.to_owned(),
    }))
}
