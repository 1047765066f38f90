//! Survives crashes: the run is cut off behind each of its calls and commits, and continued by a new run.
//!
//! A call that was not committed leaves nothing; a commit in the middle leaves what the step must find again. Whatever
//! the moment, the end must be the same.

use std::time::Instant;

use super::super::Error;
use super::super::declarations::{Declarations, except};
use super::super::parallel;
use super::super::report::{Finding, Part};
use super::super::snapshot::{Words, differences};
use super::super::throwaway::Throwaway;
use super::super::trial::{Trial, snapshot};
use super::super::watched::{Manner, Point, SequenceState, Watched};
use super::{Case, told};
use crate::database::{Access, Durability, Kind, Stop};
use crate::engine::Command;

/// The most points that are tried in one place in a limited time.
const MOST_POINTS: usize = 250;

/// How many points are tried however long it takes.
const FEWEST_POINTS: usize = 16;

const WORDS: Words = Words {
    extra: "is there only after a crash",
    missing: "is missing after a crash",
};

const ADVICE: &str = "a checkpoint must cover all rows before it and none behind it: write the rows first, then set the \
                      checkpoint with the place of the last of them, and begin behind that place when `migrate` is called with it";

const ADVICE_OUTSIDE: &str = "outside a transaction every statement stays: let each find out whether it was done (`IF NOT EXISTS`, \
                              `ON CONFLICT DO NOTHING`)";

/// Tries the points of one place.
pub(in crate::rehearsal) fn check(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
) -> Result<Part, Error> {
    let began = Instant::now();
    let points = &case.undisturbed.seen.points;
    let chosen = choose(points, most(trial, case));
    let tried = chosen.len();
    let results = parallel::each(chosen, |number| survive(trial, case, declarations, number));
    let mut part = Part {
        tried,
        of: points.len(),
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

/// Cuts the run off behind one point, continues it, and compares.
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
    let finding = |message: String| Finding {
        place: case.place(),
        message: format!(
            "cut off behind call {number} of {} ({}) and continued: {message}",
            points.len(),
            point.what
        ),
        details: Vec::new(),
        advice: if is_outside { ADVICE_OUTSIDE } else { ADVICE }.to_owned(),
    };
    if let Err(stumble) = trial.run(database.database(), Command::Finalize) {
        return Ok(Some(finding(stumble.message)));
    }
    let found = snapshot(&*database.database())?;
    let mut different = differences(&case.undisturbed.finalized, &found, WORDS);
    except(&mut different, &case.incomparable(declarations));
    Ok((!different.is_empty()).then(|| finding(told(&different))))
}

/// Lets a host die behind a point, and the next one take over.
pub(super) fn cut_off(
    trial: &Trial<'_>,
    database: &Throwaway,
    number: usize,
    point: &Point,
    commands: &[Command],
) -> Result<(), Error> {
    let manner = Manner {
        death: Some((number, point.clone())),
        ..Manner::default()
    };
    let watched = Watched::new(database.database(), manner);
    for command in commands {
        // It ends as runs of dead hosts do.
        let _ = trial.run(std::sync::Arc::clone(&watched) as _, *command);
    }
    if let Some(sequences) = watched
        .seen()
        .sequences
        .filter(|_| database.kind() == Kind::Postgres)
    {
        parallel::wait(set_back(database, &sequences))?
            .map_err(|error| Error::Setup(format!("cannot set sequences back: {error}")))?;
    }
    trial.take_over(database.database())
}

/// Sets PostgreSQL's sequences to where they stood at the last commit. The numbers that a lost transaction took are gaps,
/// which are the database's way and no fault of the step.
async fn set_back(
    database: &Throwaway,
    sequences: &[SequenceState],
) -> crate::database::Result<()> {
    let mut session = database
        .database()
        .open(Access::Write, &Stop::default())
        .await?;
    session.begin(Durability::Deferred).await?;
    for SequenceState { name, last, start } in sequences {
        let query = "SELECT setval(to_regclass($1::text), $2::bigint, $3::boolean) WHERE to_regclass($1::text) IS NOT NULL";
        let parameters = [
            name.as_str().into(),
            last.unwrap_or(*start).into(),
            last.is_some().into(),
        ];
        session.rows(query, &parameters).await?;
    }
    session.commit().await
}
