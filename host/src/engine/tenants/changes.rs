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
    forgotten: Vec<i64>,
}

impl JournalChanges {
    /// Takes note of a task that is done; `record` is its row as it is then.
    pub(super) fn note(&mut self, task: &Task, record: AppliedRecord) {
        match (&task.record, task.phases) {
            (_, [Phase::Reset]) => self.forgotten.push(record.id),
            (Some(before), _) if before.state == StepState::Started => self.updated.push(record),
            (Some(_), _) => self.finalized.push(record.id),
            // What this transaction has migrated.
            (None, [Phase::Finalize]) => {
                let place = self.places.get(&(task.file, task.tenant));
                if let Some(new) = place.and_then(|place| self.new.get_mut(*place)) {
                    new.state = record.state;
                    new.finalized_at = record.finalized_at;
                    new.finalized_by = record.finalized_by;
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
        journal::forget_applied(session, &self.forgotten).await
    }
}
