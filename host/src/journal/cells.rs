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
pub(super) fn index(value: &Value) -> u64 {
    number(value).cast_unsigned()
}

/// The index of a step, as it is written. Those of repeatable steps are too large for a number with a sign, and are below 0
/// there.
pub(super) fn of_index(index: u64) -> Value {
    Value::Integer(index.cast_signed())
}

/// A text; empty for null.
pub(super) fn text(value: &Value) -> String {
    value.as_text().unwrap_or_default().to_owned()
}

/// Why a run or an attempt failed, as it is read: what an earlier version kept may be longer than a session may read, and the
/// rest of the journal must be readable all the same.
pub(super) const ERROR: &str = "substr(error, 1, 1000000)";

/// How much is shown of an error that is not understood.
const MOST_SHOWN: usize = 500;

/// Why a run or an attempt failed; none for null.
pub(super) fn read_error(value: &Value) -> Option<serde_json::Value> {
    let text = value.as_text()?;
    Some(serde_json::from_str(text).unwrap_or_else(|_| {
        let end = text.floor_char_boundary(MOST_SHOWN);
        let start = text.get(..end).unwrap_or_default();
        let message = format!("the journal's record of the failure cannot be read; it begins with {start}");
        serde_json::json!({ "code": "journal", "blame": "host", "message": message, "retryable": false })
    }))
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
