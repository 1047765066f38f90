//! The order in which steps were applied: that of their indexes, unless one came late.

use std::collections::BTreeMap;

use crate::catalog::runs_last;
use crate::journal::{Snapshot, StepRecord};

/// The order in which the steps were applied that the journal knows. Repeatable ones are in none.
#[derive(Clone, Debug, Default)]
pub(super) struct ApplicationOrder {
    /// Their indexes, in this order.
    pub(super) steps: Vec<u64>,
    /// Those that ran out of order, each with a step above it that was applied before.
    pub(super) late: BTreeMap<u64, u64>,
}

impl ApplicationOrder {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut runs = Vec::with_capacity(snapshot.steps.len());
        let mut late = BTreeMap::new();
        // The run in which one of the steps above was applied, the first of them all, and that step.
        let mut first: Option<(i64, u64)> = None;
        let once = snapshot.steps.values().rev();
        for step in once.filter(|step| !runs_last(step.index)) {
            let overtaking = first.filter(|(run, _)| *run < step.run);
            let run = match overtaking {
                None => step.run,
                Some(_) => applied_in(snapshot, step),
            };
            if let Some((_, above)) = overtaking.filter(|(first, _)| *first < run) {
                late.insert(step.index, above);
            }
            let own = (run, step.index);
            first = Some(first.map_or(own, |first| first.min(own)));
            runs.push((run, step.index));
        }
        // Within one run they are applied in the order of their indexes.
        runs.sort_unstable();
        Self {
            steps: runs.into_iter().map(|(_, index)| index).collect(),
            late,
        }
    }
}

/// The run that applied a step. One that was begun before those above it, and that another component has continued since,
/// was applied when it was begun.
fn applied_in(snapshot: &Snapshot, step: &StepRecord) -> i64 {
    snapshot
        .steps
        .range(step.index.saturating_add(1)..)
        .map(|(_, above)| above)
        .filter(|above| above.run < step.run && above.started_at >= step.started_at)
        .map(|above| above.run)
        .fold(step.run, i64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::StepState;

    /// Steps by index, run, and when they were begun.
    fn order(steps: &[(u64, i64, i64)]) -> (Vec<u64>, Vec<u64>) {
        let record = |(index, run, started_at): &(u64, i64, i64)| StepRecord {
            index: *index,
            name: String::new(),
            digest: String::new(),
            state: StepState::Migrated,
            run: *run,
            started_at: *started_at,
            seed: 0,
            migrated_at: None,
            finalized_at: None,
            rows_done: None,
            resume_cursor: None,
            revision: 1,
            signer: None,
        };
        let snapshot = Snapshot {
            steps: steps.iter().map(|step| (step.0, record(step))).collect(),
            ..Snapshot::default()
        };
        let ApplicationOrder { steps, late } = ApplicationOrder::of(&snapshot);
        (steps, late.into_keys().collect())
    }

    #[test]
    fn steps_are_applied_in_the_order_of_their_indexes_unless_one_came_late() {
        let in_order = order(&[(1, 1, 10), (2, 1, 11), (3, 2, 20)]);
        assert_eq!(in_order, (vec![1, 2, 3], vec![]));
        let late = order(&[(1, 1, 10), (2, 3, 30), (3, 2, 20), (4, 3, 31)]);
        assert_eq!(late, (vec![1, 3, 2, 4], vec![2]));
        // The clocks of two hosts differ.
        let skewed = order(&[(1, 1, 90), (2, 2, 20)]);
        assert_eq!(skewed, (vec![1, 2], vec![]));
    }

    #[test]
    fn a_step_that_another_component_continued_was_applied_when_it_was_begun() {
        let replaced = order(&[(1, 1, 10), (2, 3, 11), (3, 2, 20)]);
        assert_eq!(replaced, (vec![1, 2, 3], vec![]));
    }
}
