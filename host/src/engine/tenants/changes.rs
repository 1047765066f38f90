//! What one transaction changes in the journal, written when all its files have run.

use std::collections::HashMap;

use super::work::Task;
use crate::database::{Result, Session};
use crate::journal::{self, AppliedRecord, Phase, StepState};

/// The rows of one transaction.
#[derive(Default)]
pub(super) struct JournalChanges {
    new: Vec<AppliedRecord>,
    /// Where among them a file's row for a tenant is.
    places: HashMap<(usize, Option<usize>), usize>,
    updated: Vec<AppliedRecord>,
    finalized: Vec<i64>,
    reset: Vec<i64>,
}

impl JournalChanges {
    /// Takes note of a task that is done; `record` is its row as it is then.
    pub(super) fn note(&mut self, task: &Task, record: AppliedRecord) {
        match (&task.record, task.phases) {
            (_, [Phase::Reset]) => self.reset.push(record.id),
            (Some(before), _) if before.state == StepState::Started => self.updated.push(record),
            (Some(_), _) => self.finalized.push(record.id),
            // What this transaction has migrated.
            (None, [Phase::Finalize]) => {
                let place = self.places.get(&(task.file, task.tenant));
                match place.and_then(|place| self.new.get_mut(*place)) {
                    Some(new) => {
                        new.state = record.state;
                        new.finalized_at = record.finalized_at;
                        new.finalized_by = record.finalized_by;
                    }
                    // The journal then does not have what is to be finalized, and nothing is committed.
                    None => self.finalized.push(record.id),
                }
            }
            (None, _) => {
                let place = (task.file, task.tenant);
                self.places.insert(place, self.new.len());
                self.new.push(record);
            }
        }
    }

    /// Writes the rows of this run into the open transaction.
    pub(super) async fn write(&self, session: &mut dyn Session, run: i64) -> Result<()> {
        journal::write_applied(session, &self.new).await?;
        for record in &self.updated {
            journal::update_applied(session, record).await?;
        }
        journal::finalize_applied(session, &self.finalized, run).await?;
        journal::set_applied_aside(session, &self.reset, run).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::remaining::tests::{record, task};
    use super::*;
    use StepState::{Finalized, Migrated, Started};

    fn ids(records: &[AppliedRecord]) -> Vec<(i64, StepState)> {
        records
            .iter()
            .map(|record| (record.id, record.state))
            .collect()
    }

    #[test]
    fn each_task_changes_what_the_journal_has_of_it() {
        let mut changes = JournalChanges::default();
        let migrated = || Some(record(2, Migrated));
        changes.note(
            &task(&[Phase::Migrate], Some(record(1, Started))),
            record(1, Migrated),
        );
        changes.note(&task(&[Phase::Finalize], migrated()), record(2, Finalized));
        changes.note(
            &task(&[Phase::Reset], Some(record(3, Migrated))),
            record(3, Migrated),
        );
        assert_eq!(ids(&changes.updated), [(1, Migrated)]);
        assert_eq!((changes.finalized, changes.reset), (vec![2], vec![3]));
        assert!(changes.new.is_empty());
    }

    #[test]
    fn what_a_transaction_migrates_and_finalizes_is_one_new_row() {
        let mut changes = JournalChanges::default();
        changes.note(&task(&[Phase::Migrate], None), record(1, Migrated));
        changes.note(&task(&[Phase::Finalize], None), record(9, Finalized));
        assert_eq!(ids(&changes.new), [(1, Finalized)]);
        assert!(changes.finalized.is_empty());
    }

    #[test]
    fn a_finalize_without_a_migrate_is_demanded_of_the_journal_which_lacks_it() {
        let mut changes = JournalChanges::default();
        changes.note(&task(&[Phase::Finalize], None), record(9, Finalized));
        assert_eq!(changes.finalized, [9]);
    }
}
