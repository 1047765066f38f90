//! What a transaction has removed: whether a journal of another target was among it that was made since the host has looked.
//!
//! What is gone has no name any more in its own transaction. Another connection still sees it, and is asked only where there is
//! something of that kind.

use super::super::{Authority, Cell, Error, Result};
use super::begun::Removed;
use super::pipeline::{self, Asked, Request};
use super::state::PostgresSession;
use super::verify::{has_name_of_journal, tampered};

/// The numbers of the relations that the transaction has removed, and of the temporary ones that end with it. To plan more than
/// calls of functions would take as long as all of this.
pub(super) const REMOVED: &str = "
    SELECT pg_catalog.string_agg(relation::pg_catalog.text, ',') FILTER (
        WHERE relation::pg_catalog.regclass::pg_catalog.text OPERATOR(pg_catalog.=) relation::pg_catalog.text
    ), pg_catalog.string_agg(relation::pg_catalog.text, ',') FILTER (WHERE CASE
        WHEN relation::pg_catalog.regclass::pg_catalog.text OPERATOR(pg_catalog.=) relation::pg_catalog.text THEN false
        ELSE (pg_catalog.pg_identify_object(1259, relation, 0)).schema OPERATOR(pg_catalog.~) '^pg_(toast_)?temp' END)
    FROM pg_catalog.pg_lock_status() WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
    AND locktype OPERATOR(pg_catalog.=) 'relation' AND mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock'";

impl PostgresSession {
    /// Asks, with what is sent next, what the transaction has removed so far.
    pub(super) fn ask_what_was_removed(&mut self) -> Result<()> {
        debug_assert!(super::full_names::is_in_full(REMOVED));
        self.ask(Asked::Removed, &Request::once(REMOVED), std::iter::empty())
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
