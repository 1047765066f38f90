//! Whether a text can be read: SQLite keeps any bytes as text, UTF-8 or not.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

/// The function that says so of a value.
pub(super) const IS_NO_TEXT: &str = "wasmigrate_is_no_text";

/// Adds it to a connection.
pub(super) fn add(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(IS_NO_TEXT, 1, flags, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Text(text) => std::str::from_utf8(text).is_err(),
            _ => false,
        })
    })
}
