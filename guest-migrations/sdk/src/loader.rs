//! Row after row into a table, sent in batches.

use crate::batch::Batch;
use crate::bindings::wasmigrate::migration::database as host;
use crate::builder::BatchBuilder;
use crate::error::{Error, Result};
use crate::lost::LostRows;
use crate::value::ValueRef;

/// Rows that wait before they are sent, and the bytes they may take: enough to make a call cheap, little enough for
/// every host's limit of bytes in one call.
const ROWS: usize = 10_000;
const BYTES: usize = 1 << 20;

/// Loads rows into a table, in batches that it sends by itself. Made by [`Database::loader`](crate::Database::loader).
///
/// ```no_run
/// # use wasmigrate_sdk::prelude::*;
/// # fn example(database: &Database) -> Result<()> {
/// let mut words = database.loader("word", &["text", "length"]);
/// for word in ["one", "two", "three"] {
///     words.push(params![word, word.len() as i64])?;
/// }
/// let loaded = words.finish()?;
/// # Ok(()) }
/// ```
///
/// Call [`finish`](Loader::finish): a step that returned `Ok` fails all the same when a loader was dropped with rows in
/// it. A loader borrows the [`Database`](crate::Database), so that a checkpoint cannot leave rows behind either.
#[derive(Debug)]
#[must_use = "rows are only loaded for certain by `finish`"]
pub struct Loader<'database> {
    lost: &'database LostRows,
    table: String,
    columns: Vec<String>,
    waiting: BatchBuilder,
    loaded: u64,
}

impl<'database> Loader<'database> {
    pub(crate) fn new(lost: &'database LostRows, table: &str, columns: &[&str]) -> Self {
        Self {
            lost,
            table: table.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            waiting: BatchBuilder::new(columns.len()),
            loaded: 0,
        }
    }

    /// Adds a row: `push(params![id, name])`.
    ///
    /// # Errors
    /// When the row has another number of cells than there are columns, or the database refuses the rows so far.
    pub fn push(&mut self, row: &[ValueRef<'_>]) -> Result<()> {
        self.waiting.push(row)?;
        if self.waiting.rows() >= ROWS || self.waiting.bytes() >= BYTES {
            self.send()?;
        }
        Ok(())
    }

    /// Loads the rows that still wait, and returns how many were loaded in all.
    ///
    /// # Errors
    /// When the database refuses the rows.
    pub fn finish(mut self) -> Result<u64> {
        self.send()?;
        Ok(self.loaded)
    }

    fn send(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch = self.waiting.build()?;
        self.loaded += load(&self.table, &self.columns, &batch)?;
        self.waiting.recycle(batch);
        Ok(())
    }
}

impl Drop for Loader<'_> {
    fn drop(&mut self) {
        if !self.waiting.is_empty() {
            self.lost.note(&self.table, self.waiting.rows());
        }
    }
}

/// Inserts the rows of a batch into columns of a table.
pub(crate) fn load(table: &str, columns: &[String], rows: &Batch) -> Result<u64> {
    host::load(table, columns, rows.as_host()).map_err(|cause| {
        Error::from_host(cause)
            .context(format_args!("could not load rows into the table {table:?}"))
    })
}
