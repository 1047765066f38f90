//! What commits as one.
//!
//! A run's work is cut into units before any of it is done, by a pure function: what a step is and what the database can do
//! decide, nothing else.

use std::ops::Range;

use super::loaded::Loaded;
use super::program::Program;
use crate::database::{Capabilities, SchemaChanges};
use crate::journal::Phase;

/// How much of a unit commits as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atomicity {
    /// All steps of the unit, in one transaction.
    All,
    /// As many steps as are over in a moment, in one transaction: told as done when it is committed.
    Group,
    /// One step, in a transaction of its own.
    Step,
    /// Each statement of one step by itself: the journal says *started* before the first and *migrated* after the last.
    Statement,
    /// Each chunk of rows of one transformation.
    Chunk,
}

/// A part of a run's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) phase: Phase,
    pub(super) atomicity: Atomicity,
    /// The places of its steps in the plan.
    pub(super) steps: Range<usize>,
}

/// What decides how a step's `migrate` commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is over at once, and may share a transaction.
    Brief,
    /// It wants a transaction.
    Transaction,
    /// It wants none.
    Outside,
    /// It is a function over rows.
    Transformation,
}

impl Manner {
    pub(super) fn of(step: &Loaded, phase: Phase) -> Self {
        match (&step.program, phase) {
            (Program::Transformation(_), _) => Self::Transformation,
            (Program::Sql(sql), Phase::Reset) if sql.is_undone_outside => Self::Outside,
            (_, Phase::Migrate) if !step.transactional => Self::Outside,
            _ => Self::Transaction,
        }
    }
}

/// Cuts one phase of these steps into units, in the order in which they are done.
pub(super) fn units(phase: Phase, steps: &[Manner], capabilities: &Capabilities) -> Vec<Unit> {
    let rolls_back = capabilities.schema_changes == SchemaChanges::InTransaction;
    if phase != Phase::Migrate && rolls_back {
        return together(phase, steps);
    }
    let atomicity = |manner: &Manner| match manner {
        Manner::Transformation if phase == Phase::Migrate => Atomicity::Chunk,
        Manner::Brief | Manner::Transaction if rolls_back => Atomicity::Step,
        _ => Atomicity::Statement,
    };
    let are_brief =
        |one: &Manner, next: &Manner| rolls_back && *one == Manner::Brief && one == next;
    let mut first = 0;
    let units = steps.chunk_by(are_brief).map(|chunk| {
        let steps = first..first + chunk.len();
        first = steps.end;
        let atomicity = match chunk {
            [manner] => atomicity(manner),
            _ => Atomicity::Group,
        };
        Unit {
            phase,
            atomicity,
            steps,
        }
    });
    units.collect()
}

/// As much as can be in one transaction: all, but for what is undone outside of one.
fn together(phase: Phase, steps: &[Manner]) -> Vec<Unit> {
    let stands_alone = |manner: &Manner| phase == Phase::Reset && *manner == Manner::Outside;
    let mut units = Vec::new();
    let mut first = 0;
    for chunk in steps.chunk_by(|one, next| !stands_alone(one) && !stands_alone(next)) {
        let steps = first..first + chunk.len();
        first = steps.end;
        units.push(Unit {
            phase,
            atomicity: match chunk.iter().any(stands_alone) {
                true => Atomicity::Statement,
                false => Atomicity::All,
            },
            steps,
        });
    }
    if units.is_empty() {
        units.push(Unit {
            phase,
            atomicity: Atomicity::All,
            steps: 0..0,
        });
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::database::{Database as _, Postgres, PostgresOptions, SessionLimits, Sqlite};

    const PLAN: [Manner; 4] = [
        Manner::Transaction,
        Manner::Transformation,
        Manner::Outside,
        Manner::Transaction,
    ];

    /// Each unit on a line: its phase, how much of it commits as one, and its steps.
    fn table(capabilities: &Capabilities) -> String {
        let phases = [Phase::Migrate, Phase::Finalize, Phase::Reset];
        let units = phases
            .iter()
            .flat_map(|phase| units(*phase, &PLAN, capabilities));
        let lines = units.map(|unit| {
            let (phase, Range { start, end }) = (unit.phase.as_str(), unit.steps);
            format!("{phase} {:?} {}..{end}\n", unit.atomicity, start + 1)
        });
        lines.collect()
    }

    const ROLLS_BACK: &str = "\
migrate Step 1..1
migrate Chunk 2..2
migrate Statement 3..3
migrate Step 4..4
finalize All 1..4
reset All 1..2
reset Statement 3..3
reset All 4..4
";

    const COMMITS_IMPLICITLY: &str = "\
migrate Statement 1..1
migrate Chunk 2..2
migrate Statement 3..3
migrate Statement 4..4
finalize Statement 1..1
finalize Statement 2..2
finalize Statement 3..3
finalize Statement 4..4
reset Statement 1..1
reset Statement 2..2
reset Statement 3..3
reset Statement 4..4
";

    const LIMITS: SessionLimits = SessionLimits {
        value_bytes: 0,
        lock_wait: Duration::ZERO,
        deadline: Duration::ZERO,
    };

    #[test]
    fn brief_steps_that_follow_each_other_are_one_unit() {
        use Manner::{Brief, Transaction};
        let sqlite = Sqlite::empty(LIMITS).capabilities();
        let steps = [Transaction, Brief, Brief, Transaction, Brief];
        let cut: Vec<(Atomicity, Range<usize>)> = units(Phase::Migrate, &steps, &sqlite)
            .into_iter()
            .map(|unit| (unit.atomicity, unit.steps))
            .collect();
        assert_eq!(
            cut,
            [
                (Atomicity::Step, 0..1),
                (Atomicity::Group, 1..3),
                (Atomicity::Step, 3..4),
                (Atomicity::Step, 4..5)
            ]
        );
    }

    #[test]
    fn what_commits_as_one() {
        let url = "postgres://user@localhost/target";
        let postgres = Postgres::new(url, PostgresOptions::default(), LIMITS).unwrap();
        let postgres = postgres.capabilities();
        assert_eq!(table(&postgres), ROLLS_BACK);
        assert_eq!(table(&Sqlite::empty(LIMITS).capabilities()), ROLLS_BACK);
        let implicit = Capabilities {
            schema_changes: SchemaChanges::CommitImplicitly,
            ..postgres
        };
        assert_eq!(table(&implicit), COMMITS_IMPLICITLY);
    }
}
