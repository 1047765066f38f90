//! Between the contract's types and the host's. Buffers are moved, not copied.

use super::bindings::wasmigrate::migration::types as wit;
use crate::database::{Batch, Column, ColumnData, ColumnValues, Error, ErrorKind, Limit, Value};
use crate::output::Level;

impl From<wit::Value> for Value {
    fn from(value: wit::Value) -> Self {
        match value {
            wit::Value::Null => Self::Null,
            wit::Value::Boolean(value) => Self::Boolean(value),
            wit::Value::Integer(value) => Self::Integer(value),
            wit::Value::Float(value) => Self::Float(value),
            wit::Value::Text(text) => Self::Text(text),
            wit::Value::Bytes(bytes) => Self::Bytes(bytes),
            wit::Value::Other(other) => Self::Other {
                type_name: other.type_name,
                text: other.text,
            },
        }
    }
}

impl From<Value> for wit::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Integer(value) => Self::Integer(value),
            Value::Float(value) => Self::Float(value),
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Other { type_name, text } => Self::Other(wit::OtherValue { type_name, text }),
        }
    }
}

pub(super) fn values(values: Vec<wit::Value>) -> Vec<Value> {
    values.into_iter().map(Value::from).collect()
}

pub(super) fn columns(columns: &[Column]) -> Vec<wit::Column> {
    columns
        .iter()
        .map(|column| wit::Column {
            name: column.name.clone(),
            type_name: column.type_name.clone(),
        })
        .collect()
}

/// A batch that a component made, checked.
pub(super) fn batch(batch: wit::Batch) -> Result<Batch, Error> {
    let batch = Batch {
        row_count: batch.row_count as usize,
        columns: batch
            .columns
            .into_iter()
            .map(|column| ColumnData {
                validity: column.validity,
                values: match column.values {
                    wit::ColumnValues::Booleans(cells) => ColumnValues::Booleans(cells),
                    wit::ColumnValues::Integers(cells) => ColumnValues::Integers(cells),
                    wit::ColumnValues::Floats(cells) => ColumnValues::Floats(cells),
                    wit::ColumnValues::Texts(texts) => ColumnValues::Texts {
                        ends: texts.ends,
                        data: texts.data,
                    },
                    wit::ColumnValues::Bytes(blobs) => ColumnValues::Bytes {
                        ends: blobs.ends,
                        data: blobs.data,
                    },
                    wit::ColumnValues::Mixed(cells) => ColumnValues::Mixed(values(cells)),
                },
            })
            .collect(),
    };
    batch.check().map_err(Error::invalid_argument)?;
    Ok(batch)
}

impl From<Batch> for wit::Batch {
    fn from(batch: Batch) -> Self {
        Self {
            row_count: u32::try_from(batch.row_count).unwrap_or(u32::MAX),
            columns: batch
                .columns
                .into_iter()
                .map(|column| wit::ColumnData {
                    validity: column.validity,
                    values: match column.values {
                        ColumnValues::Booleans(cells) => wit::ColumnValues::Booleans(cells),
                        ColumnValues::Integers(cells) => wit::ColumnValues::Integers(cells),
                        ColumnValues::Floats(cells) => wit::ColumnValues::Floats(cells),
                        ColumnValues::Texts { ends, data } => {
                            wit::ColumnValues::Texts(wit::Texts { ends, data })
                        }
                        ColumnValues::Bytes { ends, data } => {
                            wit::ColumnValues::Bytes(wit::Blobs { ends, data })
                        }
                        ColumnValues::Mixed(cells) => wit::ColumnValues::Mixed(
                            cells.into_iter().map(wit::Value::from).collect(),
                        ),
                    },
                })
                .collect(),
        }
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        match (error.kind, &error.limit) {
            (ErrorKind::Constraint, _) => Self::ConstraintViolated(database_error(error)),
            (ErrorKind::Syntax, _) => Self::Syntax(database_error(error)),
            (ErrorKind::Busy, _) => Self::Busy(database_error(error)),
            (ErrorKind::Limit, Some(limit)) => Self::LimitExceeded(wit::Limit {
                name: limit.name.clone(),
                value: limit.value,
            }),
            (ErrorKind::Stopped, _) => Self::Cancelled,
            (ErrorKind::NotPermitted, _) => Self::NotPermitted(error.message),
            (ErrorKind::InvalidArgument, _) => Self::InvalidArgument(error.message),
            _ => Self::Other(database_error(error)),
        }
    }
}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::ConstraintViolated(error) => host_error(ErrorKind::Constraint, error),
            wit::Error::Syntax(error) => host_error(ErrorKind::Syntax, error),
            wit::Error::Busy(error) => host_error(ErrorKind::Busy, error),
            wit::Error::LimitExceeded(limit) => Self {
                limit: Some(Limit {
                    name: limit.name.clone(),
                    value: limit.value,
                }),
                ..Self::new(
                    ErrorKind::Limit,
                    format!("the limit `{}` is {}", limit.name, limit.value),
                )
            },
            wit::Error::Cancelled => Self::new(ErrorKind::Stopped, "cancelled"),
            wit::Error::NotPermitted(message) => Self::not_permitted(message),
            wit::Error::InvalidArgument(message) => Self::invalid_argument(message),
            wit::Error::Other(error) => host_error(ErrorKind::Other, error),
        }
    }
}

fn database_error(error: Error) -> wit::DatabaseError {
    wit::DatabaseError {
        code: error.code,
        message: error.message,
        detail: error.detail,
        hint: error.hint,
        table: error.table,
        column: error.column,
        constraint: error.constraint,
    }
}

fn host_error(kind: ErrorKind, error: wit::DatabaseError) -> Error {
    Error {
        kind,
        code: error.code,
        message: error.message,
        detail: error.detail,
        hint: error.hint,
        table: error.table,
        column: error.column,
        constraint: error.constraint,
        row: None,
        limit: None,
    }
}

impl From<super::bindings::wasmigrate::migration::report::Level> for Level {
    fn from(level: super::bindings::wasmigrate::migration::report::Level) -> Self {
        use super::bindings::wasmigrate::migration::report::Level as Wit;
        match level {
            Wit::Debug => Self::Debug,
            Wit::Info => Self::Info,
            Wit::Warning => Self::Warning,
            Wit::Error => Self::Error,
        }
    }
}
