//! A column of numbers or booleans: a plain list to read, change and give back.

use crate::validity::Validity;
use crate::value::ValueRef;
use crate::{ColumnData, ColumnValues, Value};

/// The cells of one column whose values have all the same size.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cells<T> {
    /// One value a row; where the row is null it means nothing.
    pub values: Vec<T>,
    /// Which rows are null.
    pub validity: Validity,
}

/// A column of whole numbers.
pub type Integers = Cells<i64>;
/// A column of floating-point numbers.
pub type Floats = Cells<f64>;
/// A column of booleans.
pub type Booleans = Cells<bool>;

impl<T: Copy + Default> Cells<T> {
    /// A column without rows, and room for some.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            values: Vec::with_capacity(rows),
            validity: Validity::default(),
        }
    }

    /// Adds a row; none is null.
    pub fn push(&mut self, value: Option<T>) {
        self.validity.push(value.is_some(), self.values.len());
        self.values.push(value.unwrap_or_default());
    }

    /// The rows; none is null.
    pub fn iter(&self) -> impl Iterator<Item = Option<T>> + '_ {
        self.values
            .iter()
            .enumerate()
            .map(|(row, value)| (!self.validity.is_null(row)).then_some(*value))
    }

    /// Takes the cells of a column that is not of this type but could be, because it holds nothing else.
    fn convert(data: ColumnData, read: impl Fn(ValueRef<'_>) -> Option<T>) -> Option<Self> {
        let validity = Validity::from_flags(data.validity);
        match data.values {
            ColumnValues::Mixed(values) => {
                let mut cells = Self::with_capacity(values.len());
                for value in &values {
                    cells.push(match ValueRef::from(value) {
                        ValueRef::Null => None,
                        value => Some(read(value)?),
                    });
                }
                Some(cells)
            }
            // A column of nulls only is a column of any type.
            values if validity.all_null() => Some(Self {
                values: vec![T::default(); rows(&values)],
                validity,
            }),
            _ => None,
        }
    }
}

/// How many rows a column has.
pub(crate) fn rows(values: &ColumnValues) -> usize {
    match values {
        ColumnValues::Booleans(values) => values.len(),
        ColumnValues::Integers(values) => values.len(),
        ColumnValues::Floats(values) => values.len(),
        ColumnValues::Texts(texts) => texts.ends.len(),
        ColumnValues::Bytes(blobs) => blobs.ends.len(),
        ColumnValues::Mixed(values) => values.len(),
    }
}

impl Integers {
    pub(crate) fn from_data(data: ColumnData) -> Option<Self> {
        match data.values {
            ColumnValues::Integers(values) => Some(Self {
                values,
                validity: Validity::from_flags(data.validity),
            }),
            _ => Self::convert(data, |value| match value {
                ValueRef::Integer(value) => Some(value),
                _ => None,
            }),
        }
    }
}

impl Floats {
    #[allow(
        clippy::cast_precision_loss,
        reason = "what a database does with a whole number where it wants any number"
    )]
    pub(crate) fn from_data(data: ColumnData) -> Option<Self> {
        let validity = Validity::from_flags(data.validity);
        match data.values {
            ColumnValues::Floats(values) => Some(Self { values, validity }),
            ColumnValues::Integers(values) => Some(Self {
                values: values.into_iter().map(|value| value as f64).collect(),
                validity,
            }),
            values => {
                let validity = validity.into_flags();
                Self::convert(ColumnData { validity, values }, |value| match value {
                    ValueRef::Float(value) => Some(value),
                    ValueRef::Integer(value) => Some(value as f64),
                    _ => None,
                })
            }
        }
    }
}

impl Booleans {
    pub(crate) fn from_data(data: ColumnData) -> Option<Self> {
        match data.values {
            ColumnValues::Booleans(values) => Some(Self {
                values,
                validity: Validity::from_flags(data.validity),
            }),
            // SQLite has no booleans: it stores 1 and 0.
            ColumnValues::Integers(values) if values.iter().all(|value| matches!(value, 0 | 1)) => {
                Some(Self {
                    values: values.into_iter().map(|value| value == 1).collect(),
                    validity: Validity::from_flags(data.validity),
                })
            }
            _ => Self::convert(data, |value| match value {
                ValueRef::Boolean(value) => Some(value),
                _ => None,
            }),
        }
    }
}

impl From<Integers> for ColumnData {
    fn from(column: Integers) -> Self {
        Self {
            validity: column.validity.into_flags(),
            values: ColumnValues::Integers(column.values),
        }
    }
}

impl From<Floats> for ColumnData {
    fn from(column: Floats) -> Self {
        Self {
            validity: column.validity.into_flags(),
            values: ColumnValues::Floats(column.values),
        }
    }
}

impl From<Booleans> for ColumnData {
    fn from(column: Booleans) -> Self {
        Self {
            validity: column.validity.into_flags(),
            values: ColumnValues::Booleans(column.values),
        }
    }
}

impl From<Vec<Value>> for ColumnData {
    fn from(values: Vec<Value>) -> Self {
        Self {
            validity: Vec::new(),
            values: ColumnValues::Mixed(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_cells_become_numbers_when_they_are() {
        let data = ColumnData::from(vec![Value::Integer(1), Value::Null, Value::Float(0.5)]);
        let floats = Floats::from_data(data.clone()).unwrap();
        assert_eq!(
            floats.iter().collect::<Vec<_>>(),
            [Some(1.0), None, Some(0.5)]
        );
        assert!(Integers::from_data(data).is_none());
    }

    #[test]
    fn nothing_but_nulls_is_any_type() {
        let data = ColumnData {
            validity: vec![0, 0],
            values: ColumnValues::Floats(vec![0.0, 0.0]),
        };
        assert_eq!(
            Integers::from_data(data)
                .unwrap()
                .iter()
                .collect::<Vec<_>>(),
            [None, None]
        );
    }
}
