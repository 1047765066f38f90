//! `wasmigrate:migration/database` for components.

use wasmtime::component::Resource;

use super::StepHost;
use super::bindings::wasmigrate::migration::{database as wit, types};
use super::convert;
use super::state::State;
use crate::database::{
    Authority, Column, CursorId, Error, Kind, Result, SavepointId, Session, Value,
};

/// A component's cursor.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Cursor {
    id: CursorId,
    columns: std::sync::Arc<[Column]>,
    statement: String,
}

/// A component's savepoint.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Savepoint {
    id: SavepointId,
}

/// The rows of a small result are fetched in portions of this many.
const PORTION: usize = 1_000;

fn limit_as_usize(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl<H: StepHost> wit::Host for State<H> {
    fn server(&mut self) -> wasmtime::Result<wit::Product> {
        let server = self.host.session().server();
        Ok(wit::Product {
            kind: match server.kind {
                Kind::Sqlite => wit::Kind::Sqlite,
                Kind::Postgres => wit::Kind::Postgres,
            },
            version: server.version.clone(),
        })
    }

    async fn execute(&mut self, statement: String, parameters: Vec<types::Value>) -> Result<u64> {
        let parameters = convert::values(parameters);
        let began = self.host.clock();
        let result = self
            .host
            .session()
            .execute(Authority::Step, &statement, &parameters)
            .await;
        self.timing(began, &statement, result)
    }

    async fn execute_many(&mut self, statement: String, parameters: types::Batch) -> Result<u64> {
        let parameters = self.noting(&statement, convert::batch(parameters))?;
        let began = self.host.clock();
        let result = self
            .host
            .session()
            .execute_many(&statement, &parameters)
            .await;
        self.timing(began, &statement, result)
    }

    async fn load(
        &mut self,
        table: String,
        columns: Vec<String>,
        rows: types::Batch,
    ) -> Result<u64> {
        let what = format!("load into {table}");
        let rows = self.noting(&what, convert::batch(rows))?;
        let began = self.host.clock();
        let result = self.host.session().load(&table, &columns, &rows).await;
        self.timing(began, &what, result)
    }

    async fn query_rows(
        &mut self,
        statement: String,
        parameters: Vec<types::Value>,
    ) -> Result<types::RowSet> {
        let parameters = convert::values(parameters);
        let (most_rows, most_bytes) = (self.limits.query_rows, self.limits.query_bytes);
        let began = self.host.clock();
        let session = self.host.session();
        let result = small_result(session, &statement, &parameters, most_rows, most_bytes).await;
        self.timing(began, &statement, result)
    }

    async fn query(
        &mut self,
        statement: String,
        parameters: Vec<types::Value>,
    ) -> Result<Resource<Cursor>> {
        let most = self.limits.cursors;
        let session = self.host.session();
        if session.open_cursors() >= limit_as_usize(most) {
            let error = Error::limit("limits.cursors", most, "too many cursors are open");
            return self.noting(&statement, Err(error));
        }
        let parameters = convert::values(parameters);
        let began = self.host.clock();
        let opened = self
            .host
            .session()
            .query(Authority::Step, &statement, &parameters)
            .await;
        let id = self.timing(began, &statement, opened)?;
        let columns = self.host.session().columns(id)?;
        let pushed = self.push(Cursor {
            id,
            columns,
            statement: statement.clone(),
        });
        if pushed.is_err() {
            self.host.session().close(id).await;
        }
        self.noting(&statement, pushed)
    }
}

async fn small_result(
    session: &mut dyn Session,
    statement: &str,
    parameters: &[Value],
    most_rows: u64,
    most_bytes: u64,
) -> Result<types::RowSet> {
    let cursor = session
        .query(Authority::Step, statement, parameters)
        .await?;
    let columns = convert::columns(&session.columns(cursor)?);
    let mut rows: Vec<Vec<types::Value>> = Vec::new();
    let mut bytes = 0;
    let mut failed = None;
    loop {
        match session
            .fetch(cursor, PORTION, limit_as_usize(most_bytes))
            .await
        {
            Ok(batch) if batch.row_count == 0 => break,
            Ok(batch) => {
                for row in batch.into_rows() {
                    bytes += row.iter().map(Value::size).sum::<usize>() as u64;
                    rows.push(row.into_iter().map(types::Value::from).collect());
                }
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        let what = "the result is too large for `query-rows`, use a cursor";
        if rows.len() as u64 > most_rows {
            failed = Some(Error::limit("limits.query_rows", most_rows, what));
            break;
        }
        if bytes > most_bytes {
            failed = Some(Error::limit("limits.query_bytes", most_bytes, what));
            break;
        }
    }
    session.close(cursor).await;
    match failed {
        Some(error) => Err(error),
        None => Ok(types::RowSet { columns, rows }),
    }
}

impl<H: StepHost> State<H> {
    fn push<T: Send + 'static>(&mut self, resource: T) -> Result<Resource<T>> {
        self.table.push(resource).map_err(|_| {
            Error::limit(
                "limits.handles",
                self.limits.handles,
                "the component holds too many handles",
            )
        })
    }
}

impl<H: StepHost> wit::HostCursor for State<H> {
    async fn columns(&mut self, cursor: Resource<Cursor>) -> wasmtime::Result<Vec<types::Column>> {
        Ok(convert::columns(&self.table.get(&cursor)?.columns))
    }

    async fn next(&mut self, cursor: Resource<Cursor>, max_rows: u32) -> Result<types::Batch> {
        let cursor = self
            .table
            .get(&cursor)
            .map_err(|_| Error::invalid_argument("the cursor is closed"))?;
        let id = cursor.id;
        let most_bytes = limit_as_usize(self.limits.query_bytes);
        let fetched = self
            .host
            .session()
            .fetch(id, max_rows as usize, most_bytes)
            .await;
        match fetched {
            Ok(batch) => Ok(batch.into()),
            Err(error) => {
                let statement = cursor.statement.clone();
                self.note(&statement);
                Err(error)
            }
        }
    }

    async fn drop(&mut self, cursor: Resource<Cursor>) -> wasmtime::Result<()> {
        let cursor = self.table.delete(cursor)?;
        self.host.session().close(cursor.id).await;
        Ok(())
    }
}

impl<H: StepHost> wit::HostSavepoint for State<H> {
    async fn open(&mut self) -> Result<Resource<Savepoint>> {
        let most = self.limits.savepoints;
        let session = self.host.session();
        if session.open_savepoints() >= limit_as_usize(most) {
            return Err(Error::limit(
                "limits.savepoints",
                most,
                "too many savepoints are open",
            ));
        }
        let id = session.savepoint().await?;
        let pushed = self.push(Savepoint { id });
        if pushed.is_err() {
            self.host.session().release(id).await?;
        }
        pushed
    }

    async fn release(&mut self, savepoint: Resource<Savepoint>) -> Result<()> {
        let savepoint = self
            .table
            .delete(savepoint)
            .map_err(|_| Error::invalid_argument("the savepoint is gone"))?;
        self.host.session().release(savepoint.id).await
    }

    async fn drop(&mut self, savepoint: Resource<Savepoint>) -> wasmtime::Result<()> {
        let savepoint = self.table.delete(savepoint)?;
        // A savepoint that cannot be rolled back to means a lost transaction, which the next statement and the commit tell.
        self.host
            .session()
            .roll_back_to(savepoint.id)
            .await
            .map_err(wasmtime::Error::from)
    }
}
