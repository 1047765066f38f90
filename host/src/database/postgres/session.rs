//! One connection to a PostgreSQL server, and the transaction on it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::frontend;

use super::super::{
    Access, Authority, Batch, Cell, Column, CursorId, Durability, Error, ErrorKind, JOURNAL_PREFIX,
    Kind, Listener, Result, SavepointId, ScriptError, Server, Session, Stop, Value,
};
use super::connection::Connection;
use super::copy::Loaded;
use super::interruptions::Interruptions;
use super::pipeline::{Answer, Asked, Pipeline, Request, Trouble, failed_before};
use super::results::{self, Cursor, FIRST_PORTION};
use super::{Postgres, Target, errors, guard, locks, text, verify};

/// How many statements a transaction keeps prepared on the server.
const MOST_PREPARED: usize = 64;

/// How many rows of a batch are sent before their answers are read.
const ROWS_AT_ONCE: usize = 10_000;

/// How long the server keeps a transaction whose host says nothing, beyond the longest time that a step may take.
const IDLE_MARGIN: Duration = Duration::from_secs(60);

/// How long the server keeps a transaction that has the target's lock and whose host says nothing: no other host can do
/// anything meanwhile, and this one has only a few statements of its own to run in it.
const LOCKED_IDLE: Duration = Duration::from_secs(10);

/// How long to wait before a server is tried again that has just gone.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// A session on a PostgreSQL server.
pub(super) struct PostgresSession {
    pub(super) database: Postgres,
    pub(super) target: Target,
    server: Server,
    access: Access,
    pub(super) stop: Stop,
    /// None once it was lost.
    pub(super) connection: Option<Connection>,
    pub(super) pipeline: Pipeline,
    pub(super) transaction: Option<Transaction>,
    cursors: BTreeMap<CursorId, Cursor>,
    savepoints: Vec<SavepointId>,
    next_number: u32,
    /// Statements of this transaction: those that came again go by a number on the server.
    prepared: HashMap<String, Option<u32>>,
    label: Option<String>,
    pub(super) loaded: Option<Loaded>,
}

/// What is known of the open transaction.
pub(super) struct Transaction {
    /// Whether each statement commits by itself: there is no transaction then.
    pub(super) is_autocommit: bool,
    /// Whether a statement failed, so that the server does nothing more.
    pub(super) has_failed: bool,
    /// Whether it was verified, so that the session's settings are the host's.
    is_verified: bool,
    /// Whether statements run in the name of the role that steps work in. The host's own do not.
    has_role: bool,
}

impl PostgresSession {
    pub(super) fn open(database: Postgres, access: Access, stop: &Stop) -> Result<Self> {
        let mut connection = match access {
            // Its counters of changed rows begin at zero.
            Access::Rehearsal => database.connect_anew()?,
            Access::Read | Access::Write => database.connect()?,
        };
        let target = database.target(&mut connection)?.clone();
        Ok(Self {
            server: Server {
                kind: Kind::Postgres,
                version: target.version.clone(),
                is_superuser: target.is_superuser,
            },
            target,
            database,
            access,
            stop: stop.clone(),
            connection: Some(connection),
            pipeline: Pipeline::default(),
            transaction: None,
            cursors: BTreeMap::new(),
            savepoints: Vec::new(),
            next_number: 0,
            prepared: HashMap::new(),
            label: None,
            loaded: None,
        })
    }

    pub(super) fn lost(&self) -> Error {
        errors::broken(&self.database.0.name, &io::ErrorKind::NotConnected.into())
    }

    /// Writes a statement behind those that wait to be sent.
    pub(super) fn ask<'c>(
        &mut self,
        asked: Asked,
        request: &Request<'_>,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Result<()> {
        let lost = self.lost();
        let connection = self.connection.as_mut().ok_or(lost)?;
        self.pipeline.ask(connection, asked, request, cells)
    }

    pub(super) fn ask_quietly(&mut self, statement: &str) -> Result<()> {
        self.ask(Asked::Quiet, &Request::once(statement), std::iter::empty())
    }

    /// Sends everything that waits and reads the answers. `authority` says in whose name: the host's own bookkeeping goes
    /// on when the run has to stop. Returns how many awaited statements were done with the error, when one failed.
    pub(super) fn settle(
        &mut self,
        authority: Authority,
        on: &mut dyn FnMut(usize, Answer) -> Result<()>,
    ) -> std::result::Result<(), (Error, Option<usize>)> {
        let Some(connection) = self.connection.as_mut() else {
            return Err((self.lost(), None));
        };
        let canceller = connection.canceller.clone();
        let (stop, database) = (self.stop.clone(), self.database.clone());
        let label = self.label.clone();
        let is_interruptible = authority == Authority::Step;
        let suspicious = database.0.options.lock_timeout.mul_f32(0.6);
        let (mut asked_holders, mut interruptions) =
            (Instant::now(), Interruptions::new(canceller));
        let mut holders = None;
        let mut look = |process: Option<i64>| {
            if is_interruptible && stop.reason().is_some() {
                interruptions.interrupt(&database, process);
                return Ok(());
            }
            if asked_holders.elapsed() > suspicious {
                asked_holders = Instant::now();
                holders = locks::holders(&database, process, label.as_deref()).or(holders.take());
            }
            Ok(())
        };
        let settled = self.pipeline.settle(connection, &mut look, on);
        let status = connection.status;
        settled.map_err(|trouble| self.note_trouble(trouble, status, holders))?;
        match &self.transaction {
            Some(transaction) if !transaction.is_autocommit && status == b'I' => {
                self.transaction = None;
                let error = Error::new(
                    ErrorKind::TransactionLost,
                    "a statement of the step ended the transaction that the host had opened for it",
                );
                Err((error, None))
            }
            _ => Ok(()),
        }
    }

    fn note_trouble(
        &mut self,
        trouble: Trouble,
        status: u8,
        holders: Option<String>,
    ) -> (Error, Option<usize>) {
        if trouble.is_lost {
            self.give_up();
            let error = match trouble.error.kind {
                ErrorKind::Limit => self.too_long(),
                _ => Error {
                    kind: ErrorKind::Unavailable,
                    message: format!(
                        "the connection to {} was lost: {}; what was not committed is rolled back",
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
        (self.explain(trouble.error, holders), trouble.awaited)
    }

    fn too_long(&self) -> Error {
        Error::limit(
            "limits.value_bytes",
            self.database.0.limits.value_bytes,
            "a value or row is too long",
        )
    }

    /// Says what the server's words mean here.
    fn explain(&self, error: Error, holders: Option<String>) -> Error {
        let timeout = self.database.0.options.lock_timeout;
        match error.code.as_str() {
            errors::LOCK_NOT_AVAILABLE => Error {
                message: format!(
                    "a lock was not given within {timeout:?} (`postgres.lock_timeout_milliseconds`), so that nobody queues up \
                     behind it: {}",
                    holders.as_deref().map_or_else(
                        || "who held it is not known any more".to_owned(),
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
    fn forget_open_work(&mut self) {
        self.cursors.clear();
        self.savepoints.clear();
        self.prepared.clear();
        self.loaded = None;
    }

    /// The same on the server, with the statements that are sent next.
    fn close_prepared(&mut self) {
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

    /// Takes away what a step may have put into the session before.
    fn clean(&mut self) -> Result<()> {
        for statement in verify::CLEAN {
            self.ask_quietly(statement)?;
        }
        Ok(())
    }

    pub(super) fn number(&mut self) -> u32 {
        self.next_number = self.next_number.wrapping_add(1);
        self.next_number
    }

    /// Makes sure that a statement of a step runs in its transaction, and in the settings it is used to.
    pub(super) fn enter(&mut self, authority: Authority) -> Result<()> {
        if authority == Authority::Host {
            return Ok(());
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
        if self.stop.reason().is_some() {
            return Err(Error::new(ErrorKind::Stopped, "the run has to end"));
        }
        if transaction.is_verified {
            for statement in verify::AFTER {
                self.ask_quietly(statement)?;
            }
            let settings = self.settings(Durability::Deferred);
            self.ask_quietly(&format!("SELECT {settings}"))?;
        }
        self.take_role()?;
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.is_verified = false;
        }
        Ok(())
    }

    /// Goes on in the name of the role that steps work in, when there is one. (Outside of a transaction there is none.)
    fn take_role(&mut self) -> Result<()> {
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

    /// The names under which to send a statement: what comes again in a transaction is prepared once. Statements of the
    /// host are not: a step could put another one under the same name.
    fn prepare<'s>(&mut self, authority: Authority, sql: &'s str) -> (Option<&'s str>, String) {
        if authority == Authority::Host
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

    /// A statement of the host, with the names of its tables in full.
    fn in_full(&self, statement: &str) -> String {
        statement.replace(
            JOURNAL_PREFIX,
            &format!("{}.{JOURNAL_PREFIX}", self.target.schema),
        )
    }

    /// Calls that set what holds for one transaction.
    fn settings(&self, durability: Durability) -> String {
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
        if durability == Durability::Deferred {
            settings.push(("synchronous_commit", "off".to_owned()));
        }
        settings.extend(self.label.clone().map(|label| ("application_name", label)));
        let calls: Vec<String> = settings
            .into_iter()
            .map(|(name, value)| {
                format!(
                    "pg_catalog.set_config('{name}', {}, true)",
                    quote_text(&value)
                )
            })
            .collect();
        calls.join(", ")
    }

    fn reconnect(&mut self) -> Result<()> {
        let give_up = Instant::now() + self.database.0.address.connect_timeout;
        loop {
            match self.database.connect_anew() {
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(error) if Instant::now() > give_up => return Err(error),
                Err(_) => std::thread::sleep(RECONNECT_PAUSE),
            }
        }
    }

    /// Gives a connection up that nobody can make sense of any more.
    pub(super) fn give_up(&mut self) {
        self.connection = None;
        self.transaction = None;
        self.forget_open_work();
    }

    /// Runs one statement to its end; returns how many rows it changed.
    pub(super) fn run<'c>(
        &mut self,
        authority: Authority,
        statement: &str,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Result<u64> {
        self.enter(authority)?;
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
        })
        .map_err(|(error, _)| error)?;
        Ok(changed)
    }

    /// What the server calls the columns' types; asks it for those that are not known yet.
    fn name_types(&mut self, cursor: &mut Cursor, described: &[(String, u32, i32)]) -> Result<()> {
        let known = |connection: Option<&Connection>, key: (u32, i32)| {
            text::type_name(key.0, key.1)
                .map(str::to_owned)
                .or_else(|| {
                    connection.and_then(|connection| connection.type_names.get(&key).cloned())
                })
        };
        let mut unknown: Vec<(u32, i32)> = described
            .iter()
            .map(|(_, number, modifier)| (*number, *modifier))
            .filter(|key| known(self.connection.as_ref(), *key).is_none())
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() && cursor.authority == Authority::Step {
            let calls: Vec<String> = unknown
                .iter()
                .map(|(number, modifier)| format!("pg_catalog.format_type({number}, {modifier})"))
                .collect();
            let query = format!("SELECT {}", calls.join(", "));
            self.ask(Asked::Awaited, &Request::once(&query), std::iter::empty())?;
            let mut names: Vec<String> = Vec::new();
            self.settle(Authority::Step, &mut |_, answer| {
                if let Answer::Row(row) = answer {
                    names = results::texts(&row)?
                        .into_iter()
                        .map(Option::unwrap_or_default)
                        .collect();
                }
                Ok(())
            })
            .map_err(|(error, _)| error)?;
            if let Some(connection) = self.connection.as_mut() {
                connection.type_names.extend(unknown.into_iter().zip(names));
            }
        }
        cursor.columns = described
            .iter()
            .map(|(name, number, modifier)| Column {
                name: name.clone(),
                type_name: known(self.connection.as_ref(), (*number, *modifier))
                    .unwrap_or_default(),
            })
            .collect();
        cursor.types = described.iter().map(|(_, number, _)| *number).collect();
        Ok(())
    }

    fn open_cursor(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<CursorId> {
        self.enter(authority)?;
        let id = CursorId(self.number());
        let is_autocommit = self
            .transaction
            .as_ref()
            .is_some_and(|transaction| transaction.is_autocommit);
        let portal = format!("wasmigrate_{}", id.0);
        let (parse, name) = self.prepare(authority, statement);
        let request = Request {
            parse,
            statement: &name,
            portal: &portal,
            describe: true,
            // Without a transaction a portal ends with its statement.
            most_rows: if is_autocommit {
                0
            } else {
                i32::try_from(FIRST_PORTION).unwrap_or(i32::MAX)
            },
        };
        self.ask(Asked::Awaited, &request, parameters.iter().map(Cell::from))?;
        let mut cursor = Cursor::new(authority, portal.clone());
        let mut described = Vec::new();
        let most_bytes = self.database.0.limits.value_bytes;
        let mut bytes = 0;
        self.settle(authority, &mut |_, answer| {
            match answer {
                Answer::Columns(body) => {
                    let fields = body.fields().map(|field| {
                        Ok((
                            field.name().to_owned(),
                            field.type_oid(),
                            field.type_modifier(),
                        ))
                    });
                    described = fields
                        .collect()
                        .map_err(|error| Error::new(ErrorKind::Other, error.to_string()))?;
                }
                Answer::Row(row) => {
                    bytes += row.buffer().len() as u64;
                    if is_autocommit && bytes > most_bytes {
                        return Err(Error::limit(
                            "limits.value_bytes",
                            most_bytes,
                            "a result outside of a transaction is too large",
                        ));
                    }
                    cursor.take(row);
                }
                Answer::Done(_) => cursor.portal = None,
                Answer::Suspended => {}
            }
            Ok(())
        })
        .map_err(|(error, _)| error)?;
        self.name_types(&mut cursor, &described)?;
        if cursor.portal.is_none() && !is_autocommit {
            self.close_portal(&portal);
        }
        self.cursors.insert(id, cursor);
        Ok(id)
    }

    fn close_portal(&mut self, portal: &str) {
        if let Some(connection) = self.connection.as_mut() {
            // A name of our own fits.
            let _ = frontend::close(b'P', portal, &mut connection.wire.outgoing);
        }
    }

    /// Fetches the next portion of a cursor whose rows were all taken.
    fn refill(&mut self, id: CursorId, max_rows: usize, max_bytes: usize) -> Result<()> {
        let Some(cursor) = self.cursors.get_mut(&id) else {
            return Ok(());
        };
        let (Some(portal), authority) = (cursor.portal.clone(), cursor.authority) else {
            return Ok(());
        };
        let portion = cursor.next_portion(max_rows, max_bytes);
        self.enter(authority)?;
        let lost = self.lost();
        let connection = self.connection.as_mut().ok_or(lost)?;
        frontend::execute(
            &portal,
            i32::try_from(portion).unwrap_or(i32::MAX),
            &mut connection.wire.outgoing,
        )
        .map_err(|error| Error::invalid_argument(error.to_string()))?;
        self.pipeline.asked(Asked::Awaited);
        let (mut rows, mut is_done) = (Vec::new(), false);
        self.settle(authority, &mut |_, answer| {
            match answer {
                Answer::Row(row) => rows.push(row),
                Answer::Done(_) => is_done = true,
                _ => {}
            }
            Ok(())
        })
        .map_err(|(error, _)| error)?;
        if is_done {
            self.close_portal(&portal);
        }
        if let Some(cursor) = self.cursors.get_mut(&id) {
            rows.into_iter().for_each(|row| cursor.take(row));
            if is_done {
                cursor.portal = None;
            }
        }
        Ok(())
    }
}

fn statement_name(number: u32) -> String {
    format!("wasmigrate_{number}")
}

/// A text as a literal.
fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        // A connection in the middle of something is closed, and the server rolls back.
        if let Some(connection) = self.connection.take()
            && self.transaction.is_none()
            && self.pipeline.is_empty()
            && connection.wire.outgoing.is_empty()
            && connection.status == b'I'
        {
            self.database.give_back(connection);
        }
    }
}

#[async_trait]
impl Session for PostgresSession {
    fn server(&self) -> &Server {
        &self.server
    }

    fn listen(&mut self, listener: Option<Arc<dyn Listener>>) {
        self.pipeline.listener = listener;
    }

    fn label(&mut self, run: i64) {
        self.label = Some(label(run, &self.target.schema));
    }

    async fn begin(&mut self, durability: Durability) -> Result<()> {
        if self.connection.is_none() {
            self.reconnect()?;
        }
        self.pipeline.begun = None;
        self.transaction = Some(Transaction {
            is_autocommit: false,
            has_failed: false,
            is_verified: false,
            has_role: false,
        });
        self.ask_quietly("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
        self.clean()?;
        let first = format!(
            "SELECT pg_catalog.pg_backend_pid(), pg_catalog.txid_current(), ({}), {}",
            verify::journal(&self.target.schema),
            self.settings(durability)
        );
        self.ask(Asked::Begin, &Request::once(&first), std::iter::empty())
    }

    async fn begin_read(&mut self) -> Result<()> {
        self.pipeline.begun = None;
        self.transaction = Some(Transaction {
            is_autocommit: false,
            has_failed: false,
            is_verified: false,
            has_role: false,
        });
        self.ask_quietly("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        self.clean()
    }

    async fn begin_without_transaction(&mut self) -> Result<()> {
        if self.database.0.options.role.is_some() {
            return Err(Error::not_permitted(
                "a step that runs outside a transaction cannot be confined to `postgres.role`: connect as that role, or let \
                 the step run in a transaction",
            ));
        }
        if self.connection.is_none() {
            self.reconnect()?;
        }
        self.pipeline.begun = None;
        self.transaction = Some(Transaction {
            is_autocommit: true,
            has_failed: false,
            is_verified: false,
            has_role: false,
        });
        Ok(())
    }

    async fn invalid_indexes(&mut self) -> Result<Vec<String>> {
        let query =
            "SELECT indexrelid::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_index
                     WHERE NOT indisvalid ORDER BY 1";
        let rows = self.rows(query, &[]).await?;
        Ok(rows
            .iter()
            .filter_map(|row| row.first()?.as_text().map(str::to_owned))
            .collect())
    }

    async fn lock_target(&mut self) -> Result<()> {
        let query = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('wasmigrate'), pg_catalog.hashtext($1))";
        let schema = self.target.schema.clone();
        // There is no run yet to call it after, so that its process has to be known to tell who keeps it waiting.
        self.settle(Authority::Host, &mut |_, _| Ok(()))
            .map_err(|(error, _)| error)?;
        let idle = format!(
            "SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', '{}', true)",
            LOCKED_IDLE.as_millis()
        );
        self.ask_quietly(&idle)?;
        self.run(Authority::Host, query, [Cell::Text(&schema)].into_iter())
            .map(|_| ())
    }

    async fn end_others(&mut self, run: i64) -> Result<()> {
        let label = label(run, &self.target.schema);
        let query = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                     WHERE application_name = $1 AND datname = pg_catalog.current_database() AND usename = current_user
                     AND pid <> pg_catalog.pg_backend_pid()";
        self.run(Authority::Host, query, [Cell::Text(&label)].into_iter())
            .map(|_| ())
    }

    async fn verify(&mut self) -> Result<()> {
        self.enter(Authority::Step)?;
        if self
            .transaction
            .as_ref()
            .is_some_and(|transaction| transaction.is_autocommit)
        {
            // There is nothing that could still be rolled back.
            return Ok(());
        }
        if self.pipeline.begun.is_none() {
            self.settle(Authority::Host, &mut |_, _| Ok(()))
                .map_err(|(error, _)| error)?;
        }
        let Some(begun) = self.pipeline.begun.clone() else {
            return Err(Error::new(
                ErrorKind::TransactionLost,
                "the transaction did not begin",
            ));
        };
        for statement in verify::BEFORE {
            self.ask_quietly(statement)?;
        }
        self.clean()?;
        for statement in verify::BEHIND {
            self.ask_quietly(statement)?;
        }
        // `CLOSE ALL` has ended them.
        self.cursors.clear();
        let look = verify::statement(&self.target.schema, &begun);
        self.ask(Asked::Verify, &Request::once(&look), std::iter::empty())?;
        let settings = self.settings(Durability::Deferred);
        self.ask_quietly(&format!("SELECT {settings}"))?;
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.is_verified = true;
            transaction.has_role = false;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        match self.pipeline.is_empty() {
            true => Ok(()),
            false => self
                .settle(Authority::Step, &mut |_, _| Ok(()))
                .map_err(|(error, _)| error),
        }
    }

    async fn commit(&mut self) -> Result<()> {
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
        let transaction = self.transaction.take();
        self.settle(Authority::Host, &mut |_, _| Ok(()))
            .map_err(|(error, _)| {
                // Something before the COMMIT failed.
                if self.connection.is_some() {
                    self.transaction = transaction.map(|transaction| Transaction {
                        has_failed: true,
                        ..transaction
                    });
                }
                error
            })
    }

    async fn rollback(&mut self) -> Result<()> {
        self.close_prepared();
        self.forget_open_work();
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        if self.connection.is_none() {
            return Ok(());
        }
        if !self.pipeline.is_empty() {
            // What it says does not matter any more, unless the connection is gone, and then nor does that.
            let _ = self.settle(Authority::Host, &mut |_, _| Ok(()));
            self.transaction = None;
        }
        let statements: &[&str] = match transaction.is_autocommit {
            true => &[
                "RESET ROLE",
                "RESET ALL",
                "SELECT pg_catalog.pg_advisory_unlock_all()",
            ],
            false => &["ROLLBACK", "SELECT pg_catalog.pg_advisory_unlock_all()"],
        };
        for statement in statements {
            if self.connection.is_some() {
                self.ask_quietly(statement)?;
            }
        }
        match self.settle(Authority::Host, &mut |_, _| Ok(())) {
            Ok(()) => Ok(()),
            // The server has rolled back what it lost.
            Err(_) if self.connection.is_none() => Ok(()),
            Err((error, _)) => Err(error),
        }
    }

    async fn execute(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<u64> {
        match authority {
            Authority::Step => {
                guard::check(statement)?;
                self.run(authority, statement, parameters.iter().map(Cell::from))
            }
            Authority::Host => {
                let statement = self.in_full(statement);
                self.run(authority, &statement, parameters.iter().map(Cell::from))
            }
        }
    }

    async fn execute_later(&mut self, statement: &str, parameters: &[Value]) -> Result<()> {
        let statement = self.in_full(statement);
        self.ask(
            Asked::Quiet,
            &Request::once(&statement),
            parameters.iter().map(Cell::from),
        )
    }

    async fn require(
        &mut self,
        statement: &str,
        parameters: &[Value],
        otherwise: Error,
    ) -> Result<()> {
        let statement = format!(
            "WITH required AS ({}) SELECT 1 / pg_catalog.count(*) FROM required",
            self.in_full(statement)
        );
        self.ask(
            Asked::Required(Box::new(otherwise)),
            &Request::once(&statement),
            parameters.iter().map(Cell::from),
        )
    }

    async fn has_journal_table(&mut self, name: &str) -> Result<bool> {
        let query = format!(
            "SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1 AND relkind IN ('r', 'p')
             AND relnamespace = {}::pg_catalog.regnamespace",
            quote_text(&self.target.schema)
        );
        Ok(!self.rows(&query, &[name.into()]).await?.is_empty())
    }

    async fn execute_many(&mut self, statement: &str, parameters: &Batch) -> Result<u64> {
        guard::check(statement)?;
        let mut changed = 0;
        for first in (0..parameters.row_count).step_by(ROWS_AT_ONCE) {
            let rows = first..parameters.row_count.min(first + ROWS_AT_ONCE);
            self.enter(Authority::Step)?;
            let (mut parse, name) = self.prepare(Authority::Step, statement);
            for row in rows {
                let request = Request {
                    parse: parse.take(),
                    statement: &name,
                    ..Request::once(statement)
                };
                let cells = parameters.columns.iter().map(|column| column.cell(row));
                self.ask(Asked::Awaited, &request, cells)?;
            }
            self.settle(Authority::Step, &mut |_, answer| {
                if let Answer::Done(rows) = answer {
                    changed += rows;
                }
                Ok(())
            })
            .map_err(|(mut error, done)| {
                if let Some(done) = done {
                    error.message =
                        format!("row {} of the batch: {}", first + done + 1, error.message);
                }
                error
            })?;
        }
        Ok(changed)
    }

    async fn load(&mut self, table: &str, columns: &[String], rows: &Batch) -> Result<u64> {
        self.copy_in(table, columns, rows)
    }

    async fn execute_script(
        &mut self,
        script: &str,
        progress: &mut (dyn for<'a> FnMut(usize) + Send),
    ) -> std::result::Result<u64, ScriptError> {
        self.run_script(script, progress)
    }

    async fn query(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<CursorId> {
        match authority {
            Authority::Step => {
                guard::check(statement)?;
                self.open_cursor(authority, statement, parameters)
            }
            Authority::Host => {
                let statement = self.in_full(statement);
                self.open_cursor(authority, &statement, parameters)
            }
        }
    }

    fn columns(&self, cursor: CursorId) -> Result<Arc<[Column]>> {
        match self.cursors.get(&cursor) {
            Some(cursor) => Ok(Arc::clone(&cursor.columns)),
            None => Err(Error::invalid_argument("the cursor is closed")),
        }
    }

    async fn fetch(
        &mut self,
        cursor: CursorId,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Batch> {
        if self
            .cursors
            .get(&cursor)
            .is_some_and(|open| open.rows.is_empty())
        {
            self.refill(cursor, max_rows, max_bytes)?;
        }
        match self.cursors.get_mut(&cursor) {
            Some(open) => open.batch(max_rows, max_bytes),
            None => Err(Error::invalid_argument(
                "the cursor is closed: a checkpoint, or a rollback to an earlier savepoint, ended it",
            )),
        }
    }

    async fn close(&mut self, cursor: CursorId) {
        if let Some(portal) = self
            .cursors
            .remove(&cursor)
            .and_then(|cursor| cursor.portal)
        {
            self.close_portal(&portal);
        }
    }

    fn open_cursors(&self) -> usize {
        self.cursors.len()
    }

    async fn savepoint(&mut self) -> Result<SavepointId> {
        self.enter(Authority::Step)?;
        if self
            .transaction
            .as_ref()
            .is_some_and(|transaction| transaction.is_autocommit)
        {
            return Err(Error::not_permitted(
                "a savepoint in a step that runs outside a transaction",
            ));
        }
        let savepoint = SavepointId(self.number());
        self.ask_quietly(&format!("SAVEPOINT wasmigrate_{}", savepoint.0))?;
        self.savepoints.push(savepoint);
        Ok(savepoint)
    }

    async fn release(&mut self, savepoint: SavepointId) -> Result<()> {
        self.enter(Authority::Step)?;
        if !self.savepoints.contains(&savepoint) {
            return Err(Error::invalid_argument(
                "the savepoint is gone: one that was opened before it was released or rolled back",
            ));
        }
        self.savepoints.retain(|open| *open < savepoint);
        self.ask_quietly(&format!("RELEASE SAVEPOINT wasmigrate_{}", savepoint.0))
    }

    async fn roll_back_to(&mut self, savepoint: SavepointId) -> Result<()> {
        if !self.savepoints.contains(&savepoint) || self.connection.is_none() {
            return Ok(());
        }
        self.savepoints.retain(|open| *open < savepoint);
        self.loaded = None;
        // Those that were opened before stay open on the server, but their rows may be undone.
        let open: Vec<CursorId> = self.cursors.keys().copied().collect();
        for cursor in open {
            self.close(cursor).await;
        }
        // A failure of what is still on its way must not take the rollback along.
        if !self.pipeline.is_empty() {
            let _ = self.settle(Authority::Step, &mut |_, _| Ok(()));
        }
        self.ask_quietly(&format!("ROLLBACK TO SAVEPOINT wasmigrate_{}", savepoint.0))?;
        self.ask_quietly(&format!("RELEASE SAVEPOINT wasmigrate_{}", savepoint.0))?;
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.has_failed = false;
        }
        Ok(())
    }

    fn open_savepoints(&self) -> usize {
        self.savepoints.len()
    }

    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>> {
        if self.access != Access::Rehearsal
            || self
                .transaction
                .as_ref()
                .is_none_or(|transaction| transaction.has_failed)
        {
            return Ok(BTreeMap::new());
        }
        let query = format!(
            "SELECT CASE WHEN schemaname = {schema} THEN relname ELSE schemaname || '.' || relname END,
             n_tup_ins + n_tup_upd + n_tup_del
             FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0",
            schema = quote_text(self.target.schema.trim_matches('"')),
        );
        let rows = self.rows(&query, &[]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let [table, rows] = <[Value; 2]>::try_from(row).ok()?;
                Some((
                    table.as_text()?.to_owned(),
                    u64::try_from(rows.as_integer()?).ok()?,
                ))
            })
            .collect())
    }
}

/// What a run's transactions are called in the server's list of activities, whose names have at most 63 bytes.
fn label(run: i64, schema: &str) -> String {
    let mut label = format!("wasmigrate run {run} in {schema}");
    while label.len() > 63 {
        label.pop();
    }
    label
}
