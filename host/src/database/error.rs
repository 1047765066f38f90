//! What can go wrong when talking to the target.

use std::num::NonZero;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The result of a call of the database.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of error it is, as far as somebody can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// A constraint does not hold.
    Constraint,
    /// The statement is not understood, or names something that does not exist.
    Syntax,
    /// Somebody else holds what the statement needs.
    Busy,
    /// A limit of the host was reached.
    Limit,
    /// The run was cancelled, or its time is over.
    Stopped,
    /// The host does not let a step do this.
    NotPermitted,
    /// An argument makes no sense.
    InvalidArgument,
    /// The database ended the transaction by itself.
    TransactionLost,
    /// Another host has taken the lease.
    LeaseLost,
    /// The journal does not say what it must say before the change that was to be written.
    Conflict,
    /// What the same transaction has made cannot be used before it is committed.
    Uncommitted,
    /// The target cannot be reached or opened.
    Unavailable,
    /// Everything else.
    Other,
}

/// A limit of the host: its name in the configuration, and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The name, such as `limits.cursors`.
    pub name: String,
    /// The value, in the unit that the name tells.
    pub value: u64,
}

/// What is said of a connection that was lost in a COMMIT, as long as nobody has looked whether it took place.
pub(super) const LOST_IN_COMMIT: &str =
    "it was lost in a COMMIT, and the journal tells whether that took place";

/// An error of the database, or of the host in front of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Error {
    /// What kind of error it is.
    pub kind: ErrorKind,
    /// SQLSTATE, or the name of SQLite's extended result code; empty when the host itself refused.
    pub code: String,
    /// The message: the database's own words, or the host's.
    pub message: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What might help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The table concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The column concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The constraint concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Which of the rows that were loaded it is about, from 1, where the database says so.
    #[serde(skip)]
    pub row: Option<NonZero<u32>>,
    /// The limit that was reached, for [`ErrorKind::Limit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

impl Error {
    /// The same text once it is known whether the COMMIT took place in which the connection was lost.
    pub fn with_known_commit(text: &str, took_place: bool) -> String {
        let known = match took_place {
            true => "it was lost in a COMMIT, which took place",
            false => "it was lost in a COMMIT, which did not take place",
        };
        text.replace(LOST_IN_COMMIT, known)
    }

    /// An error of the given kind, with the message and nothing else.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: String::new(),
            message: message.into(),
            detail: None,
            hint: None,
            table: None,
            column: None,
            constraint: None,
            row: None,
            limit: None,
        }
    }

    /// The host refuses; `message` says what and why.
    pub fn not_permitted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotPermitted, message)
    }

    /// Whether the database did not take a value, or a trigger what comes of it, so that it may take those of other rows.
    pub fn refuses_values(&self) -> bool {
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        const CLASSES: [&str; 7] = ["20", "21", "22", "27", "44", "54", "P0"];
        let class = self.code.get(..2).filter(|_| self.code.len() == 5);
        match self.kind {
            ErrorKind::Constraint => true,
            ErrorKind::Other => {
                self.code == "SQLITE_MISMATCH" || class.is_some_and(|it| CLASSES.contains(&it))
            }
            _ => false,
        }
    }

    /// What stands on something that was to be dropped, in the database's own words; none where that is not why.
    pub fn dependent(&self) -> Option<String> {
        // SQLite: `error in view debts after drop column: no such column: debit`.
        let of_sqlite = || {
            let (object, _) = self
                .message
                .strip_prefix("error in ")?
                .split_once(" after drop column")?;
            Some(object.to_owned())
        };
        // https://www.postgresql.org/docs/current/errcodes-appendix.html: dependent_objects_still_exist
        match self.code.as_str() {
            "2BP01" => {
                let detail = self.detail.as_deref().unwrap_or_default();
                let mut objects: Vec<&str> = detail
                    .lines()
                    .filter_map(|line| Some(line.split_once(" depends on ")?.0))
                    .collect();
                objects.dedup();
                Some(match objects.is_empty() {
                    true => "something else".to_owned(),
                    false => objects.join(", "),
                })
            }
            _ => of_sqlite(),
        }
    }

    /// An argument makes no sense; `message` says which.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// The limit `name` with its `value` was reached; `what` says by what.
    pub fn limit(name: &str, value: u64, what: impl std::fmt::Display) -> Self {
        Self {
            limit: Some(Limit {
                name: name.to_owned(),
                value,
            }),
            ..Self::new(
                ErrorKind::Limit,
                format!("{what}: the limit `{name}` is {value}"),
            )
        }
    }
}

/// A statement of a script that failed, and where it stands.
#[derive(Clone, Debug, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct ScriptError {
    /// The line of the script on which the statement begins, from 1.
    pub line: usize,
    /// The statement's text; empty when it could not be told from its neighbours.
    pub statement: String,
    /// What went wrong.
    pub error: Error,
}

impl ScriptError {
    /// An error of the statement that stands in a script there.
    pub(super) fn at(script: &str, at: Range<usize>, error: Error) -> Self {
        let before = script.get(..at.start).unwrap_or_default();
        Self {
            line: 1 + before.matches('\n').count(),
            statement: script.get(at).unwrap_or_default().to_owned(),
            error,
        }
    }

    /// The same on the line on which the rows begin of which the error names one.
    pub(super) fn in_rows(self, script: &str, rows: Range<usize>) -> Self {
        let text = script.get(rows.clone()).unwrap_or_default();
        let row = self
            .error
            .row
            .and_then(|row| usize::try_from(row.get()).ok());
        let row = row.filter(|row| *row <= text.lines().count());
        let before = script.get(..rows.start).unwrap_or_default();
        match row {
            Some(row) => Self {
                line: before.matches('\n').count() + row,
                ..self
            },
            None => self,
        }
    }

    /// An error of no statement, before the first of a script.
    pub(super) fn of_none(error: Error) -> Self {
        Self {
            line: 1,
            statement: String::new(),
            error,
        }
    }
}

/// One of several scripts that share a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Script<'s> {
    /// Its statements.
    pub text: &'s str,
    /// Whether the transaction is made fit for it first, as by [`super::Session::enter_schema`] with no schema.
    pub is_fresh: bool,
}
