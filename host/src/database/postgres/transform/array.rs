//! Columns as arrays, in which they reach the server all at once.

use crate::database::{Cell, ColumnData};

/// A column as PostgreSQL writes an array: <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>
pub(super) fn array(column: &ColumnData, rows: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(rows * 12);
    text.push('{');
    for row in 0..rows {
        if row > 0 {
            text.push(',');
        }
        // Writing to a text does not fail.
        let _ = match column.cell(row) {
            Cell::Null => {
                text.push_str("NULL");
                Ok(())
            }
            Cell::Boolean(value) => write!(text, "{value}"),
            Cell::Integer(value) => write!(text, "{value}"),
            // In quotes, for the infinities.
            Cell::Float(value) => write!(text, "\"{value:?}\""),
            Cell::Text(value) => {
                push_quoted(&mut text, value);
                Ok(())
            }
            Cell::Bytes(bytes) => {
                text.push_str("\"\\\\x");
                let hexadecimal = bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"));
                text.push('"');
                hexadecimal
            }
        };
    }
    text.push('}');
    text
}

fn push_quoted(text: &mut String, mut value: &str) {
    text.push('"');
    while let Some(place) = value.find(['"', '\\']) {
        let (plain, rest) = value.split_at(place);
        text.push_str(plain);
        text.push('\\');
        let (special, after) = rest.split_at(1);
        text.push_str(special);
        value = after;
    }
    text.push_str(value);
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::ColumnBuilder;

    #[test]
    fn an_array_holds_whatever_a_text_may() {
        let mut builder = ColumnBuilder::default();
        for cell in ["", "a", "NULL", "a,b", "\"\\\"", "{}", "ü\n"] {
            builder.push(Cell::Text(cell));
        }
        builder.push(Cell::Null);
        let expected = r#"{"","a","NULL","a,b","\"\\\"","{}","ü
",NULL}"#;
        assert_eq!(array(&builder.finish(), 8), expected);
    }

    #[test]
    fn an_array_holds_bytes_and_numbers() {
        let of = |cell: Cell<'_>| {
            let mut builder = ColumnBuilder::default();
            builder.push(cell);
            array(&builder.finish(), 1)
        };
        assert_eq!(of(Cell::Bytes(&[0, 255])), r#"{"\\x00ff"}"#);
        assert_eq!(of(Cell::Float(f64::NEG_INFINITY)), r#"{"-inf"}"#);
        assert_eq!(of(Cell::Boolean(true)), "{true}");
        assert_eq!(of(Cell::Integer(-1)), "{-1}");
    }
}
