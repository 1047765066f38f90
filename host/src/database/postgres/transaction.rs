//! The transaction of a session: how it begins, what holds in it, how it is looked over and ends.

use std::time::Duration;

use super::super::{Authority, Cell, Durability, Error, ErrorKind, Result};
use super::pipeline::{Asked, Request, failed_before};
use super::state::{Names, PostgresSession, Transaction};
use super::text::quote_text;
use super::{full_names, guard, settings, verify};
use crate::database::quote;

/// How long to wait before a server is tried again that has just gone.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// What ends what a step has made for a while, when the next shares its transaction.
const FRESH: [&str; 2] = ["CLOSE ALL", "DISCARD TEMP"];

impl PostgresSession {
    /// Opens a transaction that may write.
    pub(super) fn begin_to_write(&mut self, durability: Durability) -> Result<()> {
        if self.connection.is_none() {
            return Err(self.lost());
        }
        self.demand_no_transaction()?;
        self.pipeline.begun = None;
        self.search_path = None;
        self.lock_wait = None;
        self.transaction = Some(Transaction {
            is_flushed: durability == Durability::Flushed,
            has_path: true,
            ..Transaction::default()
        });
        self.ask_quietly("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
        self.clean()?;
        // No step changes them, or it is not committed: what was read once in a session holds in all of its transactions.
        let journal = match &self.journal {
            Some(_) => "NULL".to_owned(),
            None => format!("({})", verify::journal(&self.target.home.journal)),
        };
        let mut calls = Vec::new();
        if self.journal.is_none() {
            calls.extend(self.keep_schemas_of_connection()?);
        }
        let settings = self.settings_of_step();
        let label = self.label.clone();
        let locks = label
            .iter()
            .map(|label| label.calls(settings.len() + 1, true));
        calls.extend([
            settings::calls(&settings, true),
            self.durability().to_owned(),
        ]);
        calls.extend(locks.flatten());
        let first = format!(
            "SELECT pg_catalog.pg_backend_pid(), pg_catalog.txid_current(), {journal}, ({}),
             pg_catalog.txid_current_snapshot(), {}",
            verify::JOURNALS,
            calls.join(", "),
        );
        let locks = label.iter().flat_map(|label| &label.locks);
        let values = settings.iter().map(|(_, value)| value).chain(locks);
        let values = values.map(|value| Cell::Text(value));
        debug_assert!(full_names::is_in_full(&first), "{first}");
        // Nothing of a step has run since the last look, or its statements were forgotten.
        self.ask_by_name(self.is_direct(), Asked::Begin, &first, values)
    }

    /// Refuses to go on in a transaction that was never ended: the server takes a second `BEGIN` for a mere mistake, and what
    /// was done before it would be committed with what comes after.
    fn demand_no_transaction(&self) -> Result<()> {
        match &self.transaction {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::Other,
                "cannot begin a transaction within a transaction",
            )),
        }
    }

    /// Opens a transaction that sees one state of the target.
    pub(super) fn begin_to_read(&mut self) -> Result<()> {
        self.demand_no_transaction()?;
        self.pipeline.begun = None;
        self.search_path = None;
        self.transaction = Some(Transaction::default());
        self.ask_quietly("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        self.clean()
    }

    /// Lets each statement commit by itself.
    pub(super) fn begin_outside(&mut self) -> Result<()> {
        if self.database.0.options.role.is_some() {
            return Err(Error::not_permitted(
                "a step that runs outside a transaction cannot be confined to `postgres.role`: connect as that role, or let \
                 the step run in a transaction",
            ));
        }
        if self.connection.is_none() {
            return Err(self.lost());
        }
        self.demand_no_transaction()?;
        self.pipeline.begun = None;
        self.search_path = None;
        self.transaction = Some(Transaction {
            is_autocommit: true,
            ..Transaction::default()
        });
        self.set_for_the_session()
    }

    /// Commits, with all that waits to be sent.
    pub(super) fn commit_transaction(&mut self) -> Result<()> {
        self.close_prepared();
        self.forget_open_work();
        match &self.transaction {
            None => return Err(self.lost()),
            Some(transaction) if transaction.has_failed => return Err(failed_before()),
            Some(transaction) if transaction.is_verified => {
                // A trigger can put itself off again while it runs, and then runs at the commit. It must not write then.
                self.ask_quietly("SET TRANSACTION READ ONLY")?;
            }
            Some(_) => {}
        }
        self.ask(Asked::Commit, &Request::once("COMMIT"), std::iter::empty())?;
        if self.transaction.as_ref().is_some_and(|it| it.is_used) {
            self.look_after_commit()?;
        }
        let transaction = self.transaction.take();
        self.settle_quietly(Authority::Host).inspect_err(|_| {
            // Something before the COMMIT failed.
            if self.connection.is_some() {
                self.transaction = transaction.map(|transaction| Transaction {
                    is_sent: true,
                    has_failed: true,
                    ..transaction
                });
            }
        })
    }

    /// Rolls back, when there is something to.
    pub(super) fn roll_back(&mut self) -> Result<()> {
        self.close_prepared();
        self.forget_open_work();
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        let Some(connection) = self.connection.as_mut() else {
            return Ok(());
        };
        if !transaction.is_sent && !transaction.is_autocommit {
            self.pipeline.give_up(connection);
            return Ok(());
        }
        // Where only the host has spoken, and the server did all of it, it still has what was prepared.
        let keeps_prepared = self.pipeline.is_empty()
            && !transaction.is_used
            && !transaction.has_failed
            && !transaction.is_autocommit;
        if !keeps_prepared {
            self.forget_host_statements();
        }
        if !self.pipeline.is_empty() {
            // What it says does not matter any more, unless the connection is gone, and then nor does that.
            let _ = self.settle_quietly(Authority::Host);
            self.transaction = None;
        }
        // What a step has prepared outlives its transaction.
        let statements: &[&str] = match transaction.is_autocommit {
            true => &[
                "CLOSE ALL",
                "UNLISTEN *",
                "RESET ROLE",
                "RESET ALL",
                "DISCARD TEMP",
                "DEALLOCATE ALL",
                "SELECT pg_catalog.pg_advisory_unlock_all()",
            ],
            false if !keeps_prepared => &[
                "ROLLBACK",
                "DEALLOCATE ALL",
                "SELECT pg_catalog.pg_advisory_unlock_all()",
            ],
            false => &["ROLLBACK"],
        };
        for statement in statements {
            if self.connection.is_some() {
                self.ask_quietly(statement)?;
            }
        }
        match self.settle_quietly(Authority::Host) {
            Ok(()) => Ok(()),
            // The server has rolled back what it lost.
            Err(_) if self.connection.is_none() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether each statement commits by itself.
    pub(super) fn is_autocommit(&self) -> bool {
        self.transaction
            .as_ref()
            .is_some_and(|transaction| transaction.is_autocommit)
    }

    /// Takes away what a step may have put into the session before.
    pub(super) fn clean(&mut self) -> Result<()> {
        for statement in verify::CLEAN {
            self.ask_quietly(statement)?;
        }
        Ok(())
    }

    /// Makes sure that a statement of a step runs in its transaction, and in the settings it is used to.
    pub(super) fn enter(&mut self, authority: Authority) -> Result<()> {
        if authority == Authority::Host {
            return self.use_own_names();
        }
        // Whatever runs now may change it.
        self.loaded = None;
        let Some(transaction) = &self.transaction else {
            return Err(match self.connection {
                Some(_) => Error::new(ErrorKind::TransactionLost, "there is no transaction"),
                None => self.lost(),
            });
        };
        if transaction.has_failed {
            return Err(failed_before());
        }
        if authority == Authority::Step && self.stop.reason().is_some() {
            return Err(Error::new(ErrorKind::Stopped, "the run has to end"));
        }
        let (is_autocommit, is_verified) = (transaction.is_autocommit, transaction.is_verified);
        let (names, has_path) = (transaction.names, transaction.has_path);
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.is_used = true;
            transaction.is_verified = false;
            transaction.names = Names::Step;
            transaction.has_path = true;
            transaction.may_have_removed = true;
        }
        self.pipeline.removed = None;
        if is_autocommit && !self.pipeline.is_empty() {
            // The host's names last until the end of what is sent together.
            self.settle_quietly(Authority::Host)?;
        }
        if is_verified {
            self.ask_quietly(verify::POLICIES_OF_CONNECTION)?;
            self.ask_quietly(verify::PLANS_OF_CONNECTION)?;
            self.ask_quietly(verify::AFTER)?;
            self.set_up(&self.settings_of_step())?;
        } else if names == Names::Host {
            self.ask_quietly(verify::POLICIES_OF_CONNECTION)?;
            self.set_search_path()?;
        } else if names == Names::HostInBetween {
            self.ask_quietly(verify::GIVE_NAMES_BACK)?;
        } else if !has_path && !is_autocommit {
            self.set_search_path()?;
        }
        match authority {
            Authority::Step => self.take_role(),
            Authority::Application | Authority::Host => Ok(()),
        }
    }

    /// Lets names and operators in the host's statements that follow mean what PostgreSQL has. A step goes on with its own.
    pub(super) fn use_own_names(&mut self) -> Result<()> {
        let Some(transaction) = self
            .transaction
            .as_mut()
            .filter(|transaction| !transaction.is_autocommit)
        else {
            return self.ask_quietly(verify::OWN_NAMES);
        };
        if transaction.names != Names::Step {
            return Ok(());
        }
        let is_used = transaction.is_used;
        transaction.names = match is_used {
            true => Names::HostInBetween,
            false => Names::Host,
        };
        if is_used {
            self.ask_quietly(verify::KEEP_NAMES)?;
        }
        self.ask_quietly(verify::OWN_NAMES)
    }

    /// Takes away what the step before has left in the session, and sets the search path of the next.
    pub(super) fn enter_fresh(&mut self, schema: Option<&str>) -> Result<()> {
        let is_used = |transaction: &Transaction| transaction.is_used;
        let is_used = self.transaction.as_ref().is_some_and(is_used);
        self.enter(Authority::Step)?;
        if !is_used {
            // The transaction began with all of this, and only the host has been in it since.
            let path = schema.map(quote);
            if path == self.search_path {
                return Ok(());
            }
            self.search_path = path;
            return self.set_search_path();
        }
        self.close_prepared();
        self.forget_open_work();
        for statement in FRESH {
            self.ask_quietly(statement)?;
        }
        self.clean()?;
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.has_role = false;
        }
        self.search_path = schema.map(quote);
        self.set_up(&self.settings_of_step())?;
        self.take_role()
    }

    /// Goes on in the name of the role that steps work in, when there is one. (Outside of a transaction there is none.)
    pub(super) fn take_role(&mut self) -> Result<()> {
        let Some(role) = self.database.0.options.role.clone() else {
            return Ok(());
        };
        match self.transaction.as_mut() {
            Some(transaction) if !transaction.has_role && !transaction.is_autocommit => {
                transaction.has_role = true;
            }
            _ => return Ok(()),
        }
        let role = quote_text(&role);
        self.ask_quietly(&format!(
            "SELECT pg_catalog.set_config('role', {role}, true)"
        ))
    }

    /// Sets again what holds for one transaction.
    pub(super) fn set_up(&mut self, settings: &[(&'static str, String)]) -> Result<()> {
        let statement = format!(
            "SELECT {}, {}",
            settings::calls(settings, true),
            self.durability()
        );
        debug_assert!(full_names::is_in_full(&statement), "{statement}");
        let values = settings.iter().map(|(_, value)| Cell::Text(value));
        self.ask_kept(Asked::Quiet, &statement, values)
    }

    /// Sets the search path of the step. Never for statements of the host: a step could have made operators in its schema.
    fn set_search_path(&mut self) -> Result<()> {
        let (name, path) = self.path();
        let is_local = !self.is_autocommit();
        self.ask_quietly(&format!(
            "SELECT pg_catalog.set_config('{name}', {}, {is_local})",
            quote_text(&path)
        ))
    }

    /// Gives the step its search path again, when it has gone back to that of the connection.
    pub(super) fn keep_search_path(&mut self, statement: &str) -> Result<()> {
        let is_pinned =
            |transaction: &Transaction| !transaction.is_autocommit || transaction.is_direct;
        match guard::restores_search_path(statement) {
            true if self.transaction.as_ref().is_some_and(is_pinned) => self.set_search_path(),
            _ => Ok(()),
        }
    }

    /// Remembers which schemas the search path of the connection has. Returns a call for it, unless that has to be asked in
    /// the name of the role of the steps.
    fn keep_schemas_of_connection(&mut self) -> Result<Option<String>> {
        let keep = verify::KEEP_SCHEMAS;
        let Some(role) = &self.database.0.options.role else {
            return Ok(Some(keep.to_owned()));
        };
        let role = quote_text(role);
        let keep = format!(
            "SELECT {keep} FROM (SELECT pg_catalog.set_config('role', {role}, true) OFFSET 0) AS role"
        );
        self.ask_quietly(&keep)?;
        self.ask_quietly("RESET ROLE")?;
        Ok(None)
    }

    /// Connects to a server that has gone, as long as the address says; a run that has to end gives up sooner.
    pub(super) fn connect_again(&mut self) -> Result<()> {
        let patience = self.database.patience(&self.stop);
        loop {
            match self.database.connect_anew(&patience) {
                Ok(connection) => {
                    self.connection = Some(connection);
                    // What was open went with the connection that was lost.
                    self.transaction = None;
                    return Ok(());
                }
                Err(error) if patience.pause(RECONNECT_PAUSE).is_err() => return Err(error),
                Err(_) => {}
            }
        }
    }
}
