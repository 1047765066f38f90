//! Values by type, at its edges.

use crate::database::Value;

/// The length of the longest text that is made where the type has no limit.
const LONG_TEXT: usize = 10_000;

/// Whether a type holds texts.
pub(super) fn is_text(type_name: &str) -> bool {
    let is = |part: &str| type_name.contains(part);
    // SQLite takes every other name, and none, for a column of anything.
    is("char") || is("text") || is("clob") || type_name.is_empty() || is("citext")
}

/// The edges of a type: <https://www.postgresql.org/docs/current/datatype.html>
pub(super) fn edges(type_name: &str) -> Vec<Value> {
    let is = |part: &str| type_name.contains(part);
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| Value::from(*text))
            .collect::<Vec<_>>()
    };
    let integers = |least: i64, most: i64| {
        let mut values = vec![0, 1, -1, 2, least, most]
            .into_iter()
            .map(Value::Integer)
            .collect::<Vec<_>>();
        values.push(Value::Integer(7));
        values
    };
    let mut values = if type_name.ends_with("[]") {
        texts(&["{}"])
    } else if is_text(type_name) {
        text_edges(length(type_name))
    } else if is("smallint") || is("int2") {
        integers(i64::from(i16::MIN), i64::from(i16::MAX))
    } else if type_name == "integer" || is("int4") {
        // What PostgreSQL calls so has 32 bits; SQLite, which has 64, is asked for no more than an application keeps there.
        integers(i64::from(i32::MIN), i64::from(i32::MAX))
    } else if is("interval") {
        texts(&["0", "1 day", "-1 year"])
    } else if is("int") {
        integers(i64::MIN, i64::MAX)
    } else if is("bool") {
        vec![Value::Boolean(true), Value::Boolean(false)]
    } else if is("real") || is("float") || is("double") || is("floa") {
        [0.0, 0.1, -1.5, 1e30, 1e-30]
            .into_iter()
            .map(Value::Float)
            .collect()
    } else if is("numeric") || is("decimal") {
        texts(&["0", "1", "-1", "0.01", "1000"])
    } else if is("timestamp") || is("datetime") {
        texts(&[
            "1970-01-01 00:00:00",
            "2024-02-29 12:30:00",
            "9999-12-31 23:59:59",
            "0001-01-01 00:00:00",
        ])
    } else if is("date") {
        texts(&["1970-01-01", "2024-02-29", "9999-12-31", "0001-01-01"])
    } else if is("time") {
        texts(&["00:00:00", "23:59:59"])
    } else if is("json") {
        texts(&["{}", "[]", "{\"a\": \"😀\"}"])
    } else if is("uuid") {
        texts(&[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ])
    } else if is("bytea") || is("blob") {
        vec![Value::Bytes(Vec::new()), Value::Bytes(vec![0, 255])]
    } else {
        Vec::new()
    };
    values.insert(0, Value::Null);
    values
}

/// A value that belongs to a number.
pub(super) fn numbered(type_name: &str, number: usize) -> Value {
    let is = |part: &str| type_name.contains(part);
    if is_text(type_name) {
        return Value::Text(format!("text {number}"));
    }
    if is("uuid") {
        return Value::Text(format!("00000000-0000-4000-8000-{number:012}"));
    }
    if is("date") || is("timestamp") {
        return Value::Text(format!(
            "20{:02}-{:02}-{:02}",
            number / 336 % 100,
            number / 28 % 12 + 1,
            number % 28 + 1
        ));
    }
    if is("bool") {
        return Value::Boolean(number.is_multiple_of(2));
    }
    if is("bytea") || is("blob") {
        return Value::Bytes(number.to_be_bytes().to_vec());
    }
    if is("json") {
        return Value::Text(format!("{{\"number\": {number}}}"));
    }
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The texts that a check of a column names, such as `kind IN ('a', 'b')`.
pub(super) fn literals(checks: &str, column: &str) -> Vec<Value> {
    let mut literals = Vec::new();
    for check in checks
        .split("CHECK")
        .skip(1)
        .chain(checks.split("check").skip(1))
    {
        let first_line_of_next = check.find(",\n").unwrap_or(check.len());
        let check = check.get(..first_line_of_next).unwrap_or(check);
        if !check.contains(column) {
            continue;
        }
        let mut parts = check.split('\'');
        parts.next();
        while let (Some(literal), Some(_)) = (parts.next(), parts.next()) {
            literals.push(Value::from(literal));
        }
    }
    literals
}

/// How long a text may be: `varchar(20)`, `character varying(20)`.
fn length(type_name: &str) -> Option<usize> {
    let (_, rest) = type_name.split_once('(')?;
    rest.split(')').next()?.trim().parse().ok()
}

fn text_edges(most: Option<usize>) -> Vec<Value> {
    let long = "long "
        .chars()
        .cycle()
        .take(most.unwrap_or(LONG_TEXT))
        .collect::<String>();
    let texts = [
        "",
        " ",
        "a",
        "A",
        // The same twice: natural keys have duplicates until somebody forbids them.
        "duplicate",
        "duplicate",
        "Duplicate ",
        long.as_str(),
        "😀",
        "e\u{301}",
        "ß",
        "שלום",
        "O'Brien \"x\"",
        "two\nlines\tand a tab",
        "%_\\",
        "NULL",
        "007",
        "-1",
        "1.50",
        "9999-12-31",
        "2024-02-29",
    ];
    texts
        .into_iter()
        .filter(|text| most.is_none_or(|most| text.chars().count() <= most))
        .map(Value::from)
        .collect()
}
