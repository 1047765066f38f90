//! The transaction of a session on a PostgreSQL server, and the statements in it.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::{
    Authority, Batch, Cell, Column, CommitPermit, CursorId, Durability, Error, Listener, Result,
    SavepointId, Script, ScriptError, Statements, Transactions, Value,
};
use super::guard::{self, Host};
use super::pipeline::{Answer, Asked, Request};
use super::results::Portion;
use super::state::{Names, PostgresSession};

/// How many rows of a batch are sent before their answers are read.
const ROWS_AT_ONCE: usize = 10_000;

#[async_trait]
impl Transactions for PostgresSession {
    async fn reconnect(&mut self) -> Result<()> {
        match self.connection {
            Some(_) => Ok(()),
            None => self.connect_again(),
        }
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

    async fn enter_schema(&mut self, schema: Option<&str>) -> Result<()> {
        self.enter_fresh(schema)
    }

    async fn verify(&mut self) -> Result<()> {
        self.look_for_tampering()
    }

    async fn settle(&mut self) -> Result<()> {
        match self.pipeline.is_empty() {
            true => Ok(()),
            false => self.settle_quietly(Authority::Step),
        }
    }

    async fn commit(&mut self, _permit: CommitPermit) -> Result<()> {
        self.commit_transaction()
    }

    async fn rollback(&mut self) -> Result<()> {
        self.roll_back()
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
            // What was set since is undone, too.
            transaction.is_verified = false;
            transaction.names = Names::Step;
        }
        Ok(())
    }

    fn open_savepoints(&self) -> usize {
        self.savepoints.len()
    }
}

impl PostgresSession {
    /// Runs one statement of a step once for each row of the batch; `on` is called with the place of the row and with how many
    /// rows were changed for it.
    fn run_each(
        &mut self,
        statement: &str,
        parameters: &Batch,
        on: &mut dyn FnMut(usize, u64),
    ) -> Result<()> {
        guard::check(statement, self.rules(), self.host())?;
        self.set_lock_timeout_for(statement)?;
        if parameters.row_count == 0 {
            return self.expect_parameters(statement, parameters.columns.len());
        }
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
            let mut row = first;
            self.settle_counting(Authority::Step, &mut |_, answer| {
                if let Answer::Done(changed) = answer {
                    on(row, changed);
                    row += 1;
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
        Ok(())
    }
}

#[async_trait]
impl Statements for PostgresSession {
    async fn execute(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<u64> {
        self.admit(authority, statement)?;
        self.run(authority, statement, parameters.iter().map(Cell::from))
    }

    async fn execute_later(&mut self, statement: &str, parameters: &[Value]) -> Result<()> {
        self.ask_as_host(Asked::Quiet, statement, parameters.iter().map(Cell::from))
    }

    async fn require(
        &mut self,
        statement: &str,
        parameters: &[Value],
        rows: u64,
        otherwise: Error,
    ) -> Result<()> {
        let statement = format!(
            "WITH required AS ({}) SELECT 1 / CASE WHEN pg_catalog.count(*) = ${} THEN 1 ELSE 0 END FROM required",
            statement,
            parameters.len() + 1
        );
        let rows = Cell::Integer(i64::try_from(rows).unwrap_or(i64::MAX));
        self.ask_as_host(
            Asked::Required(Box::new(otherwise)),
            &statement,
            parameters.iter().map(Cell::from).chain([rows]),
        )
    }

    async fn execute_many(&mut self, statement: &str, parameters: &Batch) -> Result<u64> {
        let mut changed = 0;
        self.run_each(statement, parameters, &mut |_, rows| changed += rows)?;
        Ok(changed)
    }

    async fn execute_each(&mut self, statement: &str, parameters: &Batch) -> Result<Vec<usize>> {
        let mut without = Vec::new();
        self.run_each(statement, parameters, &mut |row, changed| {
            if changed == 0 {
                without.push(row);
            }
        })?;
        Ok(without)
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
        self.admit(authority, statement)?;
        self.open_cursor(authority, statement, parameters, Portion::FIRST)
    }

    async fn read(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Batch> {
        self.admit(authority, statement)?;
        let portion = Portion {
            most_rows: max_rows,
            most_bytes: max_bytes,
        };
        let cursor = self.open_cursor(authority, statement, parameters, portion)?;
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

    fn listen(&mut self, listener: Option<Arc<dyn Listener>>) {
        self.pipeline.listener = listener;
    }
}

impl PostgresSession {
    /// What a step's statements must leave alone.
    pub(super) fn host(&self) -> Host<'_> {
        Host {
            journal: self.target.home.apart(),
            user: &self.database.0.address.user,
        }
    }

    /// Lets a statement run that may: a step's is looked at first.
    fn admit(&mut self, authority: Authority, statement: &str) -> Result<()> {
        if authority != Authority::Step {
            return Ok(());
        }
        guard::check(statement, self.rules(), self.host())?;
        self.set_lock_timeout_for(statement)
    }
}
