//! Statements of the host that the server keeps prepared from one transaction to the next: parsing and planning the look
//! before a commit would take longer than the look.
//!
//! Only where nobody stands between the host and the server: behind a pooler, another process of the server may answer the
//! next time. And only for statements behind the look's settings (`verify`), in which nothing of a step runs any more. A
//! step can put a statement of its own in the place of one that is kept, from inside a block; that is asked for with a
//! statement that is not kept, before any other goes by its name. What the server prepared because it was told so in SQL is
//! not the host's.

use std::collections::HashMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// How the names of these statements begin.
pub(super) const PREFIX: &str = "wasmigrate_host_";

/// How many are kept at most. A target has about ten; other journals come with other targets' names.
const MOST: usize = 64;

/// SQLSTATE of a statement's name that the server does not know (any more).
pub(super) const UNKNOWN: &str = "26000";

/// The names of the statements that one process of the server keeps, by their text.
#[derive(Default)]
pub(super) struct PreparedStatements {
    names: HashMap<String, String>,
    /// The texts of those that the server has not heard of yet.
    unsent: Vec<String>,
}

impl PreparedStatements {
    /// The name by which the server knows the statement, when it does.
    pub(super) fn name(&self, statement: &str) -> Option<&str> {
        self.names.get(statement).map(String::as_str)
    }

    /// Takes note that the server is about to prepare the statement; returns the name for it. A name tells what it stands
    /// for, so that two hosts cannot mean different statements by it.
    pub(super) fn keep(&mut self, statement: &str) -> String {
        let mut name = PREFIX.to_owned();
        for byte in Sha256::digest(statement).iter().take(16) {
            // Growing a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        self.names.insert(statement.to_owned(), name.clone());
        self.unsent.push(statement.to_owned());
        name
    }

    /// Takes note that all that was written is sent.
    pub(super) fn are_sent(&mut self) {
        self.unsent.clear();
    }

    /// Takes note that what was written is not sent.
    pub(super) fn are_not_sent(&mut self) {
        for statement in self.unsent.drain(..) {
            self.names.remove(&statement);
        }
    }

    /// The names of all of them, as an array in text, and how many they are.
    pub(super) fn names(&self) -> (String, i64) {
        let names: Vec<&str> = self.names.values().map(String::as_str).collect();
        let count = i64::try_from(names.len()).unwrap_or_default();
        (format!("{{{}}}", names.join(",")), count)
    }

    /// Whether no more should be kept.
    pub(super) fn is_full(&self) -> bool {
        self.names.len() >= MOST
    }

    /// Forgets all of them, because nobody knows any more which of them the server has; returns their names.
    pub(super) fn forget(&mut self) -> impl Iterator<Item = String> {
        self.unsent.clear();
        std::mem::take(&mut self.names).into_values()
    }
}

/// The text of a failed cast by which the server says what a commit has left in its session.
const LEFT: &str = "wasmigrate-left ";

/// Why a connection is given up after a commit, by what the server says to [`look_after_commit`].
pub(super) fn left(message: &str) -> String {
    let left = message.split_once(LEFT).map(|(_, left)| left);
    match left.and_then(|left| left.split('"').next()) {
        Some(left) => format!(
            "what the step left to run at the commit has changed the session ({left}), so the session is ended"
        ),
        None => message.to_owned(),
    }
}

/// Takes from a session what a commit may have left in it: locks. Fails where there is more than that, or where any of the
/// host's statements $1, of which there are $2, is gone or replaced: the connection is of no more use then. Names may be
/// anybody's here.
pub(super) fn look_after_commit() -> String {
    format!(
        "SELECT pg_catalog.pg_advisory_unlock_all(), CAST((
            SELECT CASE
                WHEN pg_catalog.bool_or(is_heard) THEN '{LEFT}it listens'
                WHEN pg_catalog.bool_or(is_cursor) THEN '{LEFT}it has cursors'
                WHEN pg_catalog.bool_or(is_theirs) OR pg_catalog.count(is_ours) OPERATOR(pg_catalog.<>) $2
                    THEN '{LEFT}its statements are others'
                ELSE '0' END
            FROM (
                SELECT false AS is_heard, false AS is_cursor,
                    from_sql AND pg_catalog.left(name, {length}) OPERATOR(pg_catalog.=) '{PREFIX}' AS is_theirs,
                    CASE WHEN name OPERATOR(pg_catalog.=) ANY (CAST($1 AS pg_catalog.text[])) THEN true END AS is_ours
                FROM pg_catalog.pg_prepared_statement()
                UNION ALL SELECT false, name OPERATOR(pg_catalog.<>) '', false, NULL FROM pg_catalog.pg_cursor()
                UNION ALL SELECT true, false, false, NULL FROM pg_catalog.pg_listening_channels()
            ) AS left_behind
        ) AS integer)",
        length = PREFIX.len(),
    )
}

/// A statement that fails, with one of their names, when something else goes by the name of a statement that is kept. It is asked
/// before any of them is, wherever a step may have run since. Names may be anybody's here.
pub(super) fn look() -> String {
    format!(
        "SELECT CAST(name AS integer) FROM pg_catalog.pg_prepared_statement()
         WHERE from_sql AND pg_catalog.left(name, {length}) OPERATOR(pg_catalog.=) '{PREFIX}'",
        length = PREFIX.len(),
    )
}
