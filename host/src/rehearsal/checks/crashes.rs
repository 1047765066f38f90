//! Survives crashes: the run is cut off after each of its calls and commits, and continued by a new run.
//!
//! A call that was not committed leaves nothing; a commit in the middle leaves what the step must find again. Whatever
//! the moment, the end must be the same.

use std::time::Instant;

use super::super::Error;
use super::super::declarations::Declarations;
use super::super::parallel;
use super::super::points::Point;
use super::super::report::{Finding, Part};
use super::super::trial::Trial;
use super::Case;
use super::crash_chain::{chains, survive_in_turn};
use super::cut_off::{cut_off, ends_differently};
use crate::engine::Command;

/// The most points that are tried in one place in a limited time.
const MOST_POINTS: usize = 250;

/// How many points are tried however long it takes.
const FEWEST_POINTS: usize = 16;

const ADVICE: &str = "a checkpoint must cover all rows before it and none after it: write the rows first, then set the \
                      checkpoint with the place of the last of them, and begin after that place when `migrate` is called with it";

const ADVICE_OUTSIDE: &str = "outside a transaction every statement stays: let each find out whether it was done (`IF NOT EXISTS`, \
                              `ON CONFLICT DO NOTHING`)";

/// Tries the points of one place. `commits_once` says that a finalize commits all that it does at once, which a
/// transformation's does not.
pub(in crate::rehearsal) fn check(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    commits_once: bool,
) -> Result<Part, Error> {
    let began = Instant::now();
    let points = &case.undisturbed.seen.points;
    let chosen = choose(points, most(trial, case));
    let tried = chosen.len();
    let chains = match commits_once {
        true => chains(points, case.undisturbed.migrate_points, chosen),
        false => chosen.into_iter().map(|number| vec![number]).collect(),
    };
    let results = parallel::each(chains, |chain| survive(trial, case, declarations, &chain));
    let mut part = Part {
        tried,
        of: points.len(),
        ..Part::default()
    };
    let mut findings = Vec::new();
    for result in results {
        findings.extend(result?);
    }
    findings.sort_by_key(|(number, _)| *number);
    part.findings = findings.into_iter().map(|(_, finding)| finding).collect();
    let broken = part.findings.len();
    // They have the same cause, most of the time.
    part.findings.truncate(2);
    if broken > part.findings.len()
        && let Some(first) = part.findings.first_mut()
    {
        first
            .details
            .push(format!("{broken} of {tried} crash points end differently"));
    }
    part.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
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

/// Cuts the run off after each of some points, continues it, and compares. What is found comes with the point's number.
fn survive(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    chain: &[usize],
) -> Result<Vec<(usize, Finding)>, Error> {
    let alone = match chain {
        [_] => chain.to_vec(),
        _ => survive_in_turn(trial, case, declarations, chain)?,
    };
    let mut findings = Vec::new();
    for number in alone {
        let finding = survive_one(trial, case, declarations, number)?;
        findings.extend(finding.map(|finding| (number, finding)));
    }
    Ok(findings)
}

fn survive_one(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    number: usize,
) -> Result<Option<Finding>, Error> {
    let points = &case.undisturbed.seen.points;
    let Some(point) = points.get(number - 1) else {
        return Ok(None);
    };
    let database = case.base.copy()?;
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
