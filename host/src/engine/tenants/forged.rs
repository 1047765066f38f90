//! What a file that runs outside a transaction may have made of the rows of its run, while others write theirs: the rows before
//! and after are compared with what the workers say that they write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::{AppliedRecord, StepState};

/// What the workers of a run write. They say so before they do.
#[derive(Default)]
pub(super) struct Announced {
    /// The file and the tenant of each row that is new.
    rows: Mutex<BTreeMap<i64, (i64, String)>>,
    /// The rows that are not only started any more.
    done: Mutex<BTreeSet<i64>>,
}

impl Announced {
    /// A worker may write this row.
    pub(super) fn row(&self, row: &AppliedRecord) {
        lock(&self.rows).insert(row.id, (row.source, row.tenant.clone()));
    }

    /// A worker may write that this row, which was started, is done.
    pub(super) fn done(&self, row: &AppliedRecord) {
        lock(&self.done).insert(row.id);
    }

    fn has_row(&self, row: &AppliedRecord) -> bool {
        let rows = lock(&self.rows);
        rows.get(&row.id)
            .is_some_and(|(source, tenant)| *source == row.source && *tenant == row.tenant)
    }

    fn is_done(&self, row: &AppliedRecord) -> bool {
        row.state == StepState::Started && lock(&self.done).contains(&row.id)
    }
}

/// Whether somebody else than the workers has changed a row between two looks, while a file ran for `tenant`. A look sees the
/// rows of the run and those that are started; nobody writes one of the tenant itself meanwhile.
pub(super) fn is_forged(
    before: &[AppliedRecord],
    after: &[AppliedRecord],
    tenant: &str,
    announced: &Announced,
) -> bool {
    let by_number = |rows: &[AppliedRecord]| -> BTreeMap<i64, AppliedRecord> {
        rows.iter().map(|row| (row.id, row.clone())).collect()
    };
    let (before, after) = (by_number(before), by_number(after));
    let is_of_worker = |row: &AppliedRecord| match before.get(&row.id) {
        Some(known) if known == row => true,
        _ if row.tenant == tenant => false,
        Some(known) => {
            (known.source, &known.tenant) == (row.source, &row.tenant) && announced.is_done(known)
        }
        None => announced.has_row(row),
    };
    let is_gone = |row: &AppliedRecord| !after.contains_key(&row.id);
    let is_left = |row: &AppliedRecord| row.tenant != tenant && announced.is_done(row);
    !after.values().all(is_of_worker) || before.values().any(|row| is_gone(row) && !is_left(row))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use StepState::{Migrated, Started};

    fn row(id: i64, tenant: &str, state: StepState) -> AppliedRecord {
        AppliedRecord {
            tenant: tenant.to_owned(),
            ..super::super::remaining::tests::record(id, state)
        }
    }

    fn forged(before: &[AppliedRecord], after: &[AppliedRecord], announced: &Announced) -> bool {
        is_forged(before, after, "acme", announced)
    }

    #[test]
    fn what_workers_write_for_others_is_not_forged() {
        let announced = Announced::default();
        let acme = row(1, "acme", Started);
        let (started, migrated) = (row(2, "beta", Started), row(2, "beta", Migrated));
        let new = row(3, "beta", Migrated);
        announced.done(&started);
        announced.row(&new);
        let before = [acme.clone(), started];
        assert!(!forged(&before, &before, &announced));
        assert!(!forged(&before, &[acme.clone(), migrated, new], &announced));
        // One of an earlier run is not seen any more when it is done.
        assert!(!forged(&before, &[acme], &announced));
    }

    #[test]
    fn what_no_worker_writes_is_forged() {
        let announced = Announced::default();
        let acme = row(1, "acme", Started);
        let done = row(2, "beta", Migrated);
        let before = [acme.clone(), done.clone()];
        let after = |rows: &[AppliedRecord]| forged(&before, rows, &announced);
        assert!(after(&[
            acme.clone(),
            done.clone(),
            row(3, "beta", Migrated)
        ]));
        assert!(after(&[
            acme.clone(),
            done.clone(),
            row(3, "acme", Migrated)
        ]));
        assert!(after(&[row(1, "acme", Migrated), done]));
        assert!(after(&[acme.clone(), row(2, "beta", Started)]));
        assert!(after(std::slice::from_ref(&acme)));
        // A number that was given to another file or tenant.
        announced.row(&row(3, "gamma", Migrated));
        assert!(forged(
            std::slice::from_ref(&acme),
            &[acme.clone(), row(3, "beta", Migrated)],
            &announced
        ));
    }
}
