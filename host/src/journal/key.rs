//! Keys of rows, as the journal writes them down.

use serde_json::{Value as Json, json};

use crate::database::{Result, Value};

/// A key, or other cells of a row, as JSON: what JSON has no form of its own for stands in an object.
pub fn write_key(key: &[Value]) -> String {
    let values = key.iter().map(|value| match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        // JSON has neither infinities nor the difference between 1 and 1.0.
        Value::Float(value) => json!({ "float": format!("{value:?}") }),
        Value::Text(text) | Value::Other { text, .. } => text.as_str().into(),
        Value::Bytes(bytes) => json!({ "bytes": bytes }),
    });
    Json::Array(values.collect()).to_string()
}

/// The key that was written down.
pub fn read_key(text: &str) -> Result<Vec<Value>> {
    let damaged = || super::cells::damaged("a row's key is not what this host writes");
    let values: Vec<Json> = serde_json::from_str(text).map_err(|_| damaged())?;
    let read = |value: Json| {
        Some(match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Boolean(value),
            Json::Number(number) => Value::Integer(number.as_i64()?),
            Json::String(text) => Value::Text(text),
            Json::Object(object) => match (object.get("float"), object.get("bytes")) {
                (Some(float), _) => Value::Float(float.as_str()?.parse().ok()?),
                (_, Some(bytes)) => Value::Bytes(serde_json::from_value(bytes.clone()).ok()?),
                _ => return None,
            },
            Json::Array(_) => return None,
        })
    };
    values
        .into_iter()
        .map(|value| read(value).ok_or_else(damaged))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back_as_it_was_written() {
        let key = [
            Value::Null,
            Value::Boolean(true),
            Value::Integer(i64::MIN),
            Value::Float(f64::NEG_INFINITY),
            Value::Float(1.0),
            Value::Float(-0.1),
            Value::Text("a \"quoted\"\n ключ".to_owned()),
            Value::Bytes(vec![0, 255]),
        ];
        assert_eq!(read_key(&write_key(&key)).unwrap(), key);
    }

    #[test]
    fn a_damaged_key_is_an_error() {
        for text in ["", "{}", "[1.5]", "[[1]]", "[{\"float\": \"x\"}]"] {
            assert!(read_key(text).is_err(), "{text}");
        }
    }
}
