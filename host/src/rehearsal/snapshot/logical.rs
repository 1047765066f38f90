//! What a value means, whichever database keeps it.

use std::fmt::Write as _;

use crate::database::{Content, Row, Value};

/// Whole numbers up to here are exact as floating-point numbers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The rows of a content by what they mean: each cell is the text that [`canonical`] makes of it. The schema is left out.
pub(crate) fn logical(snapshot: &Content) -> Content {
    let mut logical = Content::default();
    for (name, table) in &snapshot.tables {
        let mut table = table.clone();
        for row in &mut table.rows {
            let cells = row.cells.iter().map(|cell| match canonical(cell) {
                Some(text) => Value::Text(text),
                None => Value::Null,
            });
            *row = Row::new(cells.collect());
        }
        table
            .rows
            .sort_unstable_by(|one, other| one.exact.cmp(&other.exact));
        logical.tables.insert(name.clone(), table);
    }
    logical
}

/// The one text for a value, however a database spells it; none for NULL. Booleans are 1 and 0, whole floating-point
/// numbers are whole numbers, times are in UTC, JSON has its keys in order, bytes are hexadecimal.
pub(crate) fn canonical(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Boolean(value) => i64::from(*value).to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => number(*value),
        Value::Bytes(bytes) => hexadecimal(bytes),
        Value::Text(text) | Value::Other { text, .. } => decimal(text)
            .or_else(|| time(text))
            .or_else(|| json(text))
            .unwrap_or_else(|| text.clone()),
    })
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < EXACT {
        return format!("{value:.0}").replace("-0", "0");
    }
    value.to_string()
}

/// A decimal number without zeroes at its end; one with zeroes before it is a text, such as a postal code.
fn decimal(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.')?;
    let are_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// A point in time, which databases write with a space or a `T`, with or without an offset.
fn time(text: &str) -> Option<String> {
    let date_time = text
        .get(..10)
        .and_then(|date| date.parse::<jiff::civil::Date>().ok())?;
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return Some(date_time.to_string());
    }
    let spelled = format!("{date_time}T{}", rest.get(1..)?);
    if let Ok(timestamp) = spelled.parse::<jiff::Timestamp>() {
        return Some(timestamp.to_string());
    }
    // PostgreSQL leaves the minutes of an offset out.
    if let Ok(timestamp) = format!("{spelled}:00").parse::<jiff::Timestamp>() {
        return Some(timestamp.to_string());
    }
    let civil = spelled.parse::<jiff::civil::DateTime>().ok()?;
    Some(format!("{civil}Z"))
}

fn json(text: &str) -> Option<String> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .map(|value| value.to_string())
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::from("\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_has_one_text() {
        let same = |one: Value, other: Value| assert_eq!(canonical(&one), canonical(&other));
        same(Value::Boolean(true), Value::Integer(1));
        same(Value::Float(2.0), Value::Integer(2));
        same(Value::Float(1.5), "1.50".into());
        same(
            "2026-01-02 03:04:05+00".into(),
            "2026-01-02T03:04:05Z".into(),
        );
        same(
            "2026-01-02 05:04:05+02".into(),
            "2026-01-02 03:04:05".into(),
        );
        same("{\"b\": 1, \"a\": 2}".into(), "{\"a\":2,\"b\":1}".into());
    }

    #[test]
    fn what_does_not_has_two() {
        let differ = |one: Value, other: Value| assert_ne!(canonical(&one), canonical(&other));
        differ("007".into(), Value::Integer(7));
        differ("".into(), Value::Null);
        differ("é".into(), "e\u{301}".into());
        differ("2026-01-02".into(), "2026-01-03".into());
    }
}
