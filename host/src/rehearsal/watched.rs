//! A database as it is, but watched: calls of the step and commits are numbered, batches can be made smaller, and the
//! host can die behind any of them.
//!
//! A host that is dead says nothing any more: its session is dropped with its open transaction, and every later call
//! fails before it reaches the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::database::{
    Access, Advice, Authority, Batch, Capabilities, Column, ColumnValues, Coordination, CursorId,
    Database, Deed, Durability, Error, ErrorKind, Introspection, Kind, Listener, Rehearsing,
    Result, SavepointId, Script, ScriptError, Server, Session, Statements, Stop, TableName,
    Transactions, Value,
};

/// How much of a statement is kept to name a call.
const NAME_BYTES: usize = 100;

/// Something behind which a host can die.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// What was called, in words.
    pub(super) what: String,
    /// Whether it was a commit.
    pub(super) is_commit: bool,
    /// For a statement of a script: how many points came before the script, and how far it reaches into it, in bytes.
    script: Option<(usize, usize)>,
}

impl Point {
    /// A commit of the host's.
    pub(super) fn commit() -> Self {
        Self {
            what: "a commit".to_owned(),
            is_commit: true,
            script: None,
        }
    }

    /// A call of the step.
    pub(super) fn call(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            is_commit: false,
            script: None,
        }
    }

    /// The same in a run that begins behind so many points.
    pub(super) fn behind(&self, first: usize) -> Self {
        let script = self
            .script
            .map(|(start, end)| (start.saturating_sub(first), end));
        Self {
            script,
            ..self.clone()
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Every point, in order.
    pub(super) points: Vec<Point>,
    /// Rows that went to the step, and that came from it.
    pub(super) rows: u64,
    /// Their bytes, about.
    pub(super) bytes: u64,
    /// What it did to tables.
    pub(super) deeds: BTreeSet<Deed>,
    /// Where PostgreSQL's sequences stood at the last commit: it never takes a number back.
    pub(super) sequences: Option<Vec<SequenceState>>,
}

/// Where a sequence of PostgreSQL stands: its full name in quotes, and its last number.
#[derive(Clone, Debug)]
pub(super) struct SequenceState {
    pub(super) name: String,
    pub(super) last: Option<i64>,
    pub(super) start: i64,
}

/// Looks at the open transaction while a step works in it.
#[async_trait]
pub(super) trait Probe: Send + Sync {
    /// Looks behind a call of the step.
    async fn behind_a_call(&self, session: &mut dyn Session);

    /// Looks when all is done and nothing is rolled back yet.
    async fn at_the_end(&self, session: &mut dyn Session);
}

/// How a database is watched.
#[derive(Clone, Default)]
pub(super) struct Manner {
    /// The number of the point behind which the host dies, and that point.
    pub(super) death: Option<(usize, Point)>,
    /// The most rows of a batch, below what the step asks for.
    pub(super) most_rows: Option<usize>,
    /// Whether to learn what is done to tables.
    pub(super) learns_deeds: bool,
    /// Who looks at the transaction, when somebody does.
    pub(super) probe: Option<Arc<dyn Probe>>,
}

/// A database that is watched.
pub(super) struct Watched {
    inner: Arc<dyn Database>,
    watch: Arc<Watch>,
}

struct Watch {
    manner: Manner,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: Seen,
    is_dead: bool,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn Database>, manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            inner,
            watch: Arc::new(Watch {
                manner,
                state: Mutex::default(),
            }),
        })
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> Seen {
        self.watch.state().seen.clone()
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, point: Point) {
        let mut state = self.state();
        state.seen.points.push(point);
        let number = state.seen.points.len();
        state.is_dead |= self
            .manner
            .death
            .as_ref()
            .is_some_and(|(death, _)| *death == number);
    }

    fn count(&self, batch: &Batch) {
        let mut state = self.state();
        state.seen.rows += batch.row_count as u64;
        state.seen.bytes += bytes(batch);
    }
}

#[async_trait]
impl Database for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn kind(&self) -> Kind {
        self.inner.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn tenant(&self, name: &str) -> Option<Arc<dyn Database>> {
        let inner = self.inner.tenant(name)?;
        Some(Arc::new(Self {
            inner,
            watch: Arc::clone(&self.watch),
        }))
    }

    fn advise(&self, script: &str, is_finalize: bool, made: &mut BTreeSet<String>) -> Vec<Advice> {
        self.inner.advise(script, is_finalize, made)
    }

    async fn open(&self, access: Access, stop: &Stop) -> Result<Box<dyn Session>> {
        if self.watch.state().is_dead {
            return Err(dead());
        }
        let inner = self.inner.open(access, stop).await?;
        Ok(Box::new(WatchedSession {
            server: inner.server().clone(),
            inner: Some(inner),
            access,
            is_outside: false,
            cursors: BTreeSet::new(),
            watch: Arc::clone(&self.watch),
        }))
    }
}

struct WatchedSession {
    server: Server,
    /// None once the host is dead.
    inner: Option<Box<dyn Session>>,
    access: Access,
    /// Whether statements commit by themselves.
    is_outside: bool,
    /// The open results of the step.
    cursors: BTreeSet<CursorId>,
    watch: Arc<Watch>,
}

impl WatchedSession {
    fn inner(&mut self) -> Result<&mut Box<dyn Session>> {
        if self.watch.state().is_dead {
            self.inner = None;
        }
        self.inner.as_mut().ok_or_else(dead)
    }

    /// Numbers something that was done.
    fn note(&mut self, point: Point) {
        self.watch.note(point);
        if self.watch.state().is_dead {
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
        if let Some(probe) = self.watch.manner.probe.clone()
            && let Some(inner) = &mut self.inner
        {
            probe.behind_a_call(&mut **inner).await;
        }
    }

    /// Remembers where PostgreSQL's sequences stand in what is about to be committed.
    async fn note_sequences(&mut self) -> Option<Vec<SequenceState>> {
        if self.server.kind != Kind::Postgres || self.watch.manner.death.is_none() {
            return None;
        }
        sequences(&mut **self.inner.as_mut()?).await.ok()
    }
}

/// Where PostgreSQL's sequences stand.
pub(super) async fn sequences(session: &mut dyn Session) -> Result<Vec<SequenceState>> {
    let query =
        "SELECT pg_catalog.format('%I.%I', schemaname, sequencename), last_value, start_value
                 FROM pg_catalog.pg_sequences ORDER BY 1";
    let rows = session.rows(query, &[]).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let [name, last, start] = <[Value; 3]>::try_from(row).ok()?;
            Some(SequenceState {
                name: name.as_text()?.to_owned(),
                last: last.as_integer(),
                start: start.as_integer()?,
            })
        })
        .collect())
}

/// A statement as a name.
fn named(statement: &str) -> String {
    let mut name = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.len() > NAME_BYTES {
        name.truncate(name.floor_char_boundary(NAME_BYTES));
        name.push('…');
    }
    format!("`{name}`")
}

fn dead() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the host is dead: it was cut off here",
    )
}

/// About how many bytes the cells of a batch have.
fn bytes(batch: &Batch) -> u64 {
    let cells = |values: &ColumnValues| match values {
        ColumnValues::Booleans(cells) => cells.len(),
        ColumnValues::Integers(cells) => cells.len() * 8,
        ColumnValues::Floats(cells) => cells.len() * 8,
        ColumnValues::Texts { data, .. } => data.len(),
        ColumnValues::Bytes { data, .. } => data.len(),
        ColumnValues::Mixed(cells) => cells.iter().map(Value::size).sum(),
    };
    batch
        .columns
        .iter()
        .map(|column| cells(&column.values) as u64)
        .sum()
}

#[async_trait]
impl Transactions for WatchedSession {
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
        self.watch.state().seen.sequences = None;
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

    async fn commit(&mut self) -> Result<()> {
        self.inner()?;
        let sequences = self.note_sequences().await;
        if self.watch.manner.learns_deeds
            && let Ok(deeds) = self.inner()?.deeds().await
        {
            self.watch.state().seen.deeds.extend(deeds);
        }
        self.inner()?.commit().await?;
        if self.access == Access::Write {
            self.watch.state().seen.sequences = sequences;
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
impl Statements for WatchedSession {
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
        self.watch.count(parameters);
        self.note(self.statement(statement));
        self.probe().await;
        Ok(done)
    }

    async fn execute_each(&mut self, statement: &str, parameters: &Batch) -> Result<Vec<usize>> {
        let done = self.inner()?.execute_each(statement, parameters).await?;
        self.watch.count(parameters);
        self.note(self.statement(statement));
        self.probe().await;
        Ok(done)
    }

    async fn load(&mut self, table: &str, columns: &[String], rows: &Batch) -> Result<u64> {
        let done = self.inner()?.load(table, columns, rows).await?;
        self.watch.count(rows);
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
        let before = self.watch.state().seen.points.len();
        // The part of the script that is run before the host dies in it.
        let dies_at = match &self.watch.manner.death {
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
        let mut start = 0;
        ends.dedup();
        for end in ends {
            let statement = script.get(start..end).unwrap_or_default();
            // The rest behind the last statement is told, too.
            if !statement.trim().is_empty() {
                self.watch.note(Point {
                    what: named(statement),
                    is_commit: self.is_outside,
                    script: Some((before, end)),
                });
            }
            start = end;
        }
        if self.watch.state().is_dead {
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
            .watch
            .manner
            .most_rows
            .map_or(max_rows, |most| most.min(max_rows));
        let batch = self.inner()?.fetch(cursor, most, max_bytes).await?;
        self.watch.count(&batch);
        self.note(Point::call("fetching rows"));
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
impl Coordination for WatchedSession {
    fn label(&mut self, run: i64) {
        if let Ok(inner) = self.inner() {
            inner.label(run);
        }
    }

    async fn lock_target(&mut self) -> Result<()> {
        self.inner()?.lock_target().await
    }

    fn label_part(&mut self, run: i64, part: u32) {
        if let Ok(inner) = self.inner() {
            inner.label_part(run, part);
        }
    }

    async fn end_others_of_part(&mut self, run: i64, part: u32) -> Result<bool> {
        self.inner()?.end_others_of_part(run, part).await
    }

    async fn end_others(&mut self, run: i64) -> Result<bool> {
        self.inner()?.end_others(run).await
    }

    async fn waiting_for_run(&mut self, run: i64) -> Result<u64> {
        self.inner()?.waiting_for_run(run).await
    }

    fn has_other_connections(&self) -> bool {
        self.inner
            .as_ref()
            .is_some_and(|inner| inner.has_other_connections())
    }

    async fn replication_lag(&mut self) -> Result<Option<Duration>> {
        self.inner()?.replication_lag().await
    }
}

#[async_trait]
impl Introspection for WatchedSession {
    fn server(&self) -> &Server {
        &self.server
    }

    fn journal_schema(&self) -> Option<&str> {
        self.inner.as_ref()?.journal_schema()
    }

    async fn has_journal_table(&mut self, name: &str) -> Result<bool> {
        self.inner()?.has_journal_table(name).await
    }

    async fn column_names(&mut self, table: TableName<'_>) -> Result<Option<Vec<String>>> {
        self.inner()?.column_names(table).await
    }

    fn schema_query(&self) -> String {
        self.inner
            .as_ref()
            .map_or_else(String::new, |inner| inner.schema_query())
    }

    async fn invalid_indexes(&mut self) -> Result<Vec<String>> {
        self.inner()?.invalid_indexes().await
    }
}

#[async_trait]
impl Rehearsing for WatchedSession {
    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>> {
        if let Some(probe) = self.watch.manner.probe.clone() {
            probe.at_the_end(&mut **self.inner()?).await;
        }
        self.inner()?.rows_changed().await
    }

    async fn deeds(&mut self) -> Result<BTreeSet<Deed>> {
        self.inner()?.deeds().await
    }
}
