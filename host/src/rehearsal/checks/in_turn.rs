//! What can be tried one after the other on one database: the host dies after the first crash point, the next host takes over
//! and dies after the second, and so on; then what migrate did is undone and done again; and all that with the rows stored in
//! another order, at another time and in another environment than those of the run that nothing disturbed. A new database is what a check costs most on a
//! server.
//!
//! What a dead host had not committed is gone, so each host begins where the last commit of the step left off, and must do
//! what the run did from there that nothing disturbed, call by call, until it dies. Contents are compared whole, with nothing
//! excepted but what is declared as volatile: where everything comes to the same, each part of it did. Whatever is not reached
//! like this, and everything when something is not the same, is tried on a database of its own, where a finding names it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Error;
use super::super::declarations::{Declarations, except};
use super::super::points::Point;
use super::super::snapshot::{Words, differences};
use super::super::trial::{Trial, snapshot};
use super::Case;
use super::cut_off::cut_off;
use super::otherwise::{elsewhere, turn_around, wait_for_another_time};
use crate::database::{Content, Database};
use crate::engine::Command;

/// Nobody reads them.
const WORDS: Words = Words {
    extra: "is there",
    missing: "is missing",
};

/// What was found to be right on one database, and need not be tried on another one.
#[derive(Debug, Default)]
pub(super) struct Turned {
    /// The crash points after which the end was the same.
    pub(super) survived: BTreeSet<usize>,
    /// Whether reset undid what migrate did, and migrating again gave the same.
    pub(super) is_undone: bool,
    /// The crash point of migrate after which it was undone.
    pub(super) undone_after: Option<usize>,
    /// How long that took.
    pub(super) undone: Duration,
    /// Whether the end was the same at another time and in another environment, with rows stored in another order.
    pub(super) is_steady: bool,
}

/// What is to be tried.
pub(super) struct Turns<'p> {
    /// The crash points, in order.
    pub(super) points: &'p [usize],
    /// Whether migrate is undone and done again.
    pub(super) has_reset: bool,
    /// Whether this is the first place on this kind of database.
    pub(super) is_first: bool,
}

/// Tries everything in turn.
pub(super) fn try_in_turn(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    turns: &Turns<'_>,
) -> Result<Turned, Error> {
    let copy = case.base.copy()?;
    let plain = copy.database();
    let database = match copy.has_environment() {
        true => copy.elsewhere(&elsewhere(trial.step.kind)),
        false => copy.reversed(),
    };
    if !plain.capabilities().reverses_unordered_rows {
        turn_around(&*plain)?;
    }
    wait_for_another_time(case);
    let in_turn = InTurn {
        trial,
        case,
        declarations,
        database,
        plain,
    };
    in_turn.run(turns).map(Option::unwrap_or_default)
}

struct InTurn<'t> {
    trial: &'t Trial<'t>,
    case: &'t Case,
    declarations: &'t Declarations,
    database: Arc<dyn Database>,
    /// The same in the usual environment.
    plain: Arc<dyn Database>,
}

impl InTurn<'_> {
    /// None where something does not come to the same.
    fn run(&self, turns: &Turns<'_>) -> Result<Option<Turned>, Error> {
        let undisturbed = &self.case.undisturbed;
        let points = &undisturbed.seen.points;
        let first = undisturbed.migrate_points.min(points.len());
        let (migrate, finalize) = points.split_at(first);
        let (in_migrate, in_finalize): (Vec<usize>, Vec<usize>) =
            turns.points.iter().partition(|number| **number <= first);
        let mut turned = Turned::default();
        let migrate = Stretch {
            command: Command::Migrate,
            points: migrate,
            first: 0,
        };
        let last = self.die(&migrate, &in_migrate, &mut turned)?;
        let survived = turned.survived.last().copied();
        // It may be done already, and then refuses.
        let _ = self.trial.run(self.database(), Command::Migrate);
        if !self.is_as(&undisturbed.migrated)? {
            return Ok(None);
        }
        if turns.has_reset {
            let began = Instant::now();
            if !self.is_undone_and_done_again(&migrate, last, &mut turned)? {
                return Ok(None);
            }
            turned.is_undone = true;
            turned.undone_after = survived;
            turned.undone = began.elapsed();
        }
        let finalize = Stretch {
            command: Command::Finalize,
            points: finalize,
            first,
        };
        let last = self.die(&finalize, &in_finalize, &mut turned)?;
        let may_be_done = !last.is_empty();
        let ends = self.succeeds(Command::Finalize) || may_be_done;
        if !ends || !self.is_as(&undisturbed.finalized)? {
            return Ok(None);
        }
        // To die after the last of all is what the run did that nothing disturbed. What comes before it is the host's own, and
        // does not depend on what is in the database.
        let same_everywhere = last.iter().filter(|number| match turns.is_first {
            true => **number == points.len(),
            false => true,
        });
        turned.survived.extend(same_everywhere);
        turned.is_steady = true;
        self.case.unstable.get_or_init(BTreeSet::new);
        Ok(Some(turned))
    }

    /// Whether a reset brings back what was before, and migrating again gives the same: also where the host dies after one of
    /// the last points, when everything is done.
    fn is_undone_and_done_again(
        &self,
        migrate: &Stretch<'_>,
        last: Vec<usize>,
        turned: &mut Turned,
    ) -> Result<bool, Error> {
        let is_undone = self.succeeds(Command::Reset) && self.is_as(&self.case.before)?;
        if !is_undone {
            return Ok(false);
        }
        let migrated = &self.case.undisturbed.migrated;
        let mut is_begun = true;
        for number in last {
            let way: Vec<&Point> = migrate.points.iter().take(number).collect();
            let is_again = is_begun || self.succeeds(Command::Reset);
            if !is_again
                || !self.dies_at_end(migrate, &way, number)?.is_same
                || !self.is_as(migrated)?
            {
                return Ok(false);
            }
            turned.survived.insert(number);
            is_begun = false;
        }
        // Where the host died last, everything is done.
        Ok(!is_begun || self.succeeds(Command::Migrate) && self.is_as(migrated)?)
    }

    fn database(&self) -> Arc<dyn Database> {
        Arc::clone(&self.database)
    }

    fn succeeds(&self, command: Command) -> bool {
        self.trial.run(self.database(), command).is_ok()
    }

    fn is_as(&self, expected: &Content) -> Result<bool, Error> {
        let found = snapshot(&*self.plain)?;
        let mut different = differences(expected, &found, WORDS);
        except(&mut different, self.declarations.volatile());
        Ok(different.is_empty())
    }

    /// Lets hosts die in a phase, as long as they come as far as the run did that nothing disturbed. Returns the points that no
    /// host comes to any more, because one that died before them had done everything.
    fn die(
        &self,
        phase: &Stretch<'_>,
        numbers: &[usize],
        turned: &mut Turned,
    ) -> Result<Vec<usize>, Error> {
        let trail = Trail::of(phase.points);
        for (place, number) in numbers.iter().enumerate() {
            let Some(way) = trail.to(number - phase.first) else {
                break;
            };
            let death = self.dies_at_end(phase, &way, *number)?;
            if death.is_same {
                turned.survived.insert(*number);
                continue;
            }
            let rest = numbers.get(place..).unwrap_or_default();
            let ends = phase.points.get(number - phase.first - 1..);
            let is_done = death.had_nothing_to_do
                && place > 0
                && ends.is_some_and(|ends| ends.iter().all(|point| point.is_commit));
            return Ok(match is_done {
                true => rest.to_vec(),
                false => Vec::new(),
            });
        }
        Ok(Vec::new())
    }

    /// Lets a host die at the end of a way, which is the point with this number of the whole run.
    fn dies_at_end(
        &self,
        phase: &Stretch<'_>,
        way: &[&Point],
        number: usize,
    ) -> Result<Death, Error> {
        let Some(last) = way.last() else {
            return Ok(Death::default());
        };
        let point = last.after(number - way.len());
        let commands = [phase.command];
        let seen = cut_off(self.trial, &self.database, way.len(), &point, &commands)?;
        let is_same = |(seen, expected): (&Point, &&Point)| {
            (&seen.what, seen.is_commit) == (&expected.what, expected.is_commit)
        };
        Ok(Death {
            is_same: seen.points.len() == way.len() && seen.points.iter().zip(way).all(is_same),
            had_nothing_to_do: seen.points.is_empty(),
        })
    }
}

/// A part of the run.
struct Stretch<'p> {
    command: Command,
    points: &'p [Point],
    /// How many points of the run come before it.
    first: usize,
}

/// How a host died.
#[derive(Default)]
struct Death {
    /// Whether it did before that what the run did that nothing disturbed.
    is_same: bool,
    /// Whether the one that died before it had done everything.
    had_nothing_to_do: bool,
}

/// How a host comes to a point of a phase after others have died in it.
struct Trail<'p> {
    phase: &'p [Point],
    /// How many points there are before the step does anything.
    opening: usize,
}

impl<'p> Trail<'p> {
    fn of(phase: &'p [Point]) -> Self {
        let opening = phase.iter().position(|point| !point.is_commit);
        Self {
            phase,
            // Without calls nobody knows which of the commits is the step's: all are done again.
            opening: opening.unwrap_or(phase.len()),
        }
    }

    /// The points up to the one with this number, without those of the step that are committed before it.
    fn to(&self, number: usize) -> Option<Vec<&'p Point>> {
        let (opening, own) = self.phase.get(..number)?.split_at(self.opening.min(number));
        let (_, before) = own.split_last().unzip();
        let committed =
            before.and_then(|before: &[Point]| before.iter().rposition(|point| point.is_commit));
        let left = own.get(committed.map_or(0, |last| last + 1)..)?;
        Some(opening.iter().chain(left).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(kinds: &str) -> Vec<Point> {
        let point = |(place, kind)| match kind {
            'C' => Point::commit(),
            _ => Point::call(format!("call {place}")),
        };
        kinds.chars().enumerate().map(point).collect()
    }

    /// The way to each point, as the places of its points.
    fn ways(kinds: &str) -> Vec<String> {
        let points = points(kinds);
        let trail = Trail::of(&points);
        let way = |number| {
            let way = trail.to(number).unwrap();
            let place = |point: &&Point| {
                points
                    .iter()
                    .position(|own| std::ptr::eq(own, *point))
                    .unwrap()
            };
            way.iter().map(|point| place(point).to_string()).collect()
        };
        (1..=points.len()).map(way).collect()
    }

    #[test]
    fn a_host_does_everything_again_that_is_not_committed() {
        // The run begins, a phase begins, two calls, the step, the schema, the end.
        assert_eq!(
            ways("CC..CCC"),
            ["0", "01", "012", "0123", "01234", "015", "016"]
        );
    }

    #[test]
    fn a_host_continues_after_the_last_checkpoint() {
        assert_eq!(
            ways("C..C.CC"),
            ["0", "01", "012", "0123", "04", "045", "06"]
        );
    }

    /// Nobody knows which of the commits is the step's.
    #[test]
    fn without_calls_all_is_done_again() {
        assert_eq!(ways("CCC"), ["0", "01", "012"]);
    }
}
