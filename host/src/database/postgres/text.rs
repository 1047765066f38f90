//! Values in the database's own text.

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};

use super::super::{Cell, ColumnForm};

/// Numbers of built-in types that have a form of their own here, from the server's `pg_type.dat`.
pub(super) mod oid {
    pub(in super::super) const BOOL: u32 = 16;
    pub(in super::super) const BYTEA: u32 = 17;
    pub(in super::super) const NAME: u32 = 19;
    pub(in super::super) const INT8: u32 = 20;
    pub(in super::super) const INT2: u32 = 21;
    pub(in super::super) const INT4: u32 = 23;
    pub(in super::super) const TEXT: u32 = 25;
    pub(in super::super) const OID: u32 = 26;
    pub(in super::super) const JSON: u32 = 114;
    pub(in super::super) const XML: u32 = 142;
    pub(in super::super) const FLOAT4: u32 = 700;
    pub(in super::super) const FLOAT8: u32 = 701;
    pub(in super::super) const BPCHAR: u32 = 1042;
    pub(in super::super) const VARCHAR: u32 = 1043;
    pub(in super::super) const JSONB: u32 = 3802;
}

/// Writes a parameter; false for NULL.
pub(super) fn write(cell: Cell<'_>, buffer: &mut BytesMut) -> bool {
    match cell {
        Cell::Null => return false,
        Cell::Boolean(value) => buffer.put_slice(if value { b"true" } else { b"false" }),
        Cell::Integer(value) => put(buffer, format_args!("{value}")),
        Cell::Float(value) => write_float(value, buffer),
        Cell::Text(text) => buffer.put_slice(text.as_bytes()),
        Cell::Bytes(bytes) => write_hexadecimal(bytes, buffer),
    }
    true
}

fn put(buffer: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    // Growing memory does not fail.
    let _ = buffer.write_fmt(text);
}

/// Whole numbers below this are written without point and exponent, so that a column of whole numbers takes them.
const LARGEST_PLAIN: f64 = 1e15;

fn write_float(value: f64, buffer: &mut BytesMut) {
    if value.is_nan() {
        buffer.put_slice(b"NaN");
    } else if value.is_infinite() {
        buffer.put_slice(if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
    } else if value.fract() == 0.0 && value.abs() < LARGEST_PLAIN {
        put(buffer, format_args!("{value}"));
    } else {
        // The shortest text that is read back as the same number.
        put(buffer, format_args!("{value:?}"));
    }
}

fn write_hexadecimal(bytes: &[u8], buffer: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    buffer.reserve(2 + 2 * bytes.len());
    buffer.put_slice(b"\\x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            buffer.put_slice(
                DIGITS
                    .get(usize::from(digit)..=usize::from(digit))
                    .unwrap_or_default(),
            );
        }
    }
}

/// The form of a result's column of the type with this number.
pub(super) fn form(type_number: u32) -> ColumnForm {
    match type_number {
        oid::BYTEA => ColumnForm::Bytes,
        oid::BOOL => ColumnForm::Booleans,
        oid::INT2 | oid::INT4 | oid::INT8 | oid::OID => ColumnForm::Integers,
        oid::FLOAT4 | oid::FLOAT8 => ColumnForm::Floats,
        _ => ColumnForm::Texts,
    }
}

/// A result's cell of the type with this number, from its text. `bytes` holds the bytes of a `bytea`.
pub(super) fn read<'a>(
    type_number: u32,
    text: &'a [u8],
    bytes: &'a mut Vec<u8>,
) -> Result<Cell<'a>, String> {
    let form = form(type_number);
    if form == ColumnForm::Bytes {
        *bytes = read_bytes(text).ok_or("a bytea that cannot be read")?;
        return Ok(Cell::Bytes(bytes));
    }
    let text = std::str::from_utf8(text).map_err(|_| "a text that is not UTF-8".to_owned())?;
    let unreadable = || format!("`{text}` cannot be read as a number");
    Ok(match form {
        ColumnForm::Booleans => Cell::Boolean(text == "t"),
        ColumnForm::Integers => Cell::Integer(text.parse().map_err(|_| unreadable())?),
        ColumnForm::Floats => Cell::Float(text.parse().map_err(|_| unreadable())?),
        _ => Cell::Text(text),
    })
}

/// A `bytea` in either of its forms: <https://www.postgresql.org/docs/current/datatype-binary.html>
fn read_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if let Some(digits) = text.strip_prefix(b"\\x") {
        return digits
            .chunks(2)
            .map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?))
            .collect();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail.first()) {
            (b'\\', Some(b'\\')) => {
                bytes.push(b'\\');
                tail.get(1..)?
            }
            (b'\\', _) => {
                let octal = std::str::from_utf8(tail.get(..3)?).ok()?;
                bytes.push(u8::from_str_radix(octal, 8).ok()?);
                tail.get(3..)?
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    Some(bytes)
}

/// How the database spells a built-in type without a modifier; none for one that must be asked for.
pub(super) fn type_name(type_number: u32, modifier: i32) -> Option<&'static str> {
    if modifier != -1 {
        return None;
    }
    Some(match type_number {
        oid::BOOL => "boolean",
        oid::BYTEA => "bytea",
        oid::NAME => "name",
        oid::INT8 => "bigint",
        oid::INT2 => "smallint",
        oid::INT4 => "integer",
        oid::TEXT => "text",
        oid::OID => "oid",
        oid::JSON => "json",
        oid::FLOAT4 => "real",
        oid::FLOAT8 => "double precision",
        oid::VARCHAR => "character varying",
        oid::JSONB => "jsonb",
        1082 => "date",
        1114 => "timestamp without time zone",
        1184 => "timestamp with time zone",
        1700 => "numeric",
        2950 => "uuid",
        _ => return None,
    })
}

/// A text as a literal.
pub(super) fn quote_text(text: &str) -> String {
    let text = text.replace('\'', "''");
    match text.contains('\\') {
        // Whatever `standard_conforming_strings` says.
        true => format!("E'{}'", text.replace('\\', "\\\\")),
        false => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_are_written_so_that_they_come_back() {
        for value in [
            0.0,
            -0.0,
            0.1,
            1e300,
            5e-324,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            let mut buffer = BytesMut::new();
            write(Cell::Float(value), &mut buffer);
            assert_eq!(
                read(oid::FLOAT8, &buffer, &mut Vec::new()),
                Ok(Cell::Float(value))
            );
        }
        let all: Vec<u8> = (0..=255).collect();
        let mut buffer = BytesMut::new();
        write(Cell::Bytes(&all), &mut buffer);
        assert_eq!(
            read(oid::BYTEA, &buffer, &mut Vec::new()),
            Ok(Cell::Bytes(&all))
        );
        assert_eq!(read_bytes(b"a\\\\\\001\\377").unwrap(), b"a\\\x01\xff");
    }
}
