//! PostgreSQL's errors, translated.

use std::io;
use std::num::NonZero;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorFields;

use super::super::{Error, ErrorKind};
use crate::output::{Level, MOST_TEXT, shortened};

/// SQLSTATE of a statement that was cancelled, by us or by a timeout.
pub(super) const QUERY_CANCELED: &str = "57014";

/// SQLSTATE `insufficient_privilege`: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub(super) const NO_PRIVILEGE: &str = "42501";

/// SQLSTATE of a lock that was not given in time.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";

/// SQLSTATE of a statement in a transaction that has failed already.
pub(super) const IN_FAILED_TRANSACTION: &str = "25P02";

/// SQLSTATE of a value of an enumeration that the same transaction has added.
const UNSAFE_NEW_ENUM_VALUE: &str = "55P04";

/// SQLSTATE of a statement that refuses to run in a transaction.
const ACTIVE_TRANSACTION: &str = "25001";

const OUTSIDE: &str = "such a statement runs outside a transaction: move it into a file of its own with the line \
     `-- wasmigrate:no-transaction`";

/// Translates what the server says of an error: <https://www.postgresql.org/docs/current/protocol-error-fields.html>
pub(super) fn translate(fields: &mut ErrorFields<'_>) -> io::Result<Error> {
    let mut error = Error::new(ErrorKind::Other, "");
    while let Some(field) = fields.next()? {
        let value = text(field.value_bytes());
        match field.type_() {
            b'C' => error.code = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            b't' => error.table = Some(value),
            b'c' => error.column = Some(value),
            b'n' => error.constraint = Some(value),
            b'W' => error.row = row_of_copy(&value),
            _ => {}
        }
    }
    error.kind = kind(&error.code);
    if error.code == ACTIVE_TRANSACTION && error.hint.is_none() {
        error.hint = Some(OUTSIDE.to_owned());
    }
    Ok(error)
}

/// The row of a COPY that an error is about, by where the server says that it happened: `COPY name, line 2, column a: …`, in the
/// language of its messages.
fn row_of_copy(context: &str) -> Option<NonZero<u32>> {
    let mut lines = context.lines();
    let (_, at) = lines
        .find_map(|line| line.strip_prefix("COPY "))?
        .split_once(", ")?;
    let number = at.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = number.find(|letter: char| !letter.is_ascii_digit());
    number.get(..end.unwrap_or(number.len()))?.parse().ok()
}

/// What the server says besides: how much it matters, and the text.
pub(super) fn notice(fields: &mut ErrorFields<'_>) -> io::Result<(Level, String)> {
    let (mut level, mut message) = (Level::Info, String::new());
    while let Some(field) = fields.next()? {
        let value = text(field.value_bytes());
        match (field.type_(), value.as_str()) {
            // The severity, which is not translated.
            (b'V', "WARNING") => level = Level::Warning,
            (b'V', "DEBUG" | "LOG") => level = Level::Debug,
            (b'M', text) => message = text.to_owned(),
            _ => {}
        }
    }
    Ok((level, message))
}

/// A field's text. The server quotes whole values, which may be as long as a message may be.
fn text(bytes: &[u8]) -> String {
    let most = bytes.len().min(2 * MOST_TEXT);
    let cut = bytes.len() - most;
    let text = String::from_utf8_lossy(bytes.get(..most).unwrap_or_default());
    match cut {
        0 => shortened(text.into_owned()),
        cut => {
            let end = text.floor_char_boundary(MOST_TEXT);
            let kept = text.get(..end).unwrap_or_default();
            format!("{kept} … ({} bytes cut)", text.len() - end + cut)
        }
    }
}

/// What can be done about an error: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn kind(code: &str) -> ErrorKind {
    match code {
        NO_PRIVILEGE => ErrorKind::NotPermitted,
        "40001" | "40P01" | LOCK_NOT_AVAILABLE => ErrorKind::Busy,
        QUERY_CANCELED => ErrorKind::Stopped,
        IN_FAILED_TRANSACTION => ErrorKind::TransactionLost,
        UNSAFE_NEW_ENUM_VALUE => ErrorKind::Uncommitted,
        _ => match code.get(..2) {
            Some("23") => ErrorKind::Constraint,
            Some("42") => ErrorKind::Syntax,
            Some("08") => ErrorKind::Unavailable,
            Some("57") => ErrorKind::Unavailable,
            _ => ErrorKind::Other,
        },
    }
}

/// SQLSTATE of a message that the server did not expect.
const PROTOCOL_VIOLATION: &str = "08P01";

/// Says in words of our own that a statement was given too many or too few values. The server's words tell our name of
/// the statement, too, and call it a fault of the connection.
pub(super) fn explain_parameters(error: Error) -> Error {
    if error.code != PROTOCOL_VIOLATION {
        return error;
    }
    // In every language: how many values the message brings, the statement's name, how many it asks for.
    let given = error.message.split_ascii_whitespace().find_map(number);
    let wanted = error
        .message
        .split_ascii_whitespace()
        .rev()
        .find_map(number);
    match (given, wanted) {
        (Some(given), Some(wanted)) => parameters(wanted, given),
        _ => error,
    }
}

/// A statement was given too many or too few values.
pub(super) fn parameters(wanted: usize, given: usize) -> Error {
    Error {
        code: PROTOCOL_VIOLATION.to_owned(),
        ..Error::invalid_argument(format!(
            "the statement has {wanted} parameters, but {given} values were given"
        ))
    }
}

fn number(word: &str) -> Option<usize> {
    word.parse().ok()
}

/// What a broken connection means.
pub(super) fn broken(name: &str, error: &io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the connection to {name} was lost: {error}"),
    )
}
