//! A session that stands before another one: it numbers calls and commits, makes batches smaller, and loses its transaction
//! when the host dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::injection::{Injection, dead};
use super::points::{FETCH, Point, named};
use crate::database::{
    Access, Authority, Batch, Column, CommitPermit, Content, CursorId, Deed, Durability, Error,
    Form, Introspection, Listener, Moved, NamedTable, Rehearsing, Result, SavepointId, Script,
    ScriptError, SequenceState, Server, Session, Shape, Statements, StrangeSchema, TableName,
    Trait, Transactions, Value,
};

/// The session of a [`super::injector::FaultInjector`].
pub(super) struct InjectedSession {
    server: Server,
    /// None once the host is dead.
    pub(super) inner: Option<Box<dyn Session>>,
    access: Access,
    /// Whether statements commit by themselves.
    is_outside: bool,
    /// The open results of the step.
    cursors: BTreeSet<CursorId>,
    injection: Arc<Injection>,
}

impl InjectedSession {
    pub(super) fn new(inner: Box<dyn Session>, access: Access, injection: Arc<Injection>) -> Self {
        Self {
            server: inner.server().clone(),
            inner: Some(inner),
            access,
            is_outside: false,
            cursors: BTreeSet::new(),
            injection,
        }
    }

    pub(super) fn inner(&mut self) -> Result<&mut Box<dyn Session>> {
        if self.injection.state().is_dead {
            self.inner = None;
        }
        self.inner.as_mut().ok_or_else(dead)
    }

    /// Numbers something that was done.
    fn note(&mut self, point: Point) {
        self.injection.note(point);
        if self.injection.state().is_dead {
            // The transaction is lost.
            self.inner = None;
        }
    }

    /// A statement of the step, which commits by itself outside a transaction.
    fn statement(&self, statement: &str) -> Point {
        Point {
            is_commit: self.is_outside,
            ..Point::call(named(statement))
        }
    }

    /// Lets the transaction be looked at.
    async fn probe(&mut self) {
        if let Some(probe) = self.injection.plan.probe.clone()
            && let Some(inner) = &mut self.inner
        {
            probe.after_a_call(&mut **inner).await;
        }
    }

    /// Remembers where sequences stand in what is about to be committed, where numbers that were given are not taken back.
    async fn note_sequences(&mut self) -> Option<Vec<SequenceState>> {
        let is_needed = self.server.capabilities.keeps_sequences_on_rollback
            && self.injection.plan.death.is_some();
        match is_needed {
            true => self.inner.as_mut()?.sequences().await.ok(),
            false => None,
        }
    }
}

#[async_trait]
impl Transactions for InjectedSession {
    async fn reconnect(&mut self) -> Result<()> {
        self.inner()?.reconnect().await
    }

    async fn begin(&mut self, _durability: Durability) -> Result<()> {
        self.is_outside = false;
        // Nobody needs a throw-away database after a crash of the machine.
        self.inner()?.begin(Durability::Deferred).await
    }

    async fn begin_read(&mut self) -> Result<()> {
        self.inner()?.begin_read().await
    }

    async fn begin_without_transaction(&mut self) -> Result<()> {
        self.inner()?.begin_without_transaction().await?;
        self.is_outside = true;
        self.injection.state().seen.sequences = None;
        Ok(())
    }

    async fn enter_schema(&mut self, schema: Option<&str>) -> Result<()> {
        self.inner()?.enter_schema(schema).await
    }

    async fn verify(&mut self) -> Result<()> {
        self.inner()?.verify().await
    }

    async fn settle(&mut self) -> Result<()> {
        self.inner()?.settle().await
    }

    async fn commit(&mut self, permit: CommitPermit) -> Result<()> {
        self.inner()?;
        let sequences = self.note_sequences().await;
        if self.injection.plan.learns_deeds
            && let Ok(deeds) = self.inner()?.deeds().await
        {
            self.injection.state().seen.deeds.extend(deeds);
        }
        self.inner()?.commit(permit).await?;
        if self.access == Access::Write {
            self.injection.state().seen.sequences = sequences;
            self.note(Point::commit());
        }
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        self.is_outside = false;
        self.inner()?.rollback().await
    }

    async fn savepoint(&mut self) -> Result<SavepointId> {
        let savepoint = self.inner()?.savepoint().await?;
        self.note(Point::call("opening a savepoint"));
        Ok(savepoint)
    }

    async fn release(&mut self, savepoint: SavepointId) -> Result<()> {
        self.inner()?.release(savepoint).await?;
        self.note(Point::call("releasing a savepoint"));
        Ok(())
    }

    async fn roll_back_to(&mut self, savepoint: SavepointId) -> Result<()> {
        self.inner()?.roll_back_to(savepoint).await?;
        self.note(Point::call("rolling back to a savepoint"));
        Ok(())
    }

    fn open_savepoints(&self) -> usize {
        self.inner
            .as_ref()
            .map_or(0, |inner| inner.open_savepoints())
    }
}

#[async_trait]
impl Statements for InjectedSession {
    async fn execute(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<u64> {
        let done = self
            .inner()?
            .execute(authority, statement, parameters)
            .await?;
        if authority == Authority::Step {
            self.injection.hear(statement);
            self.note(self.statement(statement));
            self.probe().await;
        }
        Ok(done)
    }

    async fn execute_later(&mut self, statement: &str, parameters: &[Value]) -> Result<()> {
        self.inner()?.execute_later(statement, parameters).await
    }

    async fn require(
        &mut self,
        statement: &str,
        parameters: &[Value],
        rows: u64,
        otherwise: Error,
    ) -> Result<()> {
        self.inner()?
            .require(statement, parameters, rows, otherwise)
            .await
    }

    async fn execute_many(&mut self, statement: &str, parameters: &Batch) -> Result<u64> {
        let done = self.inner()?.execute_many(statement, parameters).await?;
        self.injection.hear(statement);
        self.injection.count(parameters);
        self.note(self.statement(statement));
        self.probe().await;
        Ok(done)
    }

    async fn execute_each(&mut self, statement: &str, parameters: &Batch) -> Result<Vec<usize>> {
        let done = self.inner()?.execute_each(statement, parameters).await?;
        self.injection.hear(statement);
        self.injection.count(parameters);
        self.note(self.statement(statement));
        self.probe().await;
        Ok(done)
    }

    async fn load(&mut self, table: &str, columns: &[String], rows: &Batch) -> Result<u64> {
        let done = self.inner()?.load(table, columns, rows).await?;
        self.injection.count(rows);
        self.note(Point::call(format!(
            "loading {} rows into {table}",
            rows.row_count
        )));
        self.probe().await;
        Ok(done)
    }

    async fn execute_script(
        &mut self,
        script: &str,
        progress: &mut (dyn for<'a> FnMut(usize) + Send),
    ) -> std::result::Result<u64, ScriptError> {
        let failed = |error| ScriptError {
            line: 1,
            statement: String::new(),
            error,
        };
        let before = self.injection.state().seen.points.len();
        // The part of the script that is run before the host dies in it.
        let dies_at = match &self.injection.plan.death {
            Some((_, point)) => match point.script {
                Some((start, end)) if start == before => Some(end),
                _ => None,
            },
            None => None,
        };
        let run = dies_at.and_then(|end| script.get(..end)).unwrap_or(script);
        let mut ends = Vec::new();
        let done = self
            .inner()
            .map_err(failed)?
            .execute_script(run, &mut |end| {
                progress(end);
                ends.push(end);
            })
            .await?;
        self.injection.hear(script);
        let mut start = 0;
        ends.dedup();
        for end in ends {
            let statement = script.get(start..end).unwrap_or_default();
            // The rest after the last statement is told, too.
            if !statement.trim().is_empty() {
                self.injection.note(Point {
                    what: named(statement),
                    is_commit: self.is_outside,
                    script: Some((before, end)),
                });
            }
            start = end;
        }
        if self.injection.state().is_dead {
            self.inner = None;
        }
        Ok(done)
    }

    async fn execute_scripts(
        &mut self,
        scripts: &[Script<'_>],
        progress: &mut (dyn for<'a> FnMut(usize, usize) + Send),
    ) -> std::result::Result<(), (usize, ScriptError)> {
        // One at a time: the host can die after each of their statements.
        let session: &mut dyn Session = self;
        session.execute_each_script(scripts, progress).await
    }

    async fn query(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<CursorId> {
        let cursor = self
            .inner()?
            .query(authority, statement, parameters)
            .await?;
        if authority == Authority::Step {
            self.cursors.insert(cursor);
            self.note(Point::call(named(statement)));
        }
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
        // The query and its rows are numbered like those of any other cursor.
        let session: &mut dyn Session = self;
        session
            .read_from_cursor(authority, statement, parameters, max_rows, max_bytes)
            .await
    }

    fn columns(&self, cursor: CursorId) -> Result<Arc<[Column]>> {
        self.inner.as_ref().ok_or_else(dead)?.columns(cursor)
    }

    async fn fetch(
        &mut self,
        cursor: CursorId,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Batch> {
        if !self.cursors.contains(&cursor) {
            return self.inner()?.fetch(cursor, max_rows, max_bytes).await;
        }
        let most = self
            .injection
            .plan
            .most_rows
            .map_or(max_rows, |most| most.min(max_rows));
        let batch = self.inner()?.fetch(cursor, most, max_bytes).await?;
        self.injection.count(&batch);
        self.note(Point::call(FETCH));
        Ok(batch)
    }

    async fn close(&mut self, cursor: CursorId) {
        if let Ok(inner) = self.inner() {
            inner.close(cursor).await;
        }
    }

    fn open_cursors(&self) -> usize {
        self.inner.as_ref().map_or(0, |inner| inner.open_cursors())
    }

    fn listen(&mut self, listener: Option<Arc<dyn Listener>>) {
        if let Ok(inner) = self.inner() {
            inner.listen(listener);
        }
    }
}

#[async_trait]
impl Introspection for InjectedSession {
    fn server(&self) -> &Server {
        &self.server
    }

    fn journal_schema(&self) -> Option<&str> {
        self.inner.as_ref()?.journal_schema()
    }

    async fn has_journal_table(&mut self, name: &str) -> Result<bool> {
        self.inner()?.has_journal_table(name).await
    }

    async fn make_journal_schema(&mut self) -> Result<()> {
        self.inner()?.make_journal_schema().await
    }

    async fn mark_journal(&mut self) -> Result<()> {
        self.inner()?.mark_journal().await
    }

    async fn move_journal(&mut self) -> Result<Option<Moved>> {
        self.inner()?.move_journal().await
    }

    async fn journal_catalog(&mut self) -> Result<String> {
        self.inner()?.journal_catalog().await
    }

    async fn strange_schemas(&mut self, schemas: &[&str]) -> Result<Vec<StrangeSchema>> {
        self.inner()?.strange_schemas(schemas).await
    }

    async fn other_journals(&mut self) -> Result<Vec<String>> {
        self.inner()?.other_journals().await
    }

    async fn tables_named(&mut self, names: &[&str]) -> Result<Vec<NamedTable>> {
        self.inner()?.tables_named(names).await
    }

    async fn column_names(&mut self, table: TableName<'_>) -> Result<Option<Vec<String>>> {
        self.inner()?.column_names(table).await
    }

    async fn check_readable(&mut self, table: TableName<'_>) -> Result<()> {
        self.inner()?.check_readable(table).await
    }

    fn own_schema(&self) -> Option<&str> {
        self.inner.as_ref().and_then(|inner| inner.own_schema())
    }

    async fn schema_lines(
        &mut self,
        authority: Authority,
        form: Form,
    ) -> Result<Vec<(String, String)>> {
        self.inner()?.schema_lines(authority, form).await
    }

    async fn schema_digests(&mut self, schemas: &[String], form: Form) -> Result<Vec<[String; 3]>> {
        self.inner()?.schema_digests(schemas, form).await
    }

    async fn invalid_indexes(&mut self) -> Result<Vec<String>> {
        self.inner()?.invalid_indexes().await
    }
}

#[async_trait]
impl Rehearsing for InjectedSession {
    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>> {
        if let Some(probe) = self.injection.plan.probe.clone() {
            probe.at_the_end(&mut **self.inner()?).await;
        }
        self.inner()?.rows_changed().await
    }

    async fn deeds(&mut self) -> Result<BTreeSet<Deed>> {
        self.inner()?.deeds().await
    }

    async fn content_without_rows(&mut self) -> Result<Content> {
        self.inner()?.content_without_rows().await
    }

    fn table_name(&self, name: &str) -> String {
        self.inner
            .as_ref()
            .map_or_else(String::new, |inner| inner.table_name(name))
    }

    async fn shapes(&mut self) -> Result<BTreeMap<String, Shape>> {
        self.inner()?.shapes().await
    }

    async fn traits(&mut self) -> Result<Vec<Trait>> {
        self.inner()?.traits().await
    }

    async fn hold_to_read(&mut self, tables: &[&str]) -> Result<BTreeSet<String>> {
        self.inner()?.hold_to_read(tables).await
    }

    async fn sequences(&mut self) -> Result<Vec<SequenceState>> {
        self.inner()?.sequences().await
    }

    async fn set_sequences(&mut self, states: &[SequenceState]) -> Result<()> {
        self.inner()?.set_sequences(states).await
    }

    async fn reverse_stored_rows(&mut self) -> Result<()> {
        self.inner()?.reverse_stored_rows().await
    }

    async fn held_locks(&mut self) -> Result<Vec<(String, String)>> {
        self.inner()?.held_locks().await
    }

    async fn count_from_rows(&mut self, table: &str, column: &str) -> Result<()> {
        self.inner()?.count_from_rows(table, column).await
    }
}
