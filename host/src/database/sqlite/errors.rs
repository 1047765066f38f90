//! SQLite's errors, translated.

use rusqlite::ffi;

use super::super::{Error, ErrorKind};
use crate::output::shortened;

/// Translates an error of rusqlite.
pub(super) fn translate(error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            let message = message.unwrap_or_else(|| failure.to_string());
            from_code(failure, message)
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => {
            let mut translated = from_code(error, msg);
            if translated.kind == ErrorKind::Other {
                translated.kind = ErrorKind::Syntax;
            }
            translated
        }
        rusqlite::Error::MultipleStatement => Error::not_permitted(
            "the text holds more than one statement: pass one statement per call",
        ),
        other => Error::new(ErrorKind::Other, other.to_string()),
    }
}

/// A statement that is refused before SQLite sees it.
pub(super) fn misuse(message: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_MISUSE),
        Some(message.to_owned()),
    )
}

const UNREGISTERED: &str = "functions and collations that the application registers on its own connections are not there on those of the host";

fn from_code(failure: ffi::Error, message: String) -> Error {
    let message = shortened(message);
    let kind = match failure.code {
        ffi::ErrorCode::ConstraintViolation => ErrorKind::Constraint,
        ffi::ErrorCode::DatabaseBusy | ffi::ErrorCode::DatabaseLocked => ErrorKind::Busy,
        ffi::ErrorCode::OperationInterrupted => ErrorKind::Stopped,
        ffi::ErrorCode::AuthorizationForStatementDenied => ErrorKind::NotPermitted,
        ffi::ErrorCode::TooBig | ffi::ErrorCode::OutOfMemory => ErrorKind::Limit,
        ffi::ErrorCode::CannotOpen | ffi::ErrorCode::NotADatabase => ErrorKind::Unavailable,
        ffi::ErrorCode::ApiMisuse | ffi::ErrorCode::ParameterOutOfRange => {
            ErrorKind::InvalidArgument
        }
        _ => ErrorKind::Other,
    };
    let (table, column, constraint) = match kind {
        ErrorKind::Constraint => constraint_of(failure.extended_code, &message),
        _ => (None, None, None),
    };
    let is_missing = [
        "no such function: ",
        "no such collation sequence: ",
        "unknown function: ",
    ]
    .iter()
    .any(|start| message.starts_with(start));
    Error {
        hint: is_missing.then(|| UNREGISTERED.to_owned()),
        code: code_name(failure.extended_code),
        table,
        column,
        constraint,
        ..Error::new(kind, message)
    }
}

type ConstraintNames = (Option<String>, Option<String>, Option<String>);

/// Reads table, column and constraint out of messages like `UNIQUE constraint failed: customer.email`, the only place
/// where SQLite tells them. <https://www.sqlite.org/rescode.html#constraint>
fn constraint_of(extended_code: i32, message: &str) -> ConstraintNames {
    let Some((_, subject)) = message.split_once(": ") else {
        return (None, None, None);
    };
    let constraint = Some(subject.to_owned());
    match extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_NOTNULL => {
            let first = subject.split(", ").next().unwrap_or(subject);
            let (table, column) = match first.split_once('.') {
                Some((table, column)) => (Some(table.to_owned()), Some(column.to_owned())),
                None => (None, None),
            };
            (table, column, constraint)
        }
        _ => (None, None, constraint),
    }
}

/// The name of an extended result code. <https://www.sqlite.org/rescode.html>
fn code_name(extended_code: i32) -> String {
    let name = match extended_code {
        ffi::SQLITE_CONSTRAINT_CHECK => "SQLITE_CONSTRAINT_CHECK",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "SQLITE_CONSTRAINT_FOREIGNKEY",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "SQLITE_CONSTRAINT_NOTNULL",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "SQLITE_CONSTRAINT_PRIMARYKEY",
        ffi::SQLITE_CONSTRAINT_ROWID => "SQLITE_CONSTRAINT_ROWID",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "SQLITE_CONSTRAINT_TRIGGER",
        ffi::SQLITE_CONSTRAINT_UNIQUE => "SQLITE_CONSTRAINT_UNIQUE",
        ffi::SQLITE_BUSY_SNAPSHOT => "SQLITE_BUSY_SNAPSHOT",
        _ => match extended_code & 0xff {
            ffi::SQLITE_ERROR => "SQLITE_ERROR",
            ffi::SQLITE_INTERNAL => "SQLITE_INTERNAL",
            ffi::SQLITE_PERM => "SQLITE_PERM",
            ffi::SQLITE_ABORT => "SQLITE_ABORT",
            ffi::SQLITE_BUSY => "SQLITE_BUSY",
            ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
            ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
            ffi::SQLITE_READONLY => "SQLITE_READONLY",
            ffi::SQLITE_INTERRUPT => "SQLITE_INTERRUPT",
            ffi::SQLITE_IOERR => "SQLITE_IOERR",
            ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
            ffi::SQLITE_FULL => "SQLITE_FULL",
            ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
            ffi::SQLITE_SCHEMA => "SQLITE_SCHEMA",
            ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
            ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
            ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
            ffi::SQLITE_MISUSE => "SQLITE_MISUSE",
            ffi::SQLITE_AUTH => "SQLITE_AUTH",
            ffi::SQLITE_RANGE => "SQLITE_RANGE",
            ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
            _ => return format!("SQLITE_{extended_code}"),
        },
    };
    name.to_owned()
}
