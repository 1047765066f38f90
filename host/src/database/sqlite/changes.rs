//! How many rows of each table a rehearsal changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::guard::Touched;

/// Rows changed by table, counted by SQLite's update hook.
#[derive(Clone, Default)]
pub(super) struct Changes(Arc<Mutex<BTreeMap<String, u64>>>);

impl Changes {
    /// Counts rows of a table.
    pub(super) fn add(&self, table: &str, rows: u64) {
        let mut tables = self.tables();
        match tables.get_mut(table) {
            Some(count) => *count += rows,
            None => {
                tables.insert(table.to_owned(), rows);
            }
        }
    }

    /// Counts what the hook did not see of the rows that a statement changed since the total was `seen`: truncating
    /// deletes, and tables without rowids.
    pub(super) fn add_unseen(&self, touched: &Touched, changed: u64, seen: u64) {
        let unseen = changed.saturating_sub(self.total() - seen);
        if let (Some(table), 1..) = (&touched.main_table, unseen) {
            self.add(table, unseen);
        }
    }

    /// All rows of all tables.
    pub(super) fn total(&self) -> u64 {
        self.tables().values().sum()
    }

    /// The rows of each table.
    pub(super) fn by_table(&self) -> BTreeMap<String, u64> {
        self.tables().clone()
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
