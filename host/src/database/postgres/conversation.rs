//! Asking the server, and making sense of its answers.

use std::io;
use std::time::Duration;

use postgres_protocol::message::frontend;

use super::super::{Access, Authority, Cell, Error, ErrorKind, LOST_IN_COMMIT, Result};
use super::pipeline::{Answer, Asked, Request, Trouble};
use super::state::PostgresSession;
use super::under_way::{UnderWay, Work};
use super::{errors, full_names, guard};

/// How many statements a transaction keeps prepared on the server.
const MOST_PREPARED: usize = 64;

/// How long a server may say nothing to a question about the journal: whoever wants to know where the target stands is not
/// to wait as long as a step may take.
const LONGEST_SILENCE_TO_A_QUESTION: Duration = Duration::from_secs(60);

/// How long the whole answer to it may take.
const LONGEST_ANSWER_TO_A_QUESTION: Duration = Duration::from_secs(600);

/// How long the server may take to end a commit by itself that has reached the deadline.
const OWN_END: Duration = Duration::from_secs(1);

impl PostgresSession {
    pub(super) fn lost(&self) -> Error {
        errors::broken(&self.database.0.name, &io::ErrorKind::NotConnected.into())
    }

    /// The first part of the server's version.
    pub(super) fn major_version(&self) -> u32 {
        let version = &self.server.version;
        let digits = version.find(|next: char| !next.is_ascii_digit());
        let major = version.get(..digits.unwrap_or(version.len()));
        major.and_then(|major| major.parse().ok()).unwrap_or(0)
    }

    /// Writes a statement behind those that wait to be sent.
    pub(super) fn ask<'c>(
        &mut self,
        asked: Asked,
        request: &Request<'_>,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Result<()> {
        let Some(connection) = self.connection.as_mut() else {
            return Err(self.lost());
        };
        self.pipeline.ask(connection, asked, request, cells)
    }

    /// Writes a statement of the host after those that wait; by its name, where the server keeps it.
    pub(super) fn ask_as_host<'c>(
        &mut self,
        asked: Asked,
        statement: &str,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Result<()> {
        self.use_own_names()?;
        self.note_change_of_shape(statement);
        self.ask_kept(asked, statement, cells)
    }

    /// The same whatever names mean now: the statement must be in full names, where they may be a step's.
    pub(super) fn ask_kept<'c>(
        &mut self,
        asked: Asked,
        statement: &str,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Result<()> {
        let is_kept = self
            .transaction
            .as_ref()
            .is_some_and(|transaction| transaction.is_verified && transaction.is_direct);
        self.ask_by_name(is_kept, asked, statement, cells)
    }

    /// Whether the session's connection was found to go to a process of the server itself, in a transaction before.
    pub(super) fn is_direct(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| connection.is_direct)
    }

    /// The same for a statement that is kept only if `is_kept`.
    pub(super) fn ask_by_name<'c>(
        &mut self,
        is_kept: bool,
        asked: Asked,
        statement: &str,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Result<()> {
        let Some(connection) = self.connection.as_mut() else {
            return Err(self.lost());
        };
        let (parse, name) = match connection.prepared.name(statement) {
            _ if !is_kept => (Some(statement), String::new()),
            Some(name) => (None, name.to_owned()),
            None => {
                if connection.prepared.is_full() {
                    for name in connection.prepared.forget() {
                        // A name of our own fits.
                        let _ = frontend::close(b'S', &name, &mut connection.wire.outgoing);
                    }
                }
                (Some(statement), connection.prepared.keep(statement))
            }
        };
        let request = Request {
            parse,
            statement: &name,
            ..Request::once(statement)
        };
        self.pipeline.ask(connection, asked, &request, cells)
    }

    /// Writes a statement of the host after those that wait, whatever names mean now: it must be in full names.
    pub(super) fn ask_quietly(&mut self, statement: &str) -> Result<()> {
        debug_assert!(full_names::is_in_full(statement), "{statement}");
        self.ask(Asked::Quiet, &Request::once(statement), std::iter::empty())
    }

    /// Sends everything that waits and reads the answers, at which nobody looks.
    pub(super) fn settle_quietly(&mut self, authority: Authority) -> Result<()> {
        self.settle(authority, &mut |_, _| Ok(()))
    }

    /// Sends everything that waits and reads the answers.
    pub(super) fn settle(
        &mut self,
        authority: Authority,
        on: &mut dyn FnMut(usize, Answer) -> Result<()>,
    ) -> Result<()> {
        self.settle_counting(authority, on)
            .map_err(|(error, _)| error)
    }

    /// Sends everything that waits and reads the answers. `authority` says in whose name: the host's own bookkeeping goes
    /// on when the run has to stop. Returns how many awaited statements were done with the error, when one failed.
    pub(super) fn settle_counting(
        &mut self,
        authority: Authority,
        on: &mut dyn FnMut(usize, Answer) -> Result<()>,
    ) -> std::result::Result<(), (Error, Option<usize>)> {
        let Some(connection) = self.connection.as_mut() else {
            return Err((self.lost(), None));
        };
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.is_sent = true;
        }
        connection.wire.longest_silence = match (authority, self.access) {
            (Authority::Host, Access::Read) => LONGEST_SILENCE_TO_A_QUESTION,
            _ => self.database.longest_silence(),
        };
        let runs_step = self.pipeline.has_commit_of_step();
        let work = match authority {
            _ if self.pipeline.has_commit() => Work::Commit,
            Authority::Host if self.wants_target_lock => Work::TargetLock,
            Authority::Host => Work::Host,
            Authority::Step | Authority::Application => Work::Step,
        };
        let mut under_way = UnderWay::new(
            self.database.clone(),
            self.stop.clone(),
            work,
            self.label.as_ref().map(|label| label.name.clone()),
            self.lock_wait,
            runs_step.then_some(self.database.0.limits.deadline + OWN_END),
            connection,
        );
        if (authority, self.access) == (Authority::Host, Access::Read) {
            under_way.at_longest = Some(LONGEST_ANSWER_TO_A_QUESTION);
        }
        let mut look = |process| under_way.look(process);
        // What the server says to the host's own statements, such as that a process has just ended, is no line of the step.
        let deaf = match authority {
            Authority::Host | Authority::Application => self.pipeline.listener.take(),
            Authority::Step => None,
        };
        let settled = self.pipeline.settle(connection, &mut look, on);
        if deaf.is_some() {
            self.pipeline.listener = deaf;
        }
        let status = connection.status;
        settled.map_err(|trouble| self.note_trouble(trouble, status, &under_way))?;
        match &self.transaction {
            Some(transaction) if !transaction.is_autocommit && status == b'I' => {
                self.transaction = None;
                self.forget_host_statements();
                let error = Error::new(
                    ErrorKind::TransactionLost,
                    "a statement of the step ended the transaction that the host had opened for it",
                );
                Err((error, None))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn note_trouble(
        &mut self,
        trouble: Trouble,
        status: u8,
        under_way: &UnderWay,
    ) -> (Error, Option<usize>) {
        if trouble.is_lost {
            let left = match under_way.work {
                Work::Commit => LOST_IN_COMMIT,
                Work::Step if self.is_autocommit() => {
                    "whether the statement that was under way has done its work is not known"
                }
                _ => "what was not committed is rolled back",
            };
            self.give_up();
            let error = match trouble.error.kind {
                ErrorKind::Limit => self.too_long(),
                _ => Error {
                    kind: ErrorKind::Unavailable,
                    message: format!(
                        "the connection to {} was lost: {}; {left}",
                        self.database.0.name, trouble.error.message
                    ),
                    ..trouble.error
                },
            };
            return (error, None);
        }
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.has_failed = status == b'E';
        }
        // Whether all of them were prepared is not known any more.
        self.close_prepared();
        self.forget_host_statements();
        (self.explain(trouble.error, under_way), trouble.awaited)
    }

    pub(super) fn too_long(&self) -> Error {
        Error::limit(
            "limits.value_bytes",
            self.database.0.limits.value_bytes,
            "a value or row is too long",
        )
    }

    /// Says what the server's words mean here.
    pub(super) fn explain(&self, error: Error, under_way: &UnderWay) -> Error {
        let timeout = self.database.0.options.lock_timeout;
        let holders = under_way.holders.as_deref();
        match error.code.as_str() {
            errors::LOCK_NOT_AVAILABLE if under_way.work == Work::TargetLock => Error {
                message: format!(
                    "the lock of the target was not given within {:?}: {}",
                    under_way.at_most,
                    holders.map_or_else(
                        || "the server does not tell who holds it".to_owned(),
                        |holder| format!(
                            "{holder} holds it; `wasmigrate lease break` takes it from a host"
                        )
                    )
                ),
                ..error
            },
            errors::LOCK_NOT_AVAILABLE => Error {
                message: format!(
                    "a lock was not given within {timeout:?} (`postgres.lock_timeout_milliseconds`), so that nobody queues up \
                     behind it: {}",
                    holders.map_or_else(
                        || "the server does not tell who held it".to_owned(),
                        |holders| format!("it was held by {holders}")
                    )
                ),
                ..error
            },
            errors::QUERY_CANCELED if self.stop.reason().is_none() => Error {
                kind: ErrorKind::Other,
                ..error
            },
            _ => error,
        }
    }

    /// Ends cursors, savepoints and prepared statements on this side.
    pub(super) fn forget_open_work(&mut self) {
        self.cursors.clear();
        self.savepoints.clear();
        self.prepared.clear();
        self.loaded = None;
    }

    /// The same on the server, with the statements that are sent next.
    pub(super) fn close_prepared(&mut self) {
        let numbers: Vec<u32> = self
            .prepared
            .drain()
            .filter_map(|(_, number)| number)
            .collect();
        if let Some(connection) = self.connection.as_mut() {
            for number in numbers {
                // A name of our own fits.
                let _ =
                    frontend::close(b'S', &statement_name(number), &mut connection.wire.outgoing);
            }
        }
    }

    /// Has every statement of the host prepared anew: a step that does not come to the look may have taken them away.
    pub(super) fn forget_host_statements(&mut self) {
        if let Some(connection) = self.connection.as_mut() {
            drop(connection.prepared.forget());
        }
    }

    /// The names under which to send a statement: what comes again in a transaction is prepared once. Statements of the
    /// host are not: a step could put another one under the same name. (See `prepared` for those after the look.)
    pub(super) fn prepare<'s>(
        &mut self,
        authority: Authority,
        sql: &'s str,
    ) -> (Option<&'s str>, String) {
        if authority != Authority::Step
            || self
                .transaction
                .as_ref()
                .is_none_or(|transaction| transaction.is_autocommit)
        {
            return (Some(sql), String::new());
        }
        if guard::changes_shape(sql) {
            // What was prepared may mean something else afterwards.
            self.close_prepared();
            return (Some(sql), String::new());
        }
        match self.prepared.get(sql) {
            Some(Some(number)) => (None, statement_name(*number)),
            Some(None) => {
                let number = self.number();
                self.prepared.insert(sql.to_owned(), Some(number));
                (Some(sql), statement_name(number))
            }
            None => {
                if self.prepared.len() >= MOST_PREPARED {
                    self.close_prepared();
                }
                self.prepared.insert(sql.to_owned(), None);
                (Some(sql), String::new())
            }
        }
    }

    /// Takes note of a statement of the host that may remove something.
    fn note_change_of_shape(&mut self, statement: &str) {
        if let Some(transaction) = self.transaction.as_mut()
            && guard::changes_shape(statement)
        {
            transaction.may_have_removed = true;
            self.pipeline.removed = None;
        }
    }

    /// Gives a connection up that nobody can make sense of any more.
    pub(super) fn give_up(&mut self) {
        self.connection = None;
        self.transaction = None;
        self.forget_open_work();
    }

    /// Checks a statement of a step that there is nothing to run with: that it can be read, and has so many parameters.
    pub(super) fn expect_parameters(&mut self, statement: &str, given: usize) -> Result<()> {
        self.enter(Authority::Step)?;
        let Some(connection) = self.connection.as_mut() else {
            return Err(self.lost());
        };
        self.pipeline.ask_what_it_is(connection, statement)?;
        self.settle(Authority::Step, &mut |_, answer| match answer {
            Answer::Parameters(wanted) if wanted != given => Err(errors::parameters(wanted, given)),
            _ => Ok(()),
        })
    }

    /// Runs one statement to its end; returns how many rows it changed.
    pub(super) fn run<'c>(
        &mut self,
        authority: Authority,
        statement: &str,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Result<u64> {
        self.enter(authority)?;
        if authority == Authority::Host {
            self.note_change_of_shape(statement);
        }
        let (parse, name) = self.prepare(authority, statement);
        let request = Request {
            parse,
            statement: &name,
            ..Request::once(statement)
        };
        self.ask(Asked::Awaited, &request, cells)?;
        let mut changed = 0;
        self.settle(authority, &mut |_, answer| {
            if let Answer::Done(rows) = answer {
                changed = rows;
            }
            Ok(())
        })?;
        if authority == Authority::Step {
            self.keep_search_path(statement)?;
        }
        Ok(changed)
    }
}

fn statement_name(number: u32) -> String {
    format!("wasmigrate_{number}")
}
