//! One connection to a PostgreSQL server, and the transaction on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::super::{
    Access, Action, Authority, Batch, Cell, Column, CursorId, Deed, Durability, Error,
    JOURNAL_PREFIX, Kind, Listener, Result, SavepointId, Script, ScriptError, Server, Session,
    Stop, Value,
};
use super::capabilities::CAPABILITIES;
use super::connection::Connection;
use super::copy::Loaded;
use super::pipeline::{Answer, Asked, Pipeline, Request};
use super::results::{Cursor, Portion};
use super::transaction::Transaction;
use super::{Postgres, Target, guard, schema};

/// How many rows of a batch are sent before their answers are read.
const ROWS_AT_ONCE: usize = 10_000;

/// How long the server keeps a transaction that has the target's lock and whose host says nothing: no other host can do
/// anything meanwhile, and this one has only a few statements of its own to run in it.
const LOCKED_IDLE: Duration = Duration::from_secs(10);

/// How long a connection that was told to end may take.
const ENDING: Duration = Duration::from_secs(10);

/// How often to look whether it has ended.
const ENDING_INTERVAL: Duration = Duration::from_millis(10);

/// A session on a PostgreSQL server.
pub(super) struct PostgresSession {
    pub(super) database: Postgres,
    pub(super) target: Target,
    pub(super) server: Server,
    access: Access,
    pub(super) stop: Stop,
    /// None once it was lost.
    pub(super) connection: Option<Connection>,
    pub(super) pipeline: Pipeline,
    pub(super) transaction: Option<Transaction>,
    pub(super) cursors: BTreeMap<CursorId, Cursor>,
    pub(super) savepoints: Vec<SavepointId>,
    next_number: u32,
    /// Statements of this transaction: those that came again go by a number on the server.
    pub(super) prepared: HashMap<String, Option<u32>>,
    pub(super) label: Option<String>,
    pub(super) loaded: Option<Loaded>,
    /// The names and numbers of the journal's tables, once they were read.
    pub(super) journal: Option<String>,
    /// The search path of the step that runs, when it is not the connection's own.
    pub(super) search_path: Option<String>,
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
                capabilities: CAPABILITIES,
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
            journal: None,
            search_path: None,
        })
    }

    pub(super) fn number(&mut self) -> u32 {
        self.next_number = self.next_number.wrapping_add(1);
        self.next_number
    }
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
        self.begin_to_write(durability)
    }

    async fn begin_read(&mut self) -> Result<()> {
        self.begin_to_read()
    }

    async fn begin_without_transaction(&mut self) -> Result<()> {
        self.begin_outside()
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

    async fn waiting_for_run(&mut self, run: i64) -> Result<u64> {
        // Before version 14 the server does not say since when somebody waits.
        let query = "SELECT pg_catalog.count(DISTINCT waiting.pid) FROM pg_catalog.pg_locks AS waiting
                     JOIN pg_catalog.pg_stat_activity AS ours ON ours.pid = ANY (pg_catalog.pg_blocking_pids(waiting.pid))
                     WHERE NOT waiting.granted AND ours.application_name = $1 AND waiting.pid NOT IN (
                         SELECT pid FROM pg_catalog.pg_stat_activity WHERE application_name = $1
                     ) AND coalesce((pg_catalog.to_jsonb(waiting) ->> 'waitstart')::pg_catalog.timestamptz, '-infinity')
                         < pg_catalog.clock_timestamp() - interval '100 milliseconds'";
        let label = label(run, &self.target.schema);
        let rows = self.rows(query, &[label.into()]).await?;
        let count = rows.first().and_then(|row| row.first()?.as_integer());
        Ok(count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0))
    }

    async fn replication_lag(&mut self) -> Result<Option<Duration>> {
        let query = "SELECT pg_catalog.max(extract(epoch FROM replay_lag))::pg_catalog.float8
                     FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'";
        let rows = self.rows(query, &[]).await?;
        Ok(match rows.first().and_then(|row| row.first()) {
            Some(Value::Float(seconds)) => Some(Duration::from_secs_f64(seconds.max(0.0))),
            _ => None,
        })
    }

    async fn lock_target(&mut self) -> Result<()> {
        let query = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('wasmigrate'), pg_catalog.hashtext($1))";
        let schema = self.target.schema.clone();
        // There is no run yet to call it after, so that its process has to be known to tell who keeps it waiting.
        self.settle_quietly(Authority::Host)?;
        let idle = format!(
            "SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', '{}', true)",
            LOCKED_IDLE.as_millis()
        );
        self.ask_quietly(&idle)?;
        self.run(Authority::Host, query, [Cell::Text(&schema)].into_iter())
            .map(|_| ())
    }

    async fn end_others(&mut self, run: i64) -> Result<bool> {
        let label = label(run, &self.target.schema);
        let query = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                     WHERE application_name = $1 AND datname = pg_catalog.current_database() AND usename = current_user
                     AND pid <> pg_catalog.pg_backend_pid()";
        let give_up = Instant::now() + ENDING;
        // What was asked to end may be in the middle of a commit, and is called so until it has ended.
        while self.run(Authority::Host, query, [Cell::Text(&label)].into_iter())? > 0 {
            if Instant::now() > give_up {
                return Ok(false);
            }
            std::thread::sleep(ENDING_INTERVAL);
            // The list of activities is read once in a transaction, unless it is forgotten.
            self.ask_quietly("SELECT pg_catalog.pg_stat_clear_snapshot()")?;
        }
        Ok(true)
    }

    async fn enter_schema(&mut self, schema: Option<&str>) -> Result<()> {
        self.enter_fresh(schema)
    }

    async fn verify(&mut self) -> Result<()> {
        self.look_for_tampering()
    }

    fn schema_query(&self) -> String {
        schema::query(&self.target.schema)
    }

    async fn settle(&mut self) -> Result<()> {
        match self.pipeline.is_empty() {
            true => Ok(()),
            false => self.settle_quietly(Authority::Step),
        }
    }

    async fn commit(&mut self) -> Result<()> {
        self.commit_transaction()
    }

    async fn rollback(&mut self) -> Result<()> {
        self.roll_back()
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
        self.ask_as_host(Asked::Quiet, &statement, parameters.iter().map(Cell::from))
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
        self.ask_as_host(
            Asked::Required(Box::new(otherwise)),
            &statement,
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
        if parameters.row_count == 0 {
            return self
                .expect_parameters(statement, parameters.columns.len())
                .map(|()| 0);
        }
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
            self.settle_counting(Authority::Step, &mut |_, answer| {
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

    async fn execute_scripts(
        &mut self,
        scripts: &[Script<'_>],
        progress: &mut (dyn for<'a> FnMut(usize, usize) + Send),
    ) -> std::result::Result<(), (usize, ScriptError)> {
        self.run_scripts(scripts, progress).map(|_| ())
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
                self.open_cursor(authority, statement, parameters, Portion::FIRST)
            }
            Authority::Host => {
                let statement = self.in_full(statement);
                self.open_cursor(authority, &statement, parameters, Portion::FIRST)
            }
        }
    }

    async fn read(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Batch> {
        let in_full = match authority {
            Authority::Step => {
                guard::check(statement)?;
                statement.to_owned()
            }
            Authority::Host => self.in_full(statement).to_string(),
        };
        let portion = Portion {
            most_rows: max_rows,
            most_bytes: max_bytes,
        };
        let cursor = self.open_cursor(authority, &in_full, parameters, portion)?;
        let batch = match self.cursors.get_mut(&cursor) {
            Some(open) => open.batch(max_rows, max_bytes),
            None => Ok(Batch::default()),
        };
        self.close(cursor).await;
        batch
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
        if self.is_autocommit() {
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
            let _ = self.settle_quietly(Authority::Step);
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

    async fn deeds(&mut self) -> Result<BTreeSet<Deed>> {
        let mut deeds = BTreeSet::new();
        let own_schema = self.target.schema.trim_matches('"').to_owned();
        for row in self.rows(DEEDS, &[]).await? {
            let [
                Value::Text(schema),
                Value::Text(table),
                Value::Boolean(is_read),
                Value::Boolean(is_written),
            ] = &*row
            else {
                continue;
            };
            let table = match *schema == own_schema {
                true => table.clone(),
                false => format!("{schema}.{table}"),
            };
            for (action, is_done) in [(Action::Read, *is_read), (Action::Write, *is_written)] {
                if is_done && !table.starts_with(JOURNAL_PREFIX) {
                    deeds.insert(Deed {
                        action,
                        table: table.clone(),
                        column: None,
                    });
                }
            }
        }
        Ok(deeds)
    }
}

/// What the server's counters tell of a transaction.
const DEEDS: &str = "SELECT schemaname::pg_catalog.text, relname::pg_catalog.text,
    coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0, n_tup_ins + n_tup_upd + n_tup_del > 0
    FROM pg_catalog.pg_stat_xact_user_tables";

/// What a run's transactions are called in the server's list of activities, whose names have at most 63 bytes.
fn label(run: i64, schema: &str) -> String {
    let mut label = format!("wasmigrate run {run} in {schema}");
    while label.len() > 63 {
        label.pop();
    }
    label
}

/// A text as a literal.
pub(super) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
