//! What a row of the journal's tables holds.

use crate::database::{Error, ErrorKind, Result, Value};

/// The cells of a row with so many columns.
pub(super) fn columns<const N: usize>(row: Vec<Value>) -> Result<[Value; N]> {
    row.try_into()
        .map_err(|_| damaged("a row has another number of columns"))
}

/// A whole number; 0 for null.
pub(super) fn number(value: &Value) -> i64 {
    value.as_integer().unwrap_or_default()
}

/// The same, not below 0 and not large.
pub(super) fn small(value: &Value) -> Result<u32> {
    u32::try_from(number(value)).map_err(|_| damaged("a number is out of range"))
}

/// The index of a step.
pub(super) fn index(value: &Value) -> Result<u64> {
    u64::try_from(number(value)).map_err(|_| damaged("an index is below 0"))
}

/// A text; empty for null.
pub(super) fn text(value: &Value) -> String {
    value.as_text().unwrap_or_default().to_owned()
}

/// A document; none for null.
pub(super) fn json(value: &Value) -> Option<serde_json::Value> {
    serde_json::from_str(value.as_text()?).ok()
}

/// One of several words.
pub(super) fn spelled<T>(value: &Value, read: impl Fn(&str) -> Option<T>) -> Result<T> {
    let name = value.as_text().unwrap_or_default();
    read(name).ok_or_else(|| damaged(&format!("`{name}` is not known")))
}

/// The journal holds what this host would not have written.
pub(super) fn damaged(why: &str) -> Error {
    Error::new(
        ErrorKind::Other,
        format!("the target's journal cannot be read: {why}"),
    )
}

/// The first cell of the row with this number; 0 when there is none.
pub(super) fn integer(rows: &[Vec<Value>], row: usize) -> i64 {
    rows.get(row)
        .and_then(|row| row.first())
        .and_then(Value::as_integer)
        .unwrap_or_default()
}
