//! Rows that a step wrote and that never reached the database.

use std::cell::RefCell;

use crate::error::{Error, Result};

/// Remembers the first loader that was dropped with rows in it.
#[derive(Debug, Default)]
pub(crate) struct LostRows(RefCell<Option<String>>);

impl LostRows {
    pub(crate) fn note(&self, table: &str, rows: usize) {
        self.0.borrow_mut().get_or_insert_with(|| {
            format!(
                "{rows} rows for the table {table:?} were never loaded: call `finish` on its loader"
            )
        });
    }

    /// An error once, when rows were lost.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.borrow_mut().take() {
            Some(message) => Err(Error::new(message)),
            None => Ok(()),
        }
    }
}
