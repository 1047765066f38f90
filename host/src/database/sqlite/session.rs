//! One connection to a SQLite file, and the transaction on it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use send_wrapper::SendWrapper;

use super::super::content::text;
use super::super::{
    Access, Authority, Batch, Cell, Column, CommitPermit, Content, CursorId, Deed, Durability,
    Error, Form, Introspection, Kind, Listener, Moved, NamedTable, Rehearsing, Result, SavepointId,
    Script, ScriptError, SequenceState, Server, Session, Shape, Statements, Stop, TableName, Trait,
    Transactions, Value, expect_columns, quote,
};
use super::capabilities::CAPABILITIES;
use super::content;
use super::foreign_keys;
use super::guard::Touched;
use super::open_file::{Failed, OpenCursor, OpenFile};
use super::parameters::refuse_nan;
use super::pragmas;
use super::reserved;
use super::schema;
use super::transform::SqliteTransforming;
use super::{Sqlite, disk, retry_busy};
use super::{shape, traits};

/// A session on a SQLite file. It must stay on its thread, and panics on any other: rusqlite's handles are not to be
/// shared, and the thread of a run is where all of its work is done.
pub(super) struct SqliteSession {
    server: Server,
    pub(super) inner: SendWrapper<OpenFile>,
}

impl SqliteSession {
    pub(super) fn open(database: Sqlite, access: Access, stop: &Stop) -> Result<Self> {
        Ok(Self {
            server: Server {
                kind: Kind::Sqlite,
                capabilities: CAPABILITIES,
                transforming: &SqliteTransforming,
                version: rusqlite::version().to_owned(),
                is_superuser: false,
            },
            inner: SendWrapper::new(OpenFile::new(database, access, stop)?),
        })
    }
}

#[async_trait]
impl Transactions for SqliteSession {
    async fn reconnect(&mut self) -> Result<()> {
        // A file does not go away.
        Ok(())
    }

    async fn begin(&mut self, durability: Durability) -> Result<()> {
        if let Some(room) = self.inner.room() {
            tokio::time::sleep(room).await;
        }
        self.inner.begin(durability)
    }

    async fn begin_read(&mut self) -> Result<()> {
        let inner = &mut *self.inner;
        inner.control("BEGIN DEFERRED")?;
        // The first look takes the lock, which a commit outside of WAL mode, or the last close in it, holds up.
        let wait = inner.database.limits.lock_wait;
        retry_busy(&inner.database.path, &inner.stop, wait, || {
            foreign_keys::schema_version(&inner.connection)
        })
        .map(|_| ())
        .map_err(|error| inner.explain(error))
    }

    async fn begin_without_transaction(&mut self) -> Result<()> {
        let inner = &mut *self.inner;
        inner.end_open_work();
        inner.touched = Touched::default();
        inner.is_outside = true;
        Ok(())
    }

    async fn enter_schema(&mut self, _schema: Option<&str>) -> Result<()> {
        let inner = &mut *self.inner;
        if !inner.is_outside {
            inner.require_transaction(Authority::Step)?;
        }
        inner.end_open_work();
        Ok(())
    }

    async fn verify(&mut self) -> Result<()> {
        let inner = &mut *self.inner;
        if inner.is_outside {
            // Nothing runs there that changes a row.
            return Ok(());
        }
        inner.put_back();
        inner.require_transaction(Authority::Step)?;
        if inner.is_verified {
            return Ok(());
        }
        inner.note_touched();
        inner.guard.act_for(Authority::Host);
        // The check may take long on large tables.
        inner.guard.allow_interruption();
        let database = inner.database.clone();
        let stop = inner.stop.clone();
        let before = || super::connect(&database.path, Access::Read, &stop, &database.limits);
        let (connection, touched) = (&inner.connection, &inner.touched);
        let left = reserved::check(connection, before, touched)
            .and_then(|()| inner.foreign_keys.check(connection, before, touched))
            .map_err(|error| disk::explain(&inner.database.path, error))?;
        inner.tell_orphans(left);
        inner.is_verified = true;
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    async fn commit(&mut self, _permit: CommitPermit) -> Result<()> {
        let inner = &mut *self.inner;
        inner.end_open_work();
        inner.require_transaction(Authority::Step)?;
        inner.demand_same_file()?;
        inner.control("COMMIT")?;
        inner.has_ended();
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        let inner = &mut *self.inner;
        inner.end_open_work();
        inner.is_outside = false;
        inner.foreign_keys.forget();
        if inner.in_transaction() {
            inner.control("ROLLBACK")?;
        }
        inner.has_ended();
        Ok(())
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
        inner.is_verified = false;
        inner.control(&format!("ROLLBACK TO wasmigrate_{}", savepoint.0))?;
        inner.control(&format!("RELEASE wasmigrate_{}", savepoint.0))
    }

    fn open_savepoints(&self) -> usize {
        self.inner.savepoints.len()
    }
}

#[async_trait]
impl Statements for SqliteSession {
    async fn execute(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<u64> {
        self.inner.change(authority, statement, |prepared| {
            let expected = prepared.parameters.expect(parameters.len());
            expected.map_err(Failed::Refused)?;
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
        rows: u64,
        otherwise: Error,
    ) -> Result<()> {
        let session: &mut dyn Session = self;
        match session.rows(statement, parameters).await?.len() as u64 == rows {
            true => Ok(()),
            false => Err(otherwise),
        }
    }

    async fn execute_many(&mut self, statement: &str, parameters: &Batch) -> Result<u64> {
        self.inner.change(Authority::Step, statement, |prepared| {
            let expected = prepared.parameters.expect_rows(parameters);
            expected.map_err(Failed::Refused)?;
            for row in 0..parameters.row_count {
                prepared.bind(parameters.columns.iter().map(|column| column.cell(row)))?;
                prepared.run()?;
            }
            Ok(())
        })
    }

    async fn execute_each(&mut self, statement: &str, parameters: &Batch) -> Result<Vec<usize>> {
        let connection = Rc::clone(&self.inner.connection);
        let mut without = Vec::new();
        self.inner.change(Authority::Step, statement, |prepared| {
            let expected = prepared.parameters.expect_rows(parameters);
            expected.map_err(Failed::Refused)?;
            for row in 0..parameters.row_count {
                prepared.bind(parameters.columns.iter().map(|column| column.cell(row)))?;
                prepared.run()?;
                if connection.changes() == 0 {
                    without.push(row);
                }
            }
            Ok(())
        })?;
        Ok(without)
    }

    async fn load(&mut self, table: &str, columns: &[String], rows: &Batch) -> Result<u64> {
        expect_columns(columns, rows)?;
        refuse_nan(rows, columns)?;
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

    async fn execute_scripts(
        &mut self,
        scripts: &[Script<'_>],
        progress: &mut (dyn for<'a> FnMut(usize, usize) + Send),
    ) -> std::result::Result<(), (usize, ScriptError)> {
        let session: &mut dyn Session = self;
        session.execute_each_script(scripts, progress).await
    }

    async fn query(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<CursorId> {
        let inner = &mut *self.inner;
        let (sql, prepared) = inner.prepare(authority, statement)?;
        prepared.parameters.expect(parameters.len())?;
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

    async fn read(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Batch> {
        let session: &mut dyn Session = self;
        session
            .read_from_cursor(authority, statement, parameters, max_rows, max_bytes)
            .await
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

    fn listen(&mut self, listener: Option<Arc<dyn Listener>>) {
        // SQLite says nothing besides results; the host does.
        self.inner.listener = listener;
    }
}

#[async_trait]
impl Introspection for SqliteSession {
    fn server(&self) -> &Server {
        &self.server
    }

    fn journal_schema(&self) -> Option<&str> {
        // A temporary table of the same name would come first.
        Some("main")
    }

    fn own_schema(&self) -> Option<&str> {
        Some("main")
    }

    async fn has_journal_table(&mut self, name: &str) -> Result<bool> {
        let query = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = $1";
        let session: &mut dyn Session = self;
        Ok(!session.rows(query, &[name.into()]).await?.is_empty())
    }

    async fn make_journal_schema(&mut self) -> Result<()> {
        Ok(())
    }

    async fn mark_journal(&mut self) -> Result<()> {
        Ok(())
    }

    async fn check_readable(&mut self, _table: TableName<'_>) -> Result<()> {
        // There is one owner of all that is in a file, and a table runs nothing when it is read.
        Ok(())
    }

    async fn move_journal(&mut self) -> Result<Option<Moved>> {
        Ok(None)
    }

    async fn journal_catalog(&mut self) -> Result<String> {
        let query = "SELECT coalesce(group_concat(sql, ';'), '') FROM (
                         SELECT sql FROM main.sqlite_master WHERE tbl_name LIKE 'wasmigrate\\_%' ESCAPE '\\' ORDER BY name
                     )";
        let session: &mut dyn Session = self;
        let rows = session.rows(query, &[]).await?;
        Ok(rows.first().map(|row| text(row, 0)).unwrap_or_default())
    }

    async fn other_journals(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn tables_named(&mut self, names: &[&str]) -> Result<Vec<NamedTable>> {
        let mut tables = Vec::new();
        for name in names {
            let table = TableName { schema: None, name };
            tables.extend(self.column_names(table).await?.map(|columns| NamedTable {
                schema: None,
                name: (*name).to_owned(),
                columns,
                is_readable: true,
            }));
        }
        Ok(tables)
    }

    async fn column_names(&mut self, table: TableName<'_>) -> Result<Option<Vec<String>>> {
        // There is one schema.
        let rows = pragmas::ask(self, "table_info", table.name).await?;
        let names: Vec<String> = rows.iter().map(|row| text(row, 1).to_lowercase()).collect();
        Ok(Some(names).filter(|names| !names.is_empty()))
    }

    async fn schema_lines(
        &mut self,
        authority: Authority,
        _form: Form,
    ) -> Result<Vec<(String, String)>> {
        schema::lines(self, authority).await
    }

    async fn schema_digests(
        &mut self,
        _schemas: &[String],
        _form: Form,
    ) -> Result<Vec<[String; 3]>> {
        Ok(Vec::new())
    }

    async fn invalid_indexes(&mut self) -> Result<Vec<String>> {
        // An index is made whole or not at all.
        Ok(Vec::new())
    }
}

#[async_trait]
impl Rehearsing for SqliteSession {
    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>> {
        Ok(self.inner.changes.by_table())
    }

    async fn deeds(&mut self) -> Result<BTreeSet<Deed>> {
        Ok(self.inner.guard.deeds())
    }

    async fn content_without_rows(&mut self) -> Result<Content> {
        content::schema(self).await
    }

    fn table_name(&self, name: &str) -> String {
        quote(name)
    }

    async fn shapes(&mut self) -> Result<BTreeMap<String, Shape>> {
        shape::shapes(self).await
    }

    async fn traits(&mut self) -> Result<Vec<Trait>> {
        traits::traits(self).await
    }

    async fn sequences(&mut self) -> Result<Vec<SequenceState>> {
        Ok(Vec::new())
    }

    async fn set_sequences(&mut self, _states: &[SequenceState]) -> Result<()> {
        Ok(())
    }

    /// The next key is one more than the largest that is there.
    async fn count_from_rows(&mut self, _table: &str, _column: &str) -> Result<()> {
        Ok(())
    }

    async fn reverse_stored_rows(&mut self) -> Result<()> {
        Ok(())
    }

    async fn held_locks(&mut self) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }
}
