//! How the host looks over what a transaction of a step has done, before its commit and after it.

use super::super::{Authority, Cell, Error, ErrorKind, Result};
use super::pipeline::{Asked, Request};
use super::state::{Names, PostgresSession, Transaction};
use super::text::quote_text;
use super::{full_names, prepared, verify, waiting};

impl PostgresSession {
    /// Writes everything that has to be looked at before the commit behind what waits to be sent.
    pub(super) fn look_for_tampering(&mut self) -> Result<()> {
        let is_verified = |transaction: &Transaction| transaction.is_verified;
        if self.transaction.as_ref().is_some_and(is_verified) {
            // Nothing of a step has run since.
            return Ok(());
        }
        let removed = self.pipeline.removed.take();
        let may_have_removed = |transaction: &Transaction| transaction.may_have_removed;
        let may_have_removed = self.transaction.as_ref().is_some_and(may_have_removed);
        self.enter(Authority::Step)?;
        if self.is_autocommit() {
            // There is nothing that could still be rolled back.
            return Ok(());
        }
        if self.pipeline.begun.is_none() {
            self.settle_quietly(Authority::Host)?;
        }
        let Some(begun) = self.pipeline.begun.clone() else {
            return Err(Error::new(
                ErrorKind::TransactionLost,
                "the transaction did not begin",
            ));
        };
        // Until the target has a journal it is asked for in each transaction.
        let first = begun.journal.unwrap_or_default();
        if !first.is_empty() {
            self.journal = Some(first.clone());
        }
        let journal = self.journal.clone().unwrap_or(first);
        match journal.are_all(&begun.journals) {
            true => self.known_by = begun.snapshot,
            // They are asked for again in the next transaction.
            false => self.journal = None,
        }
        for statement in verify::BEFORE {
            self.ask_quietly(statement)?;
        }
        self.clean()?;
        self.keep_schema_of_steps()?;
        self.ask_quietly(verify::OWN_NAMES)?;
        self.ask_quietly(verify::OWN_PLANS)?;
        // What is asked as the last statement of a step is asked before anything that waits could run.
        let nothing_waits = removed.as_ref().is_some_and(|removed| !removed.may_wait);
        let removed = match may_have_removed {
            true => self.removed_of_nobody(removed)?,
            false => "{}".to_owned(),
        };
        let discard = Request::once("DISCARD TEMP");
        self.ask(Asked::Verify, &discard, std::iter::empty())?;
        // `CLOSE ALL` has ended them.
        self.cursors.clear();
        if self.major_version() < waiting::KEEPS_READ_ONLY && !nothing_waits {
            let nothing = Request::once(waiting::NOTHING_WAITS);
            self.ask(Asked::Verify, &nothing, std::iter::empty())?;
        }
        let is_direct = self
            .connection
            .as_ref()
            .is_some_and(|connection| i64::from(connection.canceller.process) == begun.process);
        if is_direct {
            self.look_for_replaced_statements()?;
        }
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.is_verified = true;
            transaction.names = Names::Host;
            transaction.is_direct = is_direct;
            transaction.has_role = false;
        }
        if let Some(connection) = self.connection.as_mut() {
            connection.is_direct = is_direct;
        }
        let look = verify::statement(&self.target.home, &journal, &self.target.own_schema);
        let known_by = self.known_by.clone();
        let parameters = [
            Cell::Integer(begun.transaction),
            Cell::Text(&removed),
            Cell::Text(&known_by),
        ];
        self.ask_as_host(Asked::Verify, &look, parameters.into_iter())?;
        self.set_up(&self.settings())
    }

    /// Runs all that was put off in a transaction which is committed without the whole look, and lets nothing write from then on
    /// that puts itself off again.
    pub(super) fn bring_forward(&mut self) -> Result<()> {
        self.enter(Authority::Application)?;
        for statement in verify::BEFORE {
            self.ask_quietly(statement)?;
        }
        self.clean()?;
        self.ask_quietly(verify::OWN_NAMES)?;
        if self.major_version() < waiting::KEEPS_READ_ONLY {
            let nothing = Request::once(waiting::NOTHING_WAITS);
            self.ask(Asked::Verify, &nothing, std::iter::empty())?;
        }
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.is_verified = true;
            transaction.names = Names::Host;
            transaction.has_role = false;
        }
        Ok(())
    }

    /// Remembers, for the look, in which schema the next step would make its tables. The settings are the connection's now.
    fn keep_schema_of_steps(&mut self) -> Result<()> {
        let Some(role) = &self.database.0.options.role else {
            return self.ask_quietly(verify::KEEP_SCHEMA);
        };
        let keep = format!(
            "{} FROM (SELECT pg_catalog.set_config('role', {}, true) OFFSET 0) AS role",
            verify::KEEP_SCHEMA,
            quote_text(role)
        );
        self.ask_quietly(&keep)?;
        self.ask_quietly("RESET ROLE")
    }

    /// Sees that what a trigger did to the session at the commit ends with it.
    pub(super) fn look_after_commit(&mut self) -> Result<()> {
        let is_direct = |transaction: &Transaction| transaction.is_direct;
        let is_direct = self.transaction.as_ref().is_some_and(is_direct);
        // Before, nothing was left for the commit.
        let may_be_changed = is_direct && self.major_version() >= waiting::KEEPS_READ_ONLY;
        let connection = self.connection.as_ref().filter(|_| may_be_changed);
        let Some((names, count)) = connection.map(|connection| connection.prepared.names()) else {
            let unlock = Request::once("SELECT pg_catalog.pg_advisory_unlock_all()");
            return self.ask(Asked::AfterCommit, &unlock, std::iter::empty());
        };
        let look = prepared::look_after_commit();
        debug_assert!(full_names::is_in_full(&look), "{look}");
        let cells = [Cell::Text(&names), Cell::Integer(count)];
        self.ask(Asked::AfterCommit, &Request::once(&look), cells.into_iter())
    }
}
