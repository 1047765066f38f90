//! Crash points that can be tried one after the other on one database: the host dies after the first, the next host takes
//! over and dies after the second, and so on, and the last one comes to the end.
//!
//! What a dead host had not committed is gone, so each of them begins where the first began, and must do what the run did
//! that nothing disturbed, call by call, until it dies. That holds as long as nothing of the step is committed. A point that is
//! not reached like this, and all of them when the end is not the same, is tried on a database of its own, where a finding
//! names it. A new database is what a crash point costs most on a server.

use super::super::Error;
use super::super::points::{Point, Seen};
use super::super::scratch::ScratchDatabase;
use super::super::trial::Trial;
use super::Case;
use super::cut_off::{cut_off, ends_differently};
use crate::engine::Command;
use crate::rehearsal::declarations::Declarations;

/// Puts the numbers of points together that can be tried in one chain, in order; all others stand alone.
pub(super) fn chains(
    points: &[Point],
    migrate_points: usize,
    chosen: Vec<usize>,
) -> Vec<Vec<usize>> {
    let (migrate, finalize) = points.split_at(migrate_points.min(points.len()));
    // Finalize commits all at once: whatever comes before that is undone, even where there is no call to tell it by.
    let in_finalize = match opening(finalize) {
        0 => finalize.len(),
        opening => opening,
    };
    let in_migrate = opening(migrate);
    let is_in_chain = |number: &usize| {
        let in_finalize = migrate.len() + 1..=migrate.len() + in_finalize;
        *number <= in_migrate || in_finalize.contains(number)
    };
    let (chain, alone): (Vec<usize>, Vec<usize>) = chosen.into_iter().partition(is_in_chain);
    std::iter::once(chain)
        .filter(|chain| !chain.is_empty())
        .chain(alone.into_iter().map(|number| vec![number]))
        .collect()
}

/// How many points there are up to the first commit that has something of the step in it: the one after its first call.
fn opening(points: &[Point]) -> usize {
    let calls = points.iter().position(|point| !point.is_commit);
    let commit = calls.and_then(|first| {
        let rest = points.get(first..)?;
        Some(first + rest.iter().position(|point| point.is_commit)?)
    });
    commit.map_or(0, |commit| commit + 1)
}

/// Tries a chain; returns the points that have to be tried alone.
pub(super) fn survive_in_turn(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    chain: &[usize],
) -> Result<Vec<usize>, Error> {
    let database = case.base.copy()?;
    let migrate_points = case.undisturbed.migrate_points;
    let mut survived = 0;
    let mut is_migrated = false;
    for number in chain {
        let is_in_finalize = *number > migrate_points;
        if is_in_finalize && !is_migrated {
            // It may be done already, and then refuses.
            let _ = trial.run(database.database(), Command::Migrate);
            is_migrated = true;
        }
        let part = match is_in_finalize {
            true => (Command::Finalize, migrate_points),
            false => (Command::Migrate, 0),
        };
        if !dies_after(trial, case, &database, *number, part)? {
            break;
        }
        survived += 1;
    }
    let is_different = ends_differently(trial, case, declarations, &database)?.is_some();
    Ok(match is_different {
        true => chain.to_vec(),
        false => chain.get(survived..).unwrap_or_default().to_vec(),
    })
}

/// Lets a host die after a point, in a run that begins after so many points. Whether it came there as the run did that
/// nothing disturbed.
fn dies_after(
    trial: &Trial<'_>,
    case: &Case,
    database: &ScratchDatabase,
    number: usize,
    (command, first): (Command, usize),
) -> Result<bool, Error> {
    let expected = case
        .undisturbed
        .seen
        .points
        .get(first..number)
        .unwrap_or_default();
    let Some(last) = expected.last() else {
        return Ok(false);
    };
    let seen: Seen = cut_off(
        trial,
        database,
        expected.len(),
        &last.after(first),
        &[command],
    )?;
    let is_same = |(seen, expected): (&Point, &Point)| {
        (&seen.what, seen.is_commit) == (&expected.what, expected.is_commit)
    };
    Ok(seen.points.len() == expected.len() && seen.points.iter().zip(expected).all(is_same))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(kinds: &str) -> Vec<Point> {
        let point = |kind| match kind {
            'C' => Point::commit(),
            _ => Point::call("a call"),
        };
        kinds.chars().map(point).collect()
    }

    fn chained(migrate: &str, finalize: &str) -> Vec<Vec<usize>> {
        let points = points(&format!("{migrate}{finalize}"));
        let chosen = (1..=points.len()).collect();
        chains(&points, migrate.len(), chosen)
    }

    #[test]
    fn what_comes_up_to_the_first_commit_of_the_step_is_one_chain() {
        // The run begins, a phase begins, two calls, the step, the schema, the end; then the same again without calls.
        assert_eq!(
            chained("CC..CCC", "CCCCC"),
            [vec![1, 2, 3, 4, 5, 8, 9, 10, 11, 12], vec![6], vec![7]]
        );
        // A finalize with a call, and a checkpoint in migrate.
        assert_eq!(
            chained("CC.C.CC", "CC.CC"),
            [
                vec![1, 2, 3, 4, 8, 9, 10, 11],
                vec![5],
                vec![6],
                vec![7],
                vec![12]
            ]
        );
    }

    /// Nobody knows which of these commits is the step's.
    #[test]
    fn a_migrate_without_calls_has_no_chain() {
        assert_eq!(
            chained("CCC", "C.C"),
            [vec![4, 5, 6], vec![1], vec![2], vec![3]]
        );
    }

    #[test]
    fn points_that_were_not_chosen_are_left_out() {
        let points = points("CC.CC");
        assert_eq!(chains(&points, 5, vec![2, 4, 5]), [vec![2, 4], vec![5]]);
        assert_eq!(chains(&points, 5, vec![5]), [vec![5]]);
    }
}
