//! What holds for a transaction, or for the session where there is none: time limits, what it is called, and what its commit
//! waits for.

use std::time::Duration;

use super::super::{Authority, Cell, Result};
use super::pipeline::{Answer, Asked, Request};
use super::state::{PostgresSession, Transaction};
use super::{full_names, home, lexer, results};

/// How long the server keeps a transaction whose host says nothing, beyond the longest time that a step may take.
const IDLE_MARGIN: Duration = Duration::from_secs(60);

impl PostgresSession {
    /// Sets for the whole session what else holds for one transaction, until the session is put back (`roll_back`). Not
    /// behind a pooler: the next statement may go to another process of the server, and this one to somebody else.
    pub(super) fn set_for_the_session(&mut self) -> Result<()> {
        let (mut process, mut schema) = (None, None);
        let pid = Request::once(
            "SELECT pg_catalog.pg_backend_pid(), pg_catalog.quote_ident(pg_catalog.current_schema()::pg_catalog.text)",
        );
        self.ask(Asked::Awaited, &pid, std::iter::empty())?;
        self.settle(Authority::Step, &mut |_, answer| {
            if let Answer::Row(row) = answer {
                let mut cells = results::texts(&row)?.into_iter();
                (process, schema) = (cells.next().flatten(), cells.next().flatten());
            }
            Ok(())
        })?;
        let migrated = &self.target.home.schema;
        if let Some(schema) = schema.filter(|schema| schema != migrated) {
            return Err(home::comes_before(&schema, migrated));
        }
        let is_direct = self
            .connection
            .as_ref()
            .is_some_and(|connection| process == Some(connection.canceller.process.to_string()));
        if !is_direct {
            return Ok(());
        }
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.is_direct = true;
        }
        let shared = &self.database.0;
        let lock_timeout = shared.options.lock_timeout.as_millis().to_string();
        let deadline = shared.limits.deadline.as_millis().to_string();
        let mut settings = vec![
            ("lock_timeout", lock_timeout),
            ("statement_timeout", deadline),
            self.path(),
        ];
        let label = self.label.clone();
        settings.extend(
            label
                .iter()
                .map(|label| ("application_name", label.name.clone())),
        );
        let locks = label
            .iter()
            .map(|label| label.calls(settings.len() + 1, false));
        let mut calls = vec![calls(&settings, false)];
        calls.extend(locks.flatten());
        let statement = format!("SELECT {}", calls.join(", "));
        debug_assert!(full_names::is_in_full(&statement), "{statement}");
        let locks = label.iter().flat_map(|label| &label.locks);
        let values = settings.iter().map(|(_, value)| value).chain(locks);
        let values = values.map(|value| Cell::Text(value));
        self.ask(Asked::Quiet, &Request::once(&statement), values)?;
        self.settle_quietly(Authority::Step)
    }

    /// Sets how long a statement outside of a transaction waits for locks. One that works beside the application waits for
    /// all transactions that may see what was before, however long they take, and nobody queues up behind it. What the step
    /// has set itself stays.
    pub(super) fn set_lock_timeout_for(&mut self, statement: &str) -> Result<()> {
        let Some(transaction) = self.transaction.as_mut() else {
            return Ok(());
        };
        if !transaction.is_autocommit || !transaction.is_direct {
            return Ok(());
        }
        let is_patient = lexer::has_word(statement, "concurrently");
        if std::mem::replace(&mut transaction.is_patient, is_patient) == is_patient {
            return Ok(());
        }
        let usual = self.database.0.options.lock_timeout.as_millis().to_string();
        let (from, to) = match is_patient {
            true => (&*usual, "0"),
            false => ("0", &*usual),
        };
        let set = "SELECT pg_catalog.set_config(name, $2, false) FROM pg_catalog.pg_settings
                   WHERE name OPERATOR(pg_catalog.=) 'lock_timeout' AND setting OPERATOR(pg_catalog.=) $1";
        debug_assert!(full_names::is_in_full(set));
        let values = [from, to].into_iter().map(Cell::Text);
        self.ask(Asked::Quiet, &Request::once(set), values)?;
        self.settle_quietly(Authority::Step)
    }

    /// What holds for one transaction.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let shared = &self.database.0;
        let deadline = shared.limits.deadline;
        let mut settings = vec![
            (
                "lock_timeout",
                shared.options.lock_timeout.as_millis().to_string(),
            ),
            ("statement_timeout", deadline.as_millis().to_string()),
            (
                "idle_in_transaction_session_timeout",
                (deadline + IDLE_MARGIN).as_millis().to_string(),
            ),
        ];
        let name = self.label.as_ref().map(|label| label.name.clone());
        settings.extend(name.map(|name| ("application_name", name)));
        settings
    }

    /// The same with what is the step's alone.
    pub(super) fn settings_of_step(&self) -> Vec<(&'static str, String)> {
        self.settings().into_iter().chain([self.path()]).collect()
    }

    /// The search path of the step.
    pub(super) fn path(&self) -> (&'static str, String) {
        let path = self.search_path.as_ref();
        (
            "search_path",
            path.unwrap_or(&self.target.path_of_steps).clone(),
        )
    }

    /// A call that sets what the commit of the transaction waits for. One that is flushed waits for what the operator has set,
    /// but at least for the disk.
    pub(super) fn durability(&self) -> &'static str {
        let is_flushed = |transaction: &Transaction| transaction.is_flushed;
        match self.transaction.as_ref().is_some_and(is_flushed) {
            true => {
                "pg_catalog.set_config('synchronous_commit',
                 CASE WHEN pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off' THEN 'on' ELSE pg_catalog.current_setting('synchronous_commit') END, true)"
            }
            false => "pg_catalog.set_config('synchronous_commit', 'off', true)",
        }
    }
}

/// Calls that set these settings, to the values of the statement's parameters: for one transaction, or for the session.
pub(super) fn calls(settings: &[(&str, String)], is_local: bool) -> String {
    let calls: Vec<String> = (1..)
        .zip(settings)
        .map(|(number, (name, _))| {
            format!("pg_catalog.set_config('{name}', ${number}, {is_local})")
        })
        .collect();
    calls.join(", ")
}
