//! What is left of some tasks, by what the journal says now.
//!
//! A schedule is made from one look at the journal. More may have been committed since, by a host that was declared dead or
//! on a connection that was lost, and a server that went down may have forgotten what it had committed. Then the journal is
//! read again, and what it says decides, not what this process remembers.

use std::collections::{BTreeMap, HashMap};

use super::context::TenancyContext;
use super::work::Task;
use crate::engine::failure::{Blame, Failure};
use crate::journal::{AppliedRecord, Phase, StepState};

/// A file, by its place, and the number of the tenant that it is applied for.
pub(super) type Key = (usize, Option<usize>);

/// What the commits of a run have left of each task: its row, or none when it was reset.
pub(super) type Committed = BTreeMap<Key, Option<AppliedRecord>>;

/// What the journal says of a task.
#[derive(Debug)]
pub(super) enum Left {
    /// It is done.
    Nothing,
    /// This has to be run.
    Task(Box<Task>),
    /// Its `migrate` was committed before, and is not there any more.
    Forgotten,
}

/// What is left of one task, whose row is `row` now.
pub(super) fn left(task: &Task, row: Option<&AppliedRecord>) -> Left {
    let with = |phases: &'static [Phase]| {
        Left::Task(Box::new(Task {
            phases,
            record: row.cloned(),
            ..task.clone()
        }))
    };
    let state = row.map(|row| row.state);
    match (task.phases, state) {
        ([Phase::Reset], None) | (_, Some(StepState::Finalized)) => Left::Nothing,
        ([Phase::Migrate], Some(StepState::Migrated)) => Left::Nothing,
        ([Phase::Migrate, Phase::Finalize], Some(StepState::Migrated)) => with(&[Phase::Finalize]),
        // It is migrated before in the same transaction, or it never will be.
        ([Phase::Finalize], None | Some(StepState::Started)) => match &task.record {
            None => Left::Task(Box::new(task.clone())),
            Some(_) => Left::Forgotten,
        },
        (phases, _) => with(phases),
    }
}

/// One of the tasks whose commit was acknowledged and that the journal does not know as it was left.
pub(super) fn forgotten<'r>(
    committed: &Committed,
    row: impl Fn(&Key) -> Option<&'r AppliedRecord>,
) -> Option<Key> {
    let is_forgotten = |(key, left): &(&Key, &Option<AppliedRecord>)| match (left, row(key)) {
        (None, None) => false,
        (None, Some(_)) | (Some(_), None) => true,
        // The commit that was under way may have come through.
        (Some(left), Some(row)) => rank(row.state) < rank(left.state),
    };
    committed.iter().find(is_forgotten).map(|(key, _)| *key)
}

/// Rows of the journal, by what they are of.
pub(super) struct Rows(HashMap<(i64, String), AppliedRecord>);

impl Rows {
    pub(super) fn new(rows: Vec<AppliedRecord>) -> Self {
        let by_key = |row: AppliedRecord| ((row.source, row.tenant.clone()), row);
        Self(rows.into_iter().map(by_key).collect())
    }

    /// The row of a file for a tenant.
    pub(super) fn get(
        &self,
        tenancy: &TenancyContext<'_>,
        (file, tenant): Key,
    ) -> Option<&AppliedRecord> {
        let tenant = match tenant {
            Some(number) => tenancy.tenants.get(number)?.name.clone(),
            None => String::new(),
        };
        self.0.get(&(*tenancy.ids.get(file)?, tenant))
    }

    /// What is left of these tasks.
    pub(super) fn left(
        &self,
        tenancy: &TenancyContext<'_>,
        tasks: &[Task],
    ) -> Result<Vec<Task>, Failure> {
        let mut all = Vec::with_capacity(tasks.len());
        for task in tasks {
            match left(task, self.get(tenancy, (task.file, task.tenant))) {
                Left::Nothing => {}
                Left::Task(task) => all.push(*task),
                Left::Forgotten => return Err(gap(&tenancy.label(task))),
            }
        }
        Ok(all)
    }
}

/// The failure of a run of which the database has lost commits.
pub(super) fn gap(from: &str) -> Failure {
    Failure::new(
        "database",
        Blame::Database,
        format!(
            "the database went down and has lost the last commits of this run, {from} among them, which had not reached its \
             disk: nothing is half done; run the command again"
        ),
    )
}

fn rank(state: StepState) -> u8 {
    match state {
        StepState::Started => 0,
        StepState::Migrated => 1,
        StepState::Finalized => 2,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use StepState::{Finalized, Migrated, Started};

    pub(in super::super) fn record(id: i64, state: StepState) -> AppliedRecord {
        AppliedRecord {
            id,
            source: 1,
            tenant: "acme".to_owned(),
            is_script: false,
            run: 1,
            state,
            started_at: 0,
            seed: 0,
            migrated_at: None,
            finalized_at: None,
            finalized_by: None,
        }
    }

    pub(in super::super) fn task(phases: &'static [Phase], record: Option<AppliedRecord>) -> Task {
        Task {
            file: 0,
            tenant: Some(0),
            phases,
            record,
        }
    }

    /// What is left as one word: the phases that run, or what became of them.
    fn word(task: &Task, row: Option<StepState>) -> String {
        let row = row.map(|state| record(7, state));
        match left(task, row.as_ref()) {
            Left::Nothing => "done".to_owned(),
            Left::Forgotten => "forgotten".to_owned(),
            Left::Task(task) => {
                let phases: Vec<&str> = task.phases.iter().map(|phase| phase.as_str()).collect();
                format!(
                    "{}{}",
                    phases.join("+"),
                    if task.record.is_some() { " again" } else { "" }
                )
            }
        }
    }

    #[test]
    fn what_the_journal_says_decides_what_is_left() {
        let rows = [None, Some(Started), Some(Migrated), Some(Finalized)];
        let words = |task: Task| rows.map(|row| word(&task, row));
        let migrate = words(task(&[Phase::Migrate], None));
        assert_eq!(migrate, ["migrate", "migrate again", "done", "done"]);
        let was_started = words(task(&[Phase::Migrate], Some(record(7, Started))));
        assert_eq!(was_started, ["migrate", "migrate again", "done", "done"]);
        let both = words(task(&[Phase::Migrate, Phase::Finalize], None));
        assert_eq!(
            both,
            [
                "migrate+finalize",
                "migrate+finalize again",
                "finalize again",
                "done"
            ]
        );
        let finalize = words(task(&[Phase::Finalize], Some(record(7, Migrated))));
        assert_eq!(
            finalize,
            ["forgotten", "forgotten", "finalize again", "done"]
        );
        let in_one_transaction = word(&task(&[Phase::Finalize], None), None);
        assert_eq!(in_one_transaction, "finalize");
        let reset = words(task(&[Phase::Reset], Some(record(7, Migrated))));
        assert_eq!(reset, ["done", "reset again", "reset again", "done"]);
    }

    #[test]
    fn a_commit_that_was_acknowledged_and_is_not_there_is_found() {
        let key = (0, Some(0));
        let found = |left: Option<StepState>, row: Option<StepState>| {
            let committed = Committed::from([(key, left.map(|state| record(7, state)))]);
            let row = row.map(|state| record(7, state));
            forgotten(&committed, |_| row.as_ref()) == Some(key)
        };
        assert!(!found(Some(Migrated), Some(Migrated)));
        assert!(!found(Some(Migrated), Some(Finalized)));
        assert!(!found(None, None));
        assert!(found(Some(Finalized), Some(Migrated)));
        assert!(found(Some(Migrated), Some(Started)));
        assert!(found(Some(Started), None));
        assert!(found(None, Some(Migrated)));
    }
}
