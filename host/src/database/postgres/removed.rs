//! What a transaction has removed: whether a journal of another target was among it that was made since the host has looked.
//!
//! What is gone has no name any more in its own transaction. Another connection still sees it, and is asked only where there is
//! something of that kind.

use super::super::{Authority, Cell, Error, Result};
use super::begun::Removed;
use super::pipeline::{self, Asked, Request};
use super::state::PostgresSession;
use super::tampered::tampered;
use super::verify::has_name_of_journal;
use super::{full_names, prepared, waiting};

/// A query for the numbers of the relations that the transaction has removed, and of the temporary ones that end with it; if
/// `waits`, also for whether a trigger may wait for its end, because a table that has such triggers may have been changed.
pub(super) fn removed(waits: bool) -> String {
    let may_wait = match waits {
        true => waiting::MAY_WAIT,
        false => "NULL",
    };
    format!(
        "SELECT pg_catalog.string_agg(relation::pg_catalog.text, ',') FILTER (WHERE {IS_GONE}),
            pg_catalog.string_agg(relation::pg_catalog.text, ',') FILTER (WHERE CASE WHEN {IS_GONE} THEN false ELSE
                mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock' AND (pg_catalog.pg_identify_object(1259, relation, 0)).schema
                OPERATOR(pg_catalog.~) '^pg_(toast_)?temp' END), {may_wait}
         FROM pg_catalog.pg_lock_status() WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
         AND locktype OPERATOR(pg_catalog.=) 'relation' AND mode OPERATOR(pg_catalog.<>) 'AccessShareLock'"
    )
}

/// Whether a relation that is locked has no name any more.
const IS_GONE: &str = "CASE WHEN mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock'
    THEN relation::pg_catalog.regclass::pg_catalog.text OPERATOR(pg_catalog.=) relation::pg_catalog.text ELSE false END";

impl PostgresSession {
    /// Asks, with what is sent next, what the transaction has removed so far. Where the statement is kept, a step may have put one of
    /// its own in its place, which would answer as it likes, and take itself away before the look.
    pub(super) fn ask_what_was_removed(&mut self) -> Result<()> {
        let removed = removed(self.major_version() < waiting::KEEPS_READ_ONLY);
        debug_assert!(full_names::is_in_full(&removed), "{removed}");
        if self.is_direct() {
            self.look_for_replaced_statements()?;
        }
        let none = std::iter::empty();
        self.ask_by_name(self.is_direct(), Asked::Removed, &removed, none)
    }

    /// Fails where something else goes by the name of a statement that is kept.
    pub(super) fn look_for_replaced_statements(&mut self) -> Result<()> {
        let look = prepared::look();
        debug_assert!(full_names::is_in_full(&look), "{look}");
        self.ask(Asked::Verify, &Request::once(&look), std::iter::empty())
    }

    /// The numbers of what the transaction has removed, as an array in text. An error when something of a journal is among it.
    pub(super) fn removed_of_nobody(&mut self, known: Option<Removed>) -> Result<String> {
        let removed = match known {
            Some(removed) => removed,
            None => {
                self.ask_what_was_removed()?;
                self.settle_quietly(Authority::Step)?;
                self.pipeline.removed.take().unwrap_or_default()
            }
        };
        if !removed.gone.is_empty() {
            self.demand_no_journal_among(&removed.gone)?;
        }
        let numbers = [removed.gone, removed.temporary];
        let numbers = numbers.iter().filter(|numbers| !numbers.is_empty());
        let numbers: Vec<&str> = numbers.map(String::as_str).collect();
        Ok(format!("{{{}}}", numbers.join(",")))
    }

    fn demand_no_journal_among(&self, gone: &str) -> Result<()> {
        let patience = self.database.patience(&self.stop);
        let mut connection = self.database.connect(&patience)?;
        let query = format!(
            "SELECT 1 FROM pg_catalog.pg_class WHERE oid = ANY ($1::oid[]) AND {} LIMIT 1",
            has_name_of_journal()
        );
        let numbers = format!("{{{gone}}}");
        let parameters = [Cell::Text(&numbers)];
        let found = pipeline::ask(&mut connection, &query, &parameters, &patience).map_err(
            |error| Error {
                message: format!(
                    "whether the step has removed a journal of another target cannot be asked on a second connection: {}",
                    error.message
                ),
                ..error
            },
        )?;
        self.database.give_back(connection);
        match found.is_empty() {
            true => Ok(()),
            false => Err(tampered("journal")),
        }
    }
}
