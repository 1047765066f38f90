//! Rows, column by column: the fast way to read and to write many.

use crate::bindings::wasmigrate::migration::types;
use crate::cells::{Booleans, Floats, Integers, rows};
use crate::error::{Error, Result};
use crate::texts::{Blobs, Texts, range};
use crate::value::ValueRef;
use crate::{ColumnData, ColumnValues};

/// Many rows, column by column. What was read can be changed in place and written again:
///
/// ```no_run
/// # use wasmigrate_sdk::prelude::*;
/// # fn example(database: &Database) -> Result<()> {
/// for batch in database.query_batches("SELECT id, age FROM person", params![], 10_000)? {
///     let mut batch = batch?;
///     let mut ages = batch.take_integers(1)?;
///     for age in &mut ages.values {
///         *age += 1;
///     }
///     batch.put(1, ages)?;
///     database.load("person_next_year", &["id", "age"], &batch)?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Batch(types::Batch);

impl Batch {
    /// A batch of whole columns.
    ///
    /// # Errors
    /// When they do not have the same number of rows.
    pub fn from_columns(columns: impl IntoIterator<Item = ColumnData>) -> Result<Self> {
        let columns: Vec<_> = columns.into_iter().collect();
        let count = columns.first().map_or(0, |column| rows(&column.values));
        let row_count =
            u32::try_from(count).map_err(|_| Error::new("too many rows for a batch"))?;
        Self::checked(types::Batch { row_count, columns })
    }

    /// A batch from elsewhere.
    ///
    /// # Errors
    /// When its columns do not have as many cells as it has rows.
    pub fn checked(batch: types::Batch) -> Result<Self> {
        let batch = Self(batch);
        for (index, column) in batch.0.columns.iter().enumerate() {
            batch.check_column(index, column)?;
        }
        Ok(batch)
    }

    fn check_column(&self, index: usize, column: &ColumnData) -> Result<()> {
        let rows = rows(&column.values);
        let flags = column.validity.len();
        if rows == self.rows() && (flags == 0 || flags == rows) {
            return Ok(());
        }
        Err(Error::new(format!(
            "column {index} of a batch of {} rows has {rows} cells and {flags} validity flags",
            self.rows()
        )))
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.0.row_count as usize
    }

    /// How many columns there are.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.0.columns.len()
    }

    /// One cell; none where there is no such row or column.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> Option<ValueRef<'_>> {
        let column = self.0.columns.get(column)?;
        if column.validity.get(row) == Some(&0) {
            return Some(ValueRef::Null);
        }
        Some(match &column.values {
            ColumnValues::Booleans(values) => ValueRef::Boolean(*values.get(row)?),
            ColumnValues::Integers(values) => ValueRef::Integer(*values.get(row)?),
            ColumnValues::Floats(values) => ValueRef::Float(*values.get(row)?),
            ColumnValues::Texts(texts) => ValueRef::Text(texts.data.get(range(&texts.ends, row)?)?),
            ColumnValues::Bytes(blobs) => {
                ValueRef::Bytes(blobs.data.get(range(&blobs.ends, row)?)?)
            }
            ColumnValues::Mixed(values) => ValueRef::from(values.get(row)?),
        })
    }

    /// Takes a column of whole numbers out of the batch.
    ///
    /// # Errors
    /// When it holds something else, was taken before, or does not exist.
    pub fn take_integers(&mut self, column: usize) -> Result<Integers> {
        self.take_as(column, "whole numbers", Integers::from_data)
    }

    /// Takes a column of numbers out of the batch.
    ///
    /// # Errors
    /// When it holds something else, was taken before, or does not exist.
    pub fn take_floats(&mut self, column: usize) -> Result<Floats> {
        self.take_as(column, "numbers", Floats::from_data)
    }

    /// Takes a column of booleans out of the batch.
    ///
    /// # Errors
    /// When it holds something else, was taken before, or does not exist.
    pub fn take_booleans(&mut self, column: usize) -> Result<Booleans> {
        self.take_as(column, "booleans", Booleans::from_data)
    }

    /// Takes a column of texts out of the batch.
    ///
    /// # Errors
    /// When it holds something else, was taken before, or does not exist.
    pub fn take_texts(&mut self, column: usize) -> Result<Texts> {
        self.take_as(column, "texts", Texts::from_data)
    }

    /// Takes a column of byte strings out of the batch.
    ///
    /// # Errors
    /// When it holds something else, was taken before, or does not exist.
    pub fn take_bytes(&mut self, column: usize) -> Result<Blobs> {
        self.take_as(column, "raw bytes", Blobs::from_data)
    }

    /// Takes a column out of the batch, whatever it holds.
    ///
    /// # Errors
    /// When it was taken before or does not exist.
    pub fn take(&mut self, column: usize) -> Result<ColumnData> {
        let rows_expected = self.rows();
        match self.0.columns.get_mut(column) {
            Some(found) if rows(&found.values) == rows_expected => {
                let empty = ColumnData {
                    validity: Vec::new(),
                    values: ColumnValues::Mixed(Vec::new()),
                };
                Ok(std::mem::replace(found, empty))
            }
            Some(_) => Err(Error::new(format!("column {column} was taken already"))),
            None => Err(Error::new(format!(
                "there is no column {column}: the batch has {}, counted from 0",
                self.0.columns.len()
            ))),
        }
    }

    fn take_as<T>(
        &mut self,
        column: usize,
        expected: &str,
        read: impl FnOnce(ColumnData) -> Option<T>,
    ) -> Result<T> {
        let data = self.take(column)?;
        let holds = match &data.values {
            ColumnValues::Booleans(_) => "booleans",
            ColumnValues::Integers(_) => "whole numbers",
            ColumnValues::Floats(_) => "numbers",
            ColumnValues::Texts(_) => "texts",
            ColumnValues::Bytes(_) => "raw bytes",
            ColumnValues::Mixed(_) => "values of several types",
        };
        read(data).ok_or_else(|| {
            Error::new(format!(
                "column {column} holds {holds} where {expected} were asked for"
            ))
        })
    }

    /// Puts a column in the place of one that was taken.
    ///
    /// # Errors
    /// When it has another number of rows, or there is no such place.
    pub fn put(&mut self, column: usize, data: impl Into<ColumnData>) -> Result<()> {
        let data = data.into();
        self.check_column(column, &data)?;
        match self.0.columns.get_mut(column) {
            Some(place) => {
                *place = data;
                Ok(())
            }
            None => Err(Error::new(format!("there is no column {column}"))),
        }
    }

    pub(crate) fn as_host(&self) -> &types::Batch {
        &self.0
    }

    /// The batch as the contract has it.
    pub fn into_host(self) -> types::Batch {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_different_length_are_refused() {
        let mut short = Integers::default();
        short.push(Some(1));
        let mut long = Texts::default();
        long.push(Some("a"));
        long.push(None);
        let refused = Batch::from_columns([short.into(), long.into()]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "column 1 of a batch of 1 rows has 2 cells and 2 validity flags"
        );
    }

    #[test]
    fn a_column_is_taken_once_and_put_back() {
        let mut numbers = Integers::default();
        numbers.push(Some(1));
        numbers.push(None);
        let mut batch = Batch::from_columns([numbers.into()]).unwrap();
        assert_eq!(
            batch.clone().take_texts(0).unwrap_err().to_string(),
            "column 0 holds whole numbers where texts were asked for"
        );
        let numbers = batch.take_integers(0).unwrap();
        assert!(batch.take_integers(0).is_err() && batch.take(1).is_err());
        batch.put(0, numbers).unwrap();
        assert_eq!(batch.value(0, 0), Some(ValueRef::Integer(1)));
        assert_eq!(batch.value(1, 0), Some(ValueRef::Null));
        assert_eq!(batch.value(2, 0), None);
    }
}
