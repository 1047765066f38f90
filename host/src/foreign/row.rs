//! The cells of a row that was read from another tool's table.

use super::Version;
use crate::database::{Error, Result, Value};
use crate::output::shortened;

pub(super) fn version_from(text: &str) -> Result<Version> {
    Version::parse(text).ok_or_else(|| {
        Error::invalid_argument(format!("the version `{text}` in the table is none"))
    })
}

pub(super) fn cells<const N: usize>(row: Vec<Value>) -> Result<[Value; N]> {
    row.try_into()
        .map_err(|_| Error::invalid_argument("a row has another number of columns"))
}

/// A cell's text, of bearable length: it is told, and whoever may write to the table may put anything there.
pub(super) fn text(value: &Value) -> String {
    shortened(value.as_text().unwrap_or_default().to_owned())
}
