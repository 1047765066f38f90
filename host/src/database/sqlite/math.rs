//! The mathematical functions that SQLite has where it is built with them, as every distribution, Python and Node do.
//!
//! They are added to each connection, so that they are there however the host was built. A table whose generated columns,
//! indexes or checks use them could not be touched without. <https://www.sqlite.org/lang_mathfunc.html>

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

/// Functions of one number. What is no number, as a result too, is NULL.
const OF_ONE: [(&str, OfOne); 20] = [
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("degrees", f64::to_degrees),
    ("exp", f64::exp),
    ("ln", |x| positive(x).ln()),
    ("log", |x| positive(x).log10()),
    ("log10", |x| positive(x).log10()),
    ("log2", |x| positive(x).log2()),
    ("radians", f64::to_radians),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
];

/// Functions that leave a whole number as it is.
const ROUNDING: [(&str, OfOne); 4] = [
    ("ceil", f64::ceil),
    ("ceiling", f64::ceil),
    ("floor", f64::floor),
    ("trunc", f64::trunc),
];

/// Functions of two numbers.
const OF_TWO: [(&str, OfTwo); 5] = [
    ("atan2", f64::atan2),
    ("log", logarithm),
    ("mod", |x, y| x % y),
    ("pow", f64::powf),
    ("power", f64::powf),
];

fn positive(x: f64) -> f64 {
    if x > 0.0 { x } else { f64::NAN }
}

/// The logarithm of `x` to a base that is greater than one.
fn logarithm(base: f64, x: f64) -> f64 {
    positive(x).ln() / positive(positive(base).ln())
}

/// Adds the functions, without asking whether SQLite was built with them: that would read the file, which may be locked.
pub(super) fn add(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, function) in OF_ONE {
        connection.create_scalar_function(name, 1, flags, move |context| {
            Ok(number(context, 0).map(function))
        })?;
    }
    for (name, function) in ROUNDING {
        connection.create_scalar_function(name, 1, flags, move |context| {
            Ok(match numeric(context.get_raw(0)) {
                Some(Value::Real(value)) => Value::Real(function(value)),
                Some(whole) => whole,
                None => Value::Null,
            })
        })?;
    }
    for (name, function) in OF_TWO {
        connection.create_scalar_function(name, 2, flags, move |context| {
            Ok(number(context, 0)
                .zip(number(context, 1))
                .map(|(x, y)| function(x, y)))
        })?;
    }
    connection.create_scalar_function("pi", 0, flags, |_| Ok(std::f64::consts::PI))
}

fn number(context: &Context<'_>, position: usize) -> Option<f64> {
    match numeric(context.get_raw(position))? {
        Value::Real(value) => Some(value),
        #[allow(clippy::cast_precision_loss, reason = "SQLite does the same")]
        Value::Integer(value) => Some(value as f64),
        _ => None,
    }
}

/// The number that a value is, or that its text says.
fn numeric(value: ValueRef<'_>) -> Option<Value> {
    match value {
        ValueRef::Integer(value) => Some(Value::Integer(value)),
        ValueRef::Real(value) => Some(Value::Real(value)),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).ok()?.trim();
            let is_number = text.starts_with(|first: char| "+-.0123456789".contains(first))
                && text.ends_with(|last: char| last == '.' || last.is_ascii_digit());
            match (is_number, text.parse()) {
                (false, _) => None,
                (true, Ok(value)) => Some(Value::Integer(value)),
                (true, Err(_)) => text.parse().ok().map(Value::Real),
            }
        }
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}
