//! Rows in, columns out.

use crate::batch::Batch;
use crate::bindings::wasmigrate::migration::types::{self, Blobs as BlobList, Texts as TextList};
use crate::cells::rows;
use crate::error::{Error, Result};
use crate::validity::Validity;
use crate::value::ValueRef;
use crate::{ColumnData, ColumnValues, Value};

/// Collects rows and makes a [`Batch`] of them.
///
/// ```no_run
/// # use wasmigrate_sdk::{BatchBuilder, prelude::*};
/// # fn example(database: &Database) -> Result<()> {
/// let mut people = BatchBuilder::new(2);
/// people.push(params!["Ada", 36])?;
/// people.push(params!["Grace", None::<i64>])?;
/// database.load("person", &["name", "age"], &people.build()?)?;
/// # Ok(()) }
/// ```
///
/// A column takes its type from its first value that is not null; when a later one has another type, the column turns
/// into one of mixed values, which is slower and means the same.
#[derive(Debug)]
pub struct BatchBuilder {
    columns: Vec<ColumnBuilder>,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    /// A builder for rows of so many columns.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self {
            columns: (0..columns).map(|_| ColumnBuilder::default()).collect(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Adds a row: `push(params![id, name])`.
    ///
    /// # Errors
    /// When it has another number of cells than the builder has columns.
    pub fn push(&mut self, row: &[ValueRef<'_>]) -> Result<()> {
        if row.len() != self.columns.len() {
            return Err(Error::new(format!(
                "a row of {} cells does not fit {} columns",
                row.len(),
                self.columns.len()
            )));
        }
        for (column, value) in self.columns.iter_mut().zip(row) {
            self.bytes += column.push(*value, self.rows);
        }
        self.rows += 1;
        Ok(())
    }

    /// How many rows were added.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows as a batch; the builder is empty afterwards and can be used again.
    ///
    /// # Errors
    /// When there are more rows than a batch can count.
    pub fn build(&mut self) -> Result<Batch> {
        let row_count =
            u32::try_from(self.rows).map_err(|_| Error::new("too many rows for a batch"))?;
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns = self
            .columns
            .iter_mut()
            .map(|column| std::mem::take(column).build(rows))
            .collect();
        Batch::checked(types::Batch { row_count, columns })
    }

    /// Takes the buffers of a batch that this builder made and that is done with, to fill them again.
    pub(crate) fn recycle(&mut self, batch: Batch) {
        for (column, data) in self.columns.iter_mut().zip(batch.into_host().columns) {
            column.recycle(data);
        }
    }
}

/// One column in the making. Without values as long as it holds nothing but nulls.
#[derive(Debug, Default)]
struct ColumnBuilder {
    validity: Validity,
    values: Option<ColumnValues>,
}

impl ColumnBuilder {
    /// Adds a cell behind `rows` others and returns the bytes it takes.
    fn push(&mut self, value: ValueRef<'_>, rows: usize) -> usize {
        self.validity.push(value != ValueRef::Null, rows);
        if self.values.is_none() && value != ValueRef::Null {
            self.values = Some(nulls_before(value, rows));
        }
        let Some(values) = &mut self.values else {
            return 1;
        };
        if !append(values, value) {
            let mixed = mix(
                std::mem::replace(values, ColumnValues::Mixed(Vec::new())),
                &self.validity,
            );
            *values = mixed;
            append(values, value);
        }
        match value {
            ValueRef::Text(text) | ValueRef::Other { text, .. } => text.len() + 4,
            ValueRef::Bytes(bytes) => bytes.len() + 4,
            _ => 8,
        }
    }

    fn build(self, rows: usize) -> ColumnData {
        ColumnData {
            validity: self.validity.into_flags(),
            // Nothing but nulls: any type will do.
            values: self
                .values
                .unwrap_or_else(|| ColumnValues::Integers(vec![0; rows])),
        }
    }

    fn recycle(&mut self, mut data: ColumnData) {
        match &mut data.values {
            ColumnValues::Booleans(values) => values.clear(),
            ColumnValues::Integers(values) => values.clear(),
            ColumnValues::Floats(values) => values.clear(),
            ColumnValues::Texts(texts) => {
                texts.ends.clear();
                texts.data.clear();
            }
            ColumnValues::Bytes(blobs) => {
                blobs.ends.clear();
                blobs.data.clear();
            }
            // The next rows may well be of one type again.
            ColumnValues::Mixed(_) => return,
        }
        self.validity = Validity::from_flags(data.validity);
        self.validity.clear();
        self.values = Some(data.values);
    }
}

/// A column of the value's type, with a place for each null that came before it.
fn nulls_before(value: ValueRef<'_>, rows: usize) -> ColumnValues {
    match value {
        ValueRef::Boolean(_) => ColumnValues::Booleans(vec![false; rows]),
        ValueRef::Integer(_) => ColumnValues::Integers(vec![0; rows]),
        ValueRef::Float(_) => ColumnValues::Floats(vec![0.0; rows]),
        ValueRef::Text(_) => ColumnValues::Texts(TextList {
            ends: vec![0; rows],
            data: String::new(),
        }),
        ValueRef::Bytes(_) => ColumnValues::Bytes(BlobList {
            ends: vec![0; rows],
            data: Vec::new(),
        }),
        ValueRef::Null | ValueRef::Other { .. } => ColumnValues::Mixed(vec![Value::Null; rows]),
    }
}

/// Appends a value, or says that it is of another type.
fn append(values: &mut ColumnValues, value: ValueRef<'_>) -> bool {
    match (values, value) {
        (ColumnValues::Booleans(list), ValueRef::Boolean(value)) => list.push(value),
        (ColumnValues::Booleans(list), ValueRef::Null) => list.push(false),
        (ColumnValues::Integers(list), ValueRef::Integer(value)) => list.push(value),
        (ColumnValues::Integers(list), ValueRef::Null) => list.push(0),
        (ColumnValues::Floats(list), ValueRef::Float(value)) => list.push(value),
        (ColumnValues::Floats(list), ValueRef::Null) => list.push(0.0),
        (ColumnValues::Texts(TextList { ends, data }), ValueRef::Text(text)) => {
            data.push_str(text);
            push_end(ends, data.len());
        }
        (ColumnValues::Texts(TextList { ends, data }), ValueRef::Null) => {
            push_end(ends, data.len())
        }
        (ColumnValues::Bytes(BlobList { ends, data }), ValueRef::Bytes(bytes)) => {
            data.extend_from_slice(bytes);
            push_end(ends, data.len());
        }
        (ColumnValues::Bytes(BlobList { ends, data }), ValueRef::Null) => {
            push_end(ends, data.len())
        }
        (ColumnValues::Mixed(list), value) => list.push(value.to_owned_value()),
        _ => return false,
    }
    true
}

/// A component's memory has 32-bit addresses, so a buffer in it cannot be longer than this can say.
fn push_end(ends: &mut Vec<u32>, length: usize) {
    ends.push(u32::try_from(length).unwrap_or(u32::MAX));
}

/// The same cells as a column of mixed values.
fn mix(values: ColumnValues, validity: &Validity) -> ColumnValues {
    let row_count = rows(&values);
    let column = ColumnData {
        validity: validity
            .clone()
            .into_flags()
            .into_iter()
            .take(row_count)
            .collect(),
        values,
    };
    let batch = Batch::from_columns([column]);
    ColumnValues::Mixed(
        (0..row_count)
            .map(|row| {
                batch
                    .as_ref()
                    .ok()
                    .and_then(|batch| batch.value(row, 0))
                    .map_or(Value::Null, ValueRef::to_owned_value)
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    fn column(batch: &Batch, column: usize) -> Vec<ValueRef<'_>> {
        (0..batch.rows())
            .map(|row| batch.value(row, column).unwrap())
            .collect()
    }

    #[test]
    fn rows_become_columns() {
        let mut builder = BatchBuilder::new(3);
        builder
            .push(params![1, None::<String>, None::<i64>])
            .unwrap();
        builder.push(params![2, "two", None::<i64>]).unwrap();
        builder.push(params![None::<i64>, "", None::<i64>]).unwrap();
        let batch = builder.build().unwrap();
        assert_eq!(
            column(&batch, 0),
            [ValueRef::Integer(1), ValueRef::Integer(2), ValueRef::Null]
        );
        assert_eq!(
            column(&batch, 1),
            [ValueRef::Null, ValueRef::Text("two"), ValueRef::Text("")]
        );
        assert_eq!(column(&batch, 2), [ValueRef::Null; 3]);
    }

    #[test]
    fn a_column_of_several_types_is_mixed() {
        let mut builder = BatchBuilder::new(1);
        for row in [params![7], params![None::<i64>], params!["x"]] {
            builder.push(row).unwrap();
        }
        let batch = builder.build().unwrap();
        assert_eq!(
            column(&batch, 0),
            [ValueRef::Integer(7), ValueRef::Null, ValueRef::Text("x")]
        );
    }

    #[test]
    fn buffers_are_filled_again() {
        let mut builder = BatchBuilder::new(1);
        builder.push(params![None::<&str>]).unwrap();
        builder.push(params!["first"]).unwrap();
        let batch = builder.build().unwrap();
        builder.recycle(batch);
        builder.push(params!["second"]).unwrap();
        let batch = builder.build().unwrap();
        assert_eq!(column(&batch, 0), [ValueRef::Text("second")]);
    }

    #[test]
    fn a_row_of_another_width_is_refused() {
        let refused = BatchBuilder::new(2).push(params![1]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a row of 1 cells does not fit 2 columns"
        );
    }
}
