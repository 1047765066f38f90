//! How many of the steps that a command is about it takes: all, those up to one, or so many.
//!
//! Pure: the steps are laid out in the order in which they run or ran, and the extent cuts there. One place for plain targets,
//! for tenants, and for whoever only looks.

use std::num::NonZero;

use serde::{Deserialize, Serialize};

use super::state::Command;
use super::step_reference::StepReference;
use crate::catalog::step_label;

/// How many of the steps that a command is about it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extent {
    /// All of them.
    #[default]
    All,
    /// Of those that are pending, the ones up to this step; of those that are to be undone, the ones migrated after it.
    To(StepReference),
    /// The next so many that are pending; the last so many that are to be undone.
    Steps(NonZero<usize>),
}

impl Extent {
    /// What was asked for; both at once make no sense.
    pub fn new(to: Option<StepReference>, steps: Option<NonZero<usize>>) -> Result<Self, String> {
        match (to, steps) {
            (None, None) => Ok(Self::All),
            (Some(step), None) => Ok(Self::To(step)),
            (None, Some(count)) => Ok(Self::Steps(count)),
            (Some(_), Some(_)) => {
                Err("`to` names the last step and `steps` counts them: give one of them".to_owned())
            }
        }
    }

    /// Why it names no step, where it names one of those that a baseline stands for.
    pub(super) fn included<'s>(
        &self,
        baseline: Option<&str>,
        passed_over: impl Iterator<Item = (u64, &'s str)>,
    ) -> Option<String> {
        let (Self::To(step), Some(baseline)) = (self, baseline) else {
            return None;
        };
        let mut meant = passed_over.filter(|(index, name)| step.means(*index, name));
        let (index, name) = meant.next()?;
        Some(format!(
            "{} is included in the baseline {baseline}, which stands for it here: name that one, or a step after it",
            step_label(index, name)
        ))
    }
}

/// A step, as far as an extent cares.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'s> {
    pub(super) index: u64,
    pub(super) name: &'s str,
    pub(super) standing: Standing,
}

/// How far a step is, as far as an extent cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not wholly migrated.
    Pending,
    /// It is migrated and not finalized.
    Migrated,
    /// It is finalized.
    Finalized,
}

/// Which steps a run takes through which phase, in the order in which that is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Those without a number last.
    pub(super) migrate: Vec<u64>,
    pub(super) finalize: Vec<u64>,
    /// The newest first.
    pub(super) reset: Vec<u64>,
    /// The steps without a number that run again after the reset: what they made may stand on what is undone.
    pub(super) repeat: Vec<u64>,
}

impl Plan {
    /// What a command does with these steps, which are in the order of their indexes; `applied` are those of them that the
    /// journal knows, in the order in which they were applied. None of them is repeatable.
    pub(super) fn of(
        command: Command,
        extent: &Extent,
        steps: &[Candidate<'_>],
        applied: &[u64],
    ) -> Result<Self, String> {
        match command {
            Command::Migrate => Ok(Self {
                migrate: to_migrate(extent, steps)?,
                ..Self::default()
            }),
            Command::Finalize => to_finalize(extent, steps, applied),
            Command::Reset => Ok(Self {
                reset: to_reset(extent, steps, applied)?,
                ..Self::default()
            }),
        }
    }

    /// Adds what becomes of steps without a number: those that are `pending` run when no other step is left, and those that were
    /// `applied` on what is undone run again after a reset.
    pub(super) fn with_unnumbered(
        mut self,
        command: Command,
        steps: &[Candidate<'_>],
        pending: impl Iterator<Item = u64>,
        applied: impl Iterator<Item = u64>,
    ) -> Self {
        let is_whole = steps
            .iter()
            .all(|step| step.standing != Standing::Pending || self.migrate.contains(&step.index));
        match command {
            Command::Migrate | Command::Finalize if is_whole => self.migrate.extend(pending),
            Command::Reset if !self.reset.is_empty() => self.repeat = applied.collect(),
            _ => {}
        }
        self
    }

    /// How many steps it is about. What is migrated first is finalized then.
    pub(super) fn len(&self) -> usize {
        self.migrate
            .len()
            .max(self.finalize.len())
            .max(self.reset.len())
    }
}

/// The steps that are migrated, in their order.
pub(super) fn to_migrate(extent: &Extent, steps: &[Candidate<'_>]) -> Result<Vec<u64>, String> {
    let pending = steps
        .iter()
        .filter(|step| step.standing == Standing::Pending)
        .map(|step| step.index);
    Ok(match extent {
        Extent::All => pending.collect(),
        Extent::Steps(count) => pending.take(count.get()).collect(),
        Extent::To(step) => {
            let last = find(step, steps)?.index;
            pending.take_while(|index| *index <= last).collect()
        }
    })
}

fn to_finalize(extent: &Extent, steps: &[Candidate<'_>], applied: &[u64]) -> Result<Plan, String> {
    let last = match extent {
        Extent::All => u64::MAX,
        Extent::To(step) => find(step, steps)?.index,
        Extent::Steps(_) => {
            return Err(
                "`finalize` takes the last step that is to be final (`--to STEP`), and no number of steps"
                    .to_owned(),
            );
        }
    };
    let open = steps
        .iter()
        .filter(|step| step.index <= last && step.standing != Standing::Finalized);
    let plan = Plan {
        migrate: to_migrate(extent, steps)?,
        finalize: open.map(|step| step.index).collect(),
        ..Plan::default()
    };
    refuse_to_end_before(&plan, last, steps, applied)?;
    Ok(plan)
}

/// Refuses to make a step final that was applied after one that stays open: who undoes that one takes from under the other what
/// it stands on.
fn refuse_to_end_before(
    plan: &Plan,
    last: u64,
    steps: &[Candidate<'_>],
    applied: &[u64],
) -> Result<(), String> {
    let named = |index: u64| steps.iter().find(|step| step.index == index);
    let stays_open = |index: &u64| {
        *index > last && named(*index).is_some_and(|step| step.standing == Standing::Migrated)
    };
    let Some(place) = applied.iter().position(stays_open) else {
        return Ok(());
    };
    // What is not applied yet comes after all that is.
    let after = |index: &&u64| {
        let its_place = applied.iter().position(|other| other == *index);
        its_place.is_none_or(|its_place| its_place > place)
    };
    let late = plan.finalize.iter().find(after);
    let late = late.and_then(|index| named(*index));
    match applied.get(place).and_then(|index| named(*index)).zip(late) {
        None => Ok(()),
        Some((open, late)) => Err(format!(
            "{late} comes after {open} in the order in which they are applied, and cannot be final before it: `finalize --to {open}`, \
             or `finalize`, makes both final",
            late = label(late),
            open = label(open)
        )),
    }
}

fn to_reset(extent: &Extent, steps: &[Candidate<'_>], applied: &[u64]) -> Result<Vec<u64>, String> {
    let standing_of = |index: &u64| {
        let step = steps.iter().find(|step| step.index == *index);
        step.map_or(Standing::Pending, |step| step.standing)
    };
    let newest_first = applied.iter().rev();
    let open = |index: &&u64| standing_of(index) != Standing::Finalized;
    let back_to = |oldest: Option<&u64>| -> Vec<u64> {
        let length = applied.iter().rev().position(|index| Some(index) == oldest);
        let after = applied
            .iter()
            .rev()
            .take(length.map_or(0, |length| length + 1));
        after.copied().collect()
    };
    let after = match extent {
        Extent::All => back_to(applied.iter().find(open)),
        Extent::Steps(count) => back_to(newest_first.filter(open).take(count.get()).last()),
        Extent::To(step) if means_none(step, steps) => newest_first.copied().collect(),
        Extent::To(step) => {
            let kept = find(step, steps)?;
            if !applied.contains(&kept.index) {
                return Err(format!(
                    "{} is not migrated: `--to` names the last step that stays",
                    label(kept)
                ));
            }
            let after = newest_first.take_while(|index| **index != kept.index);
            after.copied().collect::<Vec<u64>>()
        }
    };
    let is_final = |index: &&u64| standing_of(index) == Standing::Finalized;
    if let Some(step) = after.iter().find(is_final) {
        let step = steps.iter().find(|candidate| candidate.index == *step);
        let name = step.map(label).unwrap_or_default();
        return Err(match extent {
            Extent::All | Extent::Steps(_) => format!(
                "{name} is finalized, and was applied after steps that are not: they cannot be undone under it; nothing was reset; \
                 `finalize` makes them final"
            ),
            Extent::To(step) if !means_none(step, steps) => format!(
                "{name}, which was migrated after that step, is finalized and cannot be undone; nothing was reset"
            ),
            Extent::To(_) => format!("{name} is finalized and cannot be undone; nothing was reset"),
        });
    }
    Ok(after)
}

/// Whether no step is to stay.
fn means_none(step: &StepReference, steps: &[Candidate<'_>]) -> bool {
    match step {
        StepReference::Index(0) => steps.iter().all(|step| step.index != 0),
        StepReference::Index(_) => false,
        StepReference::Name(name) => name == "none",
    }
}

fn find<'c, 's>(
    step: &StepReference,
    steps: &'c [Candidate<'s>],
) -> Result<&'c Candidate<'s>, String> {
    let named = steps.iter().map(|step| (step.index, step.name));
    let index = step.find(named);
    let found = steps.iter().find(|step| Some(step.index) == index);
    let is_called_so = |other: &&Candidate<'_>| other.name == step.as_text();
    if found.is_none() && steps.iter().filter(is_called_so).count() > 1 {
        return Err(format!("several steps are called {step}: give its index"));
    }
    found.ok_or_else(|| match steps.last() {
        _ if step.as_text().starts_with("R__") || step.as_text().starts_with("seeds/") => format!(
            "{step} has no number, and is no place among the steps: it runs when no step with a number is pending"
        ),
        Some(last) => format!("there is no step {step}: the last is {}", label(last)),
        None => format!("there is no step {step}: there are none"),
    })
}

fn label(step: &Candidate<'_>) -> String {
    step_label(step.index, step.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Finalized, Migrated, Pending};

    /// Steps 1, 2, … in these standings; those that are not pending were applied in their order.
    fn plan(command: Command, extent: &Extent, standings: &[Standing]) -> Result<Plan, String> {
        let steps: Vec<Candidate<'_>> = (1..)
            .zip(standings)
            .map(|(index, standing)| Candidate {
                index,
                name: "x",
                standing: *standing,
            })
            .collect();
        let applied = steps.iter().filter(|step| step.standing != Pending);
        let applied: Vec<u64> = applied.map(|step| step.index).collect();
        Plan::of(command, extent, &steps, &applied)
    }

    fn to(index: u64) -> Extent {
        Extent::To(StepReference::Index(index))
    }

    fn steps(count: usize) -> Extent {
        Extent::Steps(NonZero::new(count).unwrap())
    }

    const SOME: [Standing; 6] = [Finalized, Migrated, Migrated, Pending, Pending, Pending];

    #[test]
    fn migrate_takes_the_next() {
        let migrated =
            |extent: &Extent| plan(Command::Migrate, extent, &SOME).map(|plan| plan.migrate);
        assert_eq!(migrated(&Extent::All).unwrap(), [4, 5, 6]);
        assert_eq!(migrated(&to(5)).unwrap(), [4, 5]);
        assert!(migrated(&to(2)).unwrap().is_empty());
        assert_eq!(migrated(&steps(1)).unwrap(), [4]);
        assert_eq!(migrated(&steps(9)).unwrap(), [4, 5, 6]);
        assert_eq!(
            migrated(&to(7)).unwrap_err(),
            "there is no step 7: the last is 0006_x"
        );
    }

    #[test]
    fn finalize_takes_what_it_migrates_and_what_was_migrated() {
        let both = plan(Command::Finalize, &to(4), &SOME).unwrap();
        assert_eq!((both.migrate, both.finalize), (vec![4], vec![2, 3, 4]));
        let before = plan(Command::Finalize, &to(2), &SOME).unwrap();
        assert_eq!((before.migrate, before.finalize), (vec![], vec![2]));
        assert!(plan(Command::Finalize, &steps(1), &SOME).is_err());
    }

    #[test]
    fn reset_takes_the_newest_first() {
        let reset = |extent: &Extent| plan(Command::Reset, extent, &SOME).map(|plan| plan.reset);
        assert_eq!(reset(&Extent::All).unwrap(), [3, 2]);
        assert_eq!(reset(&steps(1)).unwrap(), [3]);
        assert_eq!(reset(&to(2)).unwrap(), [3]);
        assert_eq!(reset(&to(1)).unwrap(), [3, 2]);
        assert!(reset(&to(3)).unwrap().is_empty());
        assert!(
            reset(&to(4))
                .unwrap_err()
                .starts_with("0004_x is not migrated")
        );
        assert!(
            reset(&to(0))
                .unwrap_err()
                .starts_with("0001_x is finalized")
        );
    }

    #[test]
    fn the_order_of_application_decides_what_is_undone() {
        let steps =
            [(1, Migrated), (2, Migrated), (3, Migrated)].map(|(index, standing)| Candidate {
                index,
                name: "x",
                standing,
            });
        // The second one came late.
        let applied = [1, 3, 2];
        let reset = |extent: &Extent| {
            Plan::of(Command::Reset, extent, &steps, &applied)
                .unwrap()
                .reset
        };
        assert_eq!(reset(&Extent::All), [2, 3, 1]);
        assert_eq!(reset(&super::tests::steps(1)), [2]);
        assert_eq!(reset(&to(3)), [2]);
        assert_eq!(reset(&to(1)), [2, 3]);
    }
}
