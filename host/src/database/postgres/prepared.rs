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
pub(super) struct PreparedStatements(HashMap<String, String>);

impl PreparedStatements {
    /// The name by which the server knows the statement, when it does.
    pub(super) fn name(&self, statement: &str) -> Option<&str> {
        self.0.get(statement).map(String::as_str)
    }

    /// Takes note that the server is about to prepare the statement; returns the name for it. A name tells what it stands
    /// for, so that two hosts cannot mean different statements by it.
    pub(super) fn keep(&mut self, statement: &str) -> String {
        let mut name = PREFIX.to_owned();
        for byte in Sha256::digest(statement).iter().take(16) {
            // Growing a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        self.0.insert(statement.to_owned(), name.clone());
        name
    }

    /// Whether no more should be kept.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    /// Forgets all of them, because nobody knows any more which of them the server has; returns their names.
    pub(super) fn forget(&mut self) -> impl Iterator<Item = String> {
        std::mem::take(&mut self.0).into_values()
    }
}

/// A statement that fails, with one of their names, when something else goes by the name of a statement that is kept.
pub(super) fn look() -> String {
    format!(
        "SELECT CAST(name AS integer) FROM pg_prepared_statement() WHERE from_sql AND left(name, {length}) = '{PREFIX}'",
        length = PREFIX.len(),
    )
}
