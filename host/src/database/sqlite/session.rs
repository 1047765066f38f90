//! One connection to a SQLite file, and the transaction on it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use send_wrapper::SendWrapper;

use super::super::{
    Access, Authority, Batch, Cell, Column, CursorId, Deed, Durability, Error, ErrorKind, Kind,
    Result, SavepointId, ScriptError, Server, Session, Stop, Value, expect_columns, quote,
};
use super::changes::Changes;
use super::company;
use super::errors::translate;
use super::foreign_keys::{self, ForeignKeys};
use super::guard::{Guard, Touched};
use super::reserved;
use super::statement::{Prepared, Running, StatementCache};
use super::{PROGRESS_INSTRUCTIONS, Sqlite, retry_busy};
use crate::database::schema::WHOLE;

/// One row a column, index, trigger or view, and one a table as a whole: the table's name, and the line.
const SCHEMA: &str = r#"
    WITH relation AS (
      SELECT type, name, tbl_name, sql FROM sqlite_master
      WHERE tbl_name NOT LIKE 'sqlite\_%' ESCAPE '\' AND tbl_name NOT LIKE 'wasmigrate\_%' ESCAPE '\')
    SELECT relation.name, rtrim('column ' || field.name || ' ' || field.type)
      || CASE field."notnull" WHEN 1 THEN ' not null' ELSE '' END
      || coalesce(' default ' || field.dflt_value, '')
      || CASE WHEN field.pk > 0 THEN ' primary key ' || field.pk ELSE '' END
      FROM relation, pragma_table_xinfo(relation.name) AS field WHERE relation.type = 'table'
    UNION ALL SELECT tbl_name, CASE type WHEN 'table' THEN '{WHOLE}' ELSE type || ' ' END || sql
      FROM relation WHERE sql IS NOT NULL"#;

/// A session on a SQLite file. It must stay on its thread, and panics on any other: rusqlite's handles are not to be
/// shared, and the thread of a run is where all of its work is done.
pub(super) struct SqliteSession {
    server: Server,
    inner: SendWrapper<Inner>,
}

/// What stays on the thread of the session.
pub(super) struct Inner {
    database: Sqlite,
    pub(super) access: Access,
    stop: Stop,
    pub(super) guard: Guard,
    // Statements and cursors hold the connection too; they come first so that they are dropped first.
    // Kept apart by authority: a statement that was prepared for the host has passed no authorizer.
    host_statements: StatementCache,
    step_statements: StatementCache,
    cursors: BTreeMap<CursorId, OpenCursor>,
    next_number: u32,
    savepoints: Vec<SavepointId>,
    pub(super) connection: Rc<Connection>,
    durability: Durability,
    /// What steps touched since the transaction began.
    pub(super) touched: Touched,
    foreign_keys: ForeignKeys,
    pub(super) changes: Changes,
}

/// A result that is being read.
struct OpenCursor {
    authority: Authority,
    statement: String,
    running: Running,
}

impl SqliteSession {
    pub(super) fn open(database: Sqlite, access: Access, stop: &Stop) -> Result<Self> {
        let changes = Changes::default();
        let guard = Guard::new();
        let connection = connect(&database, access, stop, &guard, &changes)?;
        Ok(Self {
            server: Server {
                kind: Kind::Sqlite,
                version: rusqlite::version().to_owned(),
                is_superuser: false,
            },
            inner: SendWrapper::new(Inner {
                database,
                access,
                stop: stop.clone(),
                guard,
                host_statements: StatementCache::default(),
                step_statements: StatementCache::default(),
                cursors: BTreeMap::new(),
                next_number: 0,
                savepoints: Vec::new(),
                connection,
                durability: Durability::Deferred,
                touched: Touched::default(),
                foreign_keys: ForeignKeys::default(),
                changes,
            }),
        })
    }
}

fn connect(
    database: &Sqlite,
    access: Access,
    stop: &Stop,
    guard: &Guard,
    changes: &Changes,
) -> Result<Rc<Connection>> {
    let mut connection = database.connect(access, stop)?;
    connection
        .authorizer(Some(guard.authorizer()))
        .map_err(translate)?;
    let (stop_in_handler, guard_in_handler) = (stop.clone(), guard.clone());
    connection
        .progress_handler(
            PROGRESS_INSTRUCTIONS,
            Some(move || guard_in_handler.is_interruptible() && stop_in_handler.reason().is_some()),
        )
        .map_err(translate)?;
    if access == Access::Rehearsal {
        let changes = changes.clone();
        connection
            .update_hook(Some(move |_, _: &str, table: &str, _| {
                changes.add(table, 1)
            }))
            .map_err(translate)?;
    }
    if access == Access::Write && !database.is_throwaway {
        // WAL with NORMAL: a commit waits for no disk, and a checkpoint of the WAL keeps the order.
        connection
            .pragma_update(None, "synchronous", "NORMAL")
            .map_err(translate)?;
    }
    Ok(Rc::new(connection))
}

impl Inner {
    /// A fresh connection, free of the temporary objects that a step left on the old one.
    fn reconnect(&mut self) -> Result<()> {
        self.host_statements.clear();
        self.step_statements.clear();
        self.cursors.clear();
        self.connection = connect(
            &self.database,
            self.access,
            &self.stop,
            &self.guard,
            &self.changes,
        )?;
        self.durability = Durability::Deferred;
        self.foreign_keys.forget();
        Ok(())
    }

    fn begin(&mut self, durability: Durability) -> Result<()> {
        if self.touched.temporary {
            self.reconnect()?;
        }
        self.touched = Touched::default();
        self.guard.act_for(Authority::Host);
        let waits = self.access == Access::Write && !self.database.is_throwaway;
        if waits && self.durability != durability {
            let synchronous = match durability {
                Durability::Deferred => "NORMAL",
                Durability::Flushed => "FULL",
            };
            self.connection
                .pragma_update(None, "synchronous", synchronous)
                .map_err(translate)?;
            self.durability = durability;
        }
        let wait = self.database.limits.lock_wait;
        retry_busy(&self.stop, wait, || {
            self.connection
                .prepare_cached("BEGIN IMMEDIATE")?
                .raw_execute()
        })
        .map_err(|error| self.explain(error))?;
        let version = foreign_keys::schema_version(&self.connection).map_err(translate)?;
        if self.foreign_keys.schema_version() != Some(version) {
            self.foreign_keys.forget();
        }
        Ok(())
    }

    /// Ends cursors and savepoints, as a commit or a rollback does.
    fn end_open_work(&mut self) {
        self.close_cursors();
        self.savepoints.clear();
        self.guard.act_for(Authority::Host);
    }

    fn close_cursors(&mut self) {
        while let Some((_, cursor)) = self.cursors.pop_first() {
            self.close_cursor(cursor);
        }
    }

    fn close_cursor(&mut self, cursor: OpenCursor) {
        self.statements(cursor.authority)
            .put(cursor.statement, cursor.running.close());
    }

    fn statements(&mut self, authority: Authority) -> &mut StatementCache {
        match authority {
            Authority::Host => &mut self.host_statements,
            Authority::Step => &mut self.step_statements,
        }
    }

    fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// A step may only run inside its transaction, even when SQLite has ended that by itself.
    pub(super) fn require_transaction(&self, authority: Authority) -> Result<()> {
        if authority == Authority::Host || self.in_transaction() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TransactionLost,
            "the database rolled the transaction back by itself (a conflict clause `ROLLBACK`, or an error that it could not \
             bear); nothing more can be done in it",
        ))
    }

    /// Translates an error, with the reason of a refusal or of an interruption.
    pub(super) fn explain(&self, error: rusqlite::Error) -> Error {
        let mut error = translate(error);
        // SQLite calls a function that is refused an ordinary error.
        if let Some(reason) = self.guard.take_denied() {
            error.kind = ErrorKind::NotPermitted;
            error.message = format!("not permitted: {reason}");
        }
        match error.kind {
            ErrorKind::Limit => {
                error = Error {
                    code: error.code,
                    ..Error::limit(
                        "limits.value_bytes",
                        self.database.limits.value_bytes,
                        "a value or row is too long",
                    )
                };
            }
            ErrorKind::Busy if !self.in_transaction() => {
                error.message = format!(
                    "another process holds the write lock of {} for longer than {:?}",
                    self.database.name, self.database.limits.lock_wait
                );
            }
            _ => {}
        }
        error
    }

    /// Takes the statement out of the cache, or prepares it.
    fn prepare(&mut self, authority: Authority, sql: &str) -> Result<(String, Prepared)> {
        self.require_transaction(authority)?;
        self.guard.act_for(authority);
        if let Some((sql, prepared)) = self.statements(authority).take(sql) {
            self.touched.add(&prepared.touched);
            return Ok((sql, prepared));
        }
        self.guard.take_touched();
        let mut prepared =
            Prepared::new(&self.connection, sql).map_err(|error| self.explain(error))?;
        prepared.touched = self.guard.take_touched();
        self.touched.add(&prepared.touched);
        Ok((sql.to_owned(), prepared))
    }

    /// Runs `work` with the statement and counts the rows that it changed.
    fn change(
        &mut self,
        authority: Authority,
        sql: &str,
        work: impl FnOnce(&mut Prepared) -> std::result::Result<(), Failed>,
    ) -> Result<u64> {
        let (sql, mut prepared) = self.prepare(authority, sql)?;
        let before = self.connection.total_changes();
        let seen = self.changes.total();
        let result = work(&mut prepared);
        let changed = self.connection.total_changes() - before;
        if self.access == Access::Rehearsal {
            self.changes.add_unseen(&prepared.touched, changed, seen);
        }
        let changes_rows = !prepared.read_only;
        self.statements(authority).put(sql, prepared);
        match result {
            Ok(()) if changes_rows && changed > 0 => Ok(changed),
            Ok(()) => Ok(0),
            Err(Failed::Sqlite(error)) => Err(self.explain(error)),
            Err(Failed::Refused(error)) => Err(error),
        }
    }

    fn number(&mut self) -> u32 {
        self.next_number = self.next_number.wrapping_add(1);
        self.next_number
    }

    /// An open cursor, to read on in the name of whoever opened it.
    fn cursor(&mut self, cursor: CursorId) -> Result<&mut Running> {
        if let Some(open) = self.cursors.get(&cursor) {
            // A statement that changes rows does so when its first row is read.
            self.require_transaction(open.authority)?;
        }
        let cursor = self.cursors.get_mut(&cursor).ok_or_else(|| {
            Error::invalid_argument(
                "the cursor is closed: a checkpoint, or a rollback to an earlier savepoint, ended it",
            )
        })?;
        self.guard.act_for(cursor.authority);
        Ok(&mut cursor.running)
    }

    /// Runs a statement of the host that takes no parameters and returns nothing.
    fn control(&mut self, sql: &str) -> Result<()> {
        self.guard.act_for(Authority::Host);
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.raw_execute())
            .map(|_| ())
            .map_err(|error| self.explain(error))
    }
}

/// Why work with a statement ended early.
enum Failed {
    Sqlite(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn expect_parameters(prepared: &Prepared, given: usize) -> Result<()> {
    if prepared.parameter_count == given {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "the statement has {} parameters, but {given} values were given",
        prepared.parameter_count
    )))
}

#[async_trait]
impl Session for SqliteSession {
    fn server(&self) -> &Server {
        &self.server
    }

    fn has_company(&self) -> bool {
        company::has_company(&self.inner.database.path)
    }

    async fn begin(&mut self, durability: Durability) -> Result<()> {
        self.inner.begin(durability)
    }

    async fn begin_read(&mut self) -> Result<()> {
        let inner = &mut *self.inner;
        inner.control("BEGIN DEFERRED")?;
        // The first look takes the lock, which a commit outside of WAL mode, or the last close in it, holds up.
        let wait = inner.database.limits.lock_wait;
        retry_busy(&inner.stop, wait, || {
            foreign_keys::schema_version(&inner.connection)
        })
        .map(|_| ())
        .map_err(translate)
    }

    async fn begin_without_transaction(&mut self) -> Result<()> {
        Err(Error::not_permitted(
            "the step wants to run outside a transaction, which SQLite has no need of: let it run in one",
        ))
    }

    async fn lock_target(&mut self) -> Result<()> {
        // The transaction has the only write lock.
        Ok(())
    }

    async fn end_others(&mut self, _run: i64) -> Result<bool> {
        // Whoever had a transaction open would have kept this one from beginning.
        Ok(true)
    }

    fn schema_query(&self) -> String {
        SCHEMA.replace("{WHOLE}", WHOLE)
    }

    async fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    async fn enter_schema(&mut self, _schema: Option<&str>) -> Result<()> {
        let inner = &mut *self.inner;
        inner.require_transaction(Authority::Step)?;
        inner.end_open_work();
        Ok(())
    }

    async fn verify(&mut self) -> Result<()> {
        let inner = &mut *self.inner;
        inner.require_transaction(Authority::Step)?;
        inner.guard.act_for(Authority::Host);
        // The check may take long on large tables.
        inner.guard.allow_interruption();
        let database = inner.database.clone();
        let stop = inner.stop.clone();
        let before = || super::connect(&database.path, Access::Read, &stop, &database.limits);
        reserved::check(&inner.connection, before, &inner.touched)?;
        inner
            .foreign_keys
            .check(&inner.connection, before, &inner.touched)
    }

    async fn commit(&mut self) -> Result<()> {
        let inner = &mut *self.inner;
        inner.end_open_work();
        inner.require_transaction(Authority::Step)?;
        inner.control("COMMIT")
    }

    async fn rollback(&mut self) -> Result<()> {
        let inner = &mut *self.inner;
        inner.end_open_work();
        inner.foreign_keys.forget();
        if inner.in_transaction() {
            inner.control("ROLLBACK")?;
        }
        Ok(())
    }

    async fn execute(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<u64> {
        self.inner.change(authority, statement, |prepared| {
            expect_parameters(prepared, parameters.len()).map_err(Failed::Refused)?;
            prepared.bind(parameters.iter().map(Cell::from))?;
            prepared.run()?;
            Ok(())
        })
    }

    async fn execute_later(&mut self, statement: &str, parameters: &[Value]) -> Result<()> {
        self.execute(Authority::Host, statement, parameters)
            .await
            .map(|_| ())
    }

    async fn require(
        &mut self,
        statement: &str,
        parameters: &[Value],
        otherwise: Error,
    ) -> Result<()> {
        match self.rows(statement, parameters).await?.len() {
            1 => Ok(()),
            _ => Err(otherwise),
        }
    }

    async fn has_journal_table(&mut self, name: &str) -> Result<bool> {
        let query = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = $1";
        Ok(!self.rows(query, &[name.into()]).await?.is_empty())
    }

    async fn execute_many(&mut self, statement: &str, parameters: &Batch) -> Result<u64> {
        self.inner.change(Authority::Step, statement, |prepared| {
            expect_parameters(prepared, parameters.columns.len()).map_err(Failed::Refused)?;
            for row in 0..parameters.row_count {
                prepared.bind(parameters.columns.iter().map(|column| column.cell(row)))?;
                prepared.run()?;
            }
            Ok(())
        })
    }

    async fn load(&mut self, table: &str, columns: &[String], rows: &Batch) -> Result<u64> {
        expect_columns(columns, rows)?;
        let names: Vec<String> = columns.iter().map(|name| quote(name)).collect();
        let statement = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            quote(table),
            names.join(", "),
            vec!["?"; names.len()].join(", ")
        );
        self.execute_many(&statement, rows).await
    }

    async fn execute_script(
        &mut self,
        script: &str,
        progress: &mut (dyn for<'a> FnMut(usize) + Send),
    ) -> std::result::Result<u64, ScriptError> {
        self.inner.execute_script(script, progress)
    }

    async fn query(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<CursorId> {
        let inner = &mut *self.inner;
        let (sql, prepared) = inner.prepare(authority, statement)?;
        expect_parameters(&prepared, parameters.len())?;
        let running = prepared
            .open(parameters.iter().map(Cell::from))
            .map_err(|error| inner.explain(error))?;
        let cursor = CursorId(inner.number());
        inner.cursors.insert(
            cursor,
            OpenCursor {
                authority,
                statement: sql,
                running,
            },
        );
        Ok(cursor)
    }

    fn columns(&self, cursor: CursorId) -> Result<Arc<[Column]>> {
        match self.inner.cursors.get(&cursor) {
            Some(cursor) => Ok(Arc::clone(&cursor.running.columns)),
            None => Err(Error::invalid_argument("the cursor is closed")),
        }
    }

    async fn fetch(
        &mut self,
        cursor: CursorId,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Batch> {
        let inner = &mut *self.inner;
        let fetched = inner.cursor(cursor)?.fetch(max_rows, max_bytes);
        fetched.map_err(|error| inner.explain(error))
    }

    async fn close(&mut self, cursor: CursorId) {
        let inner = &mut *self.inner;
        if let Some(cursor) = inner.cursors.remove(&cursor) {
            inner.close_cursor(cursor);
        }
    }

    fn open_cursors(&self) -> usize {
        self.inner.cursors.len()
    }

    async fn savepoint(&mut self) -> Result<SavepointId> {
        let inner = &mut *self.inner;
        inner.require_transaction(Authority::Step)?;
        let savepoint = SavepointId(inner.number());
        inner.control(&format!("SAVEPOINT wasmigrate_{}", savepoint.0))?;
        inner.savepoints.push(savepoint);
        Ok(savepoint)
    }

    async fn release(&mut self, savepoint: SavepointId) -> Result<()> {
        let inner = &mut *self.inner;
        inner.require_transaction(Authority::Step)?;
        if !inner.savepoints.contains(&savepoint) {
            return Err(Error::invalid_argument(
                "the savepoint is gone: one that was opened before it was released or rolled back",
            ));
        }
        inner.savepoints.retain(|open| *open < savepoint);
        inner.control(&format!("RELEASE wasmigrate_{}", savepoint.0))
    }

    async fn roll_back_to(&mut self, savepoint: SavepointId) -> Result<()> {
        let inner = &mut *self.inner;
        if !inner.savepoints.contains(&savepoint) || !inner.in_transaction() {
            return Ok(());
        }
        inner.savepoints.retain(|open| *open < savepoint);
        // Rows read after the savepoint may be undone under a cursor's feet.
        inner.close_cursors();
        inner.foreign_keys.forget();
        inner.control(&format!("ROLLBACK TO wasmigrate_{}", savepoint.0))?;
        inner.control(&format!("RELEASE wasmigrate_{}", savepoint.0))
    }

    fn open_savepoints(&self) -> usize {
        self.inner.savepoints.len()
    }

    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>> {
        Ok(self.inner.changes.by_table())
    }

    async fn deeds(&mut self) -> Result<BTreeSet<Deed>> {
        Ok(self.inner.guard.deeds())
    }
}
