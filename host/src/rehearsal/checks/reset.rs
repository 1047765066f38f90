//! Reset undoes: what migrate did is gone after a reset, also when migrate came no further than a checkpoint, and
//! migrating again gives what migrating once gave.

use std::time::Instant;

use super::super::declarations::{Declarations, except};
use super::super::report::{Finding, Part};
use super::super::snapshot::{Words, differences};
use super::super::trial::{Trial, snapshot};
use super::super::{Error, milliseconds};
use super::cut_off::cut_off;
use super::in_turn::Turned;
use super::{Case, told};
use crate::engine::Command;

/// Behind how many checkpoints reset is tried.
const MOST_CHECKPOINTS: usize = 5;

const WORDS: Words = Words {
    extra: "is left behind",
    missing: "does not come back",
};

const AGAIN: Words = Words {
    extra: "is there only after migrating again",
    missing: "is missing after migrating again",
};

/// Tries the reset of one place.
pub(super) fn check(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    turned: &Turned,
) -> Result<Part, Error> {
    let began = Instant::now();
    let mut part = match turned.is_undone {
        true => Part::default(),
        false => check_whole(trial, case, declarations)?,
    };
    if part.findings.is_empty() {
        part.findings
            .extend(check_after_checkpoints(trial, case, declarations, turned)?);
    }
    part.tried = 1;
    part.milliseconds = milliseconds(began.elapsed() + turned.undone);
    Ok(part)
}

fn check_whole(trial: &Trial<'_>, case: &Case, declarations: &Declarations) -> Result<Part, Error> {
    let mut part = Part::default();
    let database = case.base.copy()?;
    let finding = |message: String, advice: &str| Finding {
        place: case.place(),
        message,
        details: Vec::new(),
        advice: advice.to_owned(),
    };
    if let Err(stumble) = trial.run(database.database(), Command::Migrate) {
        part.findings.push(stumble.finding(
            &case.place(),
            "migrate did not succeed a second time on the same data",
            "see what in it depends on time or chance",
        ));
        return Ok(part);
    }
    if let Err(stumble) = trial.run(database.database(), Command::Reset) {
        part.findings.push(stumble.finding(
            &case.place(),
            "reset fails",
            "write a reset that undoes what migrate did; if it cannot be undone, say `reversible = false` in the step's \
             .test.toml",
        ));
        return Ok(part);
    }
    let found = snapshot(&*database.database())?;
    let mut different = differences(&case.before, &found, WORDS);
    let lossy = except(&mut different, declarations.lossy());
    if !lossy.is_empty() {
        let names: Vec<String> = lossy.into_iter().collect();
        part.notes.push(format!(
            "declared as lossy and not brought back: {}",
            names.join(", ")
        ));
    }
    if !different.is_empty() {
        part.findings.push(finding(
            told(&different),
            "undo it in reset; what cannot be brought back is named in `lossy` of the step's .test.toml",
        ));
    }
    if let Err(stumble) = trial.run(database.database(), Command::Migrate) {
        part.findings.push(stumble.finding(
            &case.place(),
            "migrate fails after a reset",
            "let reset take away everything that migrate makes",
        ));
    } else {
        let found = snapshot(&*database.database())?;
        let mut different = differences(&case.undisturbed.migrated, &found, AGAIN);
        except(&mut different, declarations.lossy());
        case.except_incomparable(trial, declarations, &mut different)?;
        // What reset left behind was told already.
        if !different.is_empty() && part.findings.is_empty() {
            part.findings.push(finding(
                told(&different),
                "migrating, resetting and migrating again must give what migrating once gives",
            ));
        }
    }
    Ok(part)
}

fn check_after_checkpoints(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    turned: &Turned,
) -> Result<Option<Finding>, Error> {
    let points = &case.undisturbed.seen.points;
    let commits: Vec<usize> = (1..=case.undisturbed.migrate_points)
        .filter(|number| points.get(number - 1).is_some_and(|point| point.is_commit))
        .collect();
    // The first two say that the run began; the last two that the step and the run are done.
    let checkpoints = commits
        .get(2..commits.len().saturating_sub(2))
        .unwrap_or_default();
    let stride = checkpoints.len().div_ceil(MOST_CHECKPOINTS).max(1);
    let undone = |number: &&usize| turned.undone_after == Some(**number);
    for number in checkpoints
        .iter()
        .step_by(stride)
        .filter(|number| !undone(number))
    {
        let Some(point) = points.get(number - 1) else {
            continue;
        };
        let database = case.base.copy()?;
        let commands = [Command::Migrate];
        cut_off(trial, &database.database(), *number, point, &commands)?;
        let advice = "let reset undo what is there, not what a whole migrate would have left";
        let place = case.place();
        if let Err(stumble) = trial.run(database.database(), Command::Reset) {
            let what = "reset fails when migrate came no further than a checkpoint";
            return Ok(Some(stumble.finding(&place, what, advice)));
        }
        let found = snapshot(&*database.database())?;
        let mut different = differences(&case.before, &found, WORDS);
        except(&mut different, declarations.lossy());
        if !different.is_empty() {
            return Ok(Some(Finding {
                place,
                message: format!(
                    "reset, when migrate came no further than a checkpoint: {}",
                    told(&different)
                ),
                details: Vec::new(),
                advice: advice.to_owned(),
            }));
        }
    }
    Ok(None)
}
