//! One row of a result, with typed getters.

use std::rc::Rc;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::from_value::FromValue;
use crate::value::ValueRef;
use crate::{Column, Value};

/// One row of a result.
///
/// ```no_run
/// # use wasmigrate_sdk::prelude::*;
/// # fn example(row: &Row) -> Result<()> {
/// let id: i64 = row.get("id")?;
/// let name = row.get::<&str>("name")?;
/// let age = row.get::<Option<i64>>(2)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Row {
    columns: Rc<[Column]>,
    cells: RowCells,
}

#[derive(Debug, Clone)]
enum RowCells {
    /// A row of a batch, which it shares with the other rows.
    InBatch(Rc<Batch>, usize),
    Own(Rc<[Value]>),
}

impl Row {
    pub(crate) fn in_batch(columns: Rc<[Column]>, batch: Rc<Batch>, row: usize) -> Self {
        Self {
            columns,
            cells: RowCells::InBatch(batch, row),
        }
    }

    pub(crate) fn own(columns: Rc<[Column]>, cells: Vec<Value>) -> Self {
        Self {
            columns,
            cells: RowCells::Own(cells.into()),
        }
    }

    /// The cell of one column, by name or by position (counted from 0), as any type that [`FromValue`] is for.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    pub fn get<'row, T: FromValue<'row>>(&'row self, column: impl ColumnIndex) -> Result<T> {
        let index = column.index(&self.columns)?;
        let value = self.value(index).ok_or_else(|| self.no_column(index))?;
        T::from_value(value).ok_or_else(|| {
            let name = self.columns.get(index).map_or("", |column| &column.name);
            Error::new(format!(
                "column {name:?} holds {value} where {} was asked for",
                T::EXPECTED
            ))
        })
    }

    /// The columns of the result.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn value(&self, index: usize) -> Option<ValueRef<'_>> {
        match &self.cells {
            RowCells::InBatch(batch, row) => batch.value(*row, index),
            RowCells::Own(cells) => cells.get(index).map(ValueRef::from),
        }
    }

    fn no_column(&self, index: usize) -> Error {
        Error::new(format!(
            "there is no column {index}: the row has {}, counted from 0",
            self.columns.len()
        ))
    }
}

/// How a column is named: by its name, or by its position counted from 0.
pub trait ColumnIndex {
    /// Its position.
    ///
    /// # Errors
    /// When no column has this name.
    fn index(&self, columns: &[Column]) -> Result<usize>;
}

impl ColumnIndex for usize {
    fn index(&self, _: &[Column]) -> Result<usize> {
        Ok(*self)
    }
}

impl ColumnIndex for &str {
    fn index(&self, columns: &[Column]) -> Result<usize> {
        // A result has few columns: looking at each is faster than any map.
        columns
            .iter()
            .position(|column| column.name == *self)
            .ok_or_else(|| {
                let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
                Error::new(format!(
                    "there is no column {self:?} among {}",
                    names.join(", ")
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let columns: Vec<_> = ["id", "name", "age"]
            .map(|name| Column {
                name: name.to_owned(),
                type_name: String::new(),
            })
            .into();
        let cells = vec![Value::Integer(7), Value::Text("Ada".into()), Value::Null];
        Row::own(columns.into(), cells)
    }

    #[test]
    fn cells_are_read_by_name_and_by_position() {
        let row = row();
        assert_eq!(row.get::<i64>("id").unwrap(), 7);
        assert_eq!(row.get::<&str>(1).unwrap(), "Ada");
        assert_eq!(row.get::<Option<i64>>("age").unwrap(), None);
        assert!((row.get::<f64>(0).unwrap() - 7.0).abs() < f64::EPSILON);
    }

    #[test]
    fn messages_say_what_is_there() {
        let row = row();
        assert_eq!(
            row.get::<i64>("name").unwrap_err().to_string(),
            r#"column "name" holds the text "Ada" where a whole number was asked for"#
        );
        assert_eq!(
            row.get::<i64>("age").unwrap_err().to_string(),
            r#"column "age" holds null where a whole number was asked for"#
        );
        assert_eq!(
            row.get::<i64>("nme").unwrap_err().to_string(),
            r#"there is no column "nme" among id, name, age"#
        );
        assert_eq!(
            row.get::<i64>(3).unwrap_err().to_string(),
            "there is no column 3: the row has 3, counted from 0"
        );
    }
}
