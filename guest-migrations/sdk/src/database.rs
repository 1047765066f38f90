//! The open transaction: what a step can ask of the database.

use std::rc::Rc;

use crate::Product;
use crate::batch::Batch;
use crate::batches::Batches;
use crate::bindings::wasmigrate::migration::{database as host, report};
use crate::error::{Error, Result};
use crate::from_value::FromValue;
use crate::loader::{Loader, load};
use crate::lost::LostRows;
use crate::position::Position;
use crate::row::Row;
use crate::rows::Rows;
use crate::savepoint::Savepoint;
use crate::value::ValueRef;

/// Rows that [`Database::query`] fetches at once. More gains nothing measurable.
const ROWS_AT_ONCE: u32 = 1_000;

/// The database, inside the transaction that the host opened for the step.
///
/// Each call takes exactly one statement. Parameters are `$1`, `$2` on both databases, counted in the order in
/// which they come first.
#[derive(Debug)]
pub struct Database {
    lost: LostRows,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self {
            lost: LostRows::default(),
        }
    }

    /// Which database this is, and its version.
    #[must_use]
    pub fn server(&self) -> Product {
        host::server()
    }

    /// Runs one statement and returns the number of rows it changed.
    ///
    /// # Errors
    /// When the host or the database refuses it.
    pub fn execute(&self, statement: &str, parameters: &[ValueRef<'_>]) -> Result<u64> {
        host::execute(statement, &owned(parameters)).map_err(Error::from_host)
    }

    /// Runs one statement once for each row of the batch, whose columns are its parameters in order. Returns the number
    /// of rows changed in all.
    ///
    /// # Errors
    /// When the host or the database refuses it.
    pub fn execute_many(&self, statement: &str, parameters: &Batch) -> Result<u64> {
        host::execute_many(statement, parameters.as_host()).map_err(Error::from_host)
    }

    /// Inserts the rows of a batch into the named columns of a table, as fast as the database can.
    ///
    /// # Errors
    /// When the host or the database refuses them.
    pub fn load(&self, table: &str, columns: &[&str], rows: &Batch) -> Result<u64> {
        let columns: Vec<_> = columns.iter().map(|&column| column.to_owned()).collect();
        load(table, &columns, rows)
    }

    /// Inserts row after row into the named columns of a table.
    pub fn loader(&self, table: &str, columns: &[&str]) -> Loader<'_> {
        Loader::new(&self.lost, table, columns)
    }

    /// Runs a query of any size; its rows come one after the other, in constant memory.
    ///
    /// # Errors
    /// When the host or the database refuses it.
    pub fn query(&self, statement: &str, parameters: &[ValueRef<'_>]) -> Result<Rows<'_>> {
        Ok(Rows::new(self.query_batches(
            statement,
            parameters,
            ROWS_AT_ONCE,
        )?))
    }

    /// Runs a query of any size; its rows come in column batches of at most so many, in constant memory.
    ///
    /// # Errors
    /// When the host or the database refuses it.
    pub fn query_batches(
        &self,
        statement: &str,
        parameters: &[ValueRef<'_>],
        rows_at_once: u32,
    ) -> Result<Batches<'_>> {
        let cursor = host::query(statement, &owned(parameters)).map_err(Error::from_host)?;
        Ok(Batches::new(cursor, rows_at_once))
    }

    /// Runs a query whose result is small, and returns all its rows.
    ///
    /// # Errors
    /// When the host or the database refuses it, or the result is over the host's limits.
    pub fn query_rows(&self, statement: &str, parameters: &[ValueRef<'_>]) -> Result<Vec<Row>> {
        let result = host::query_rows(statement, &owned(parameters)).map_err(Error::from_host)?;
        let columns: Rc<[_]> = result.columns.into();
        let rows = result.rows.into_iter();
        Ok(rows.map(|row| Row::own(columns.clone(), row)).collect())
    }

    /// Runs a query that returns one row or none.
    ///
    /// # Errors
    /// When it returns more than one, or the host or the database refuses it.
    pub fn query_optional(
        &self,
        statement: &str,
        parameters: &[ValueRef<'_>],
    ) -> Result<Option<Row>> {
        let mut rows = self.query_rows(statement, parameters)?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            many => Err(wrong_count(statement, many)),
        }
    }

    /// Runs a query that returns exactly one row.
    ///
    /// # Errors
    /// When it returns none or more than one, or the host or the database refuses it.
    pub fn query_one(&self, statement: &str, parameters: &[ValueRef<'_>]) -> Result<Row> {
        self.query_optional(statement, parameters)?
            .ok_or_else(|| wrong_count(statement, 0))
    }

    /// Runs a query that returns exactly one row, and reads its first column:
    /// `let people: i64 = database.query_value("SELECT count(*) FROM person", params![])?`.
    ///
    /// # Errors
    /// When it returns none or more than one, or the value is of another type, or the host or the database refuses it.
    pub fn query_value<T>(&self, statement: &str, parameters: &[ValueRef<'_>]) -> Result<T>
    where
        T: for<'row> FromValue<'row>,
    {
        self.query_one(statement, parameters)?.get(0)
    }

    /// Opens a point to which the transaction can be rolled back.
    ///
    /// # Errors
    /// When the host or the database refuses it.
    pub fn savepoint(&self) -> Result<Savepoint<'_>> {
        Savepoint::open()
    }

    /// Commits what was done so far, together with the position to resume from after a crash. Only in
    /// [`Step::migrate`](crate::Step::migrate).
    ///
    /// It asks for `&mut self` because it closes all cursors and refuses open savepoints: rows, batches, loaders and
    /// savepoints must be gone by then, and the compiler sees to it.
    ///
    /// # Errors
    /// When the commit fails, or a loader was dropped with rows in it.
    pub fn checkpoint(&mut self, position: &impl Position) -> Result<()> {
        self.check_nothing_lost()?;
        report::checkpoint(&position.to_bytes()).map_err(Error::from_host)
    }

    pub(crate) fn check_nothing_lost(&self) -> Result<()> {
        self.lost.check()
    }
}

fn owned(parameters: &[ValueRef<'_>]) -> Vec<crate::Value> {
    parameters
        .iter()
        .map(|value| value.to_owned_value())
        .collect()
}

fn wrong_count(statement: &str, rows: usize) -> Error {
    Error::new(format!("expected one row, not {rows}, from {statement:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    #[test]
    fn a_loader_without_finish_is_noticed() {
        let mut database = Database::new();
        let mut loader = database.loader("word", &["text"]);
        loader.push(params!["lost"]).unwrap();
        drop(loader);
        let noticed = database.checkpoint(&1_i64).unwrap_err();
        assert!(
            noticed
                .to_string()
                .starts_with("1 rows for the table \"word\"")
        );
    }
}
