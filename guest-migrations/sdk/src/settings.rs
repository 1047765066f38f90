//! Named values that the operator passes to steps: the `[settings]` of the host's configuration.

use std::fmt::Display;
use std::str::FromStr;

use crate::bindings::wasmigrate::migration::settings as host;
use crate::error::{Error, Result};

/// The value of one setting, or none.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    host::get(name)
}

/// The value of one setting as a number or any other type that can be parsed, or none.
///
/// ```no_run
/// # use wasmigrate_sdk::{settings, Result};
/// # fn example() -> Result<()> {
/// let batch: u32 = settings::parse("batch")?.unwrap_or(1_000);
/// # Ok(()) }
/// ```
///
/// # Errors
/// When the setting is there and cannot be parsed.
pub fn parse<T>(name: &str) -> Result<Option<T>>
where
    T: FromStr<Err: Display>,
{
    let Some(text) = host::get(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(reason) => Err(Error::new(format!(
            "the setting {name:?} is {text:?}, which cannot be read: {reason}"
        ))),
    }
}

/// All settings, by name.
#[must_use]
pub fn all() -> Vec<(String, String)> {
    host::all()
}
