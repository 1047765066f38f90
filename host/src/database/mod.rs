//! The target: the database that is migrated.
//!
//! A [`Database`] opens [`Session`]s; a session is one connection with at most one open transaction. Everything that
//! happens in the target goes through a session: the statements of steps and the host's own, told apart by
//! [`Authority`]. Drivers stay behind this door, and so does each database's way of keeping a step inside its
//! transaction. This room knows neither the journal's tables (but for the prefix of their names) nor components.

mod batch;
mod capabilities;
mod error;
mod placeholder;
mod postgres;
mod schema;
mod sqlite;
mod stop;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::output::Level;

pub use batch::{Batch, Cell, ColumnBuilder, ColumnData, ColumnValues};
pub use capabilities::{
    Capabilities, ColumnTypes, RowVersion, SchemaChanges, TenantPlace, Writers,
};
pub use error::{Error, ErrorKind, Limit, Result, Script, ScriptError};
pub use placeholder::substitute;
pub use postgres::{Postgres, PostgresOptions};
pub use schema::{Schema, differences};
pub use sqlite::Sqlite;
pub use stop::{Stop, StopReason};
pub use value::{Column, Value};

/// Every table whose name begins so belongs to the host; a step may read but not change it.
pub const JOURNAL_PREFIX: &str = "wasmigrate_";

/// Which database a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Kind {
    /// Its name in file names and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// Its name for people.
    pub fn display_name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// What OpenTelemetry calls it: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/#db-system-name>
    pub fn system_name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

/// A database's kind, what it can do, and its version.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its kind. Ask [`Server::capabilities`] instead wherever one of them is what matters.
    pub kind: Kind,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its version, as it tells it.
    pub version: String,
    /// Whether the host is connected with rights that nothing confines: a step could then reach the server's files.
    pub is_superuser: bool,
}

/// What a session is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only. A target that does not exist yet is an empty one.
    Read,
    /// Reading and writing. The target is made when it does not exist.
    Write,
    /// A transaction that is rolled back at the end: nothing of the target changes, and what changed is counted.
    Rehearsal,
}

/// In whose name a statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The host: its journal.
    Host,
    /// A step: watched, and kept inside the transaction.
    Step,
}

/// When a commit may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the disk has it. A crash of the machine may lose the transaction, and then loses it whole, together with all
    /// that came after it.
    Deferred,
    /// When the disk has it, and everything that was committed before.
    Flushed,
}

/// Bounds on what one session may hold; each stops a step that asks for more than the host can give.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// The longest value or row, in bytes. Stops a statement that builds one giant value in the host's memory.
    pub value_bytes: u64,
    /// How long to wait for somebody else's lock.
    pub lock_wait: std::time::Duration,
    /// How long one phase of a step may take: a server ends a statement whose host does not.
    pub deadline: std::time::Duration,
}

/// A query's open result, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CursorId(pub u32);

/// A savepoint, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SavepointId(pub u32);

/// A statement that holds up the application while it runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Advice {
    /// The line of the script on which the statement begins, from 1.
    pub line: usize,
    /// The statement.
    pub statement: String,
    /// What it does to the application.
    pub danger: String,
    /// How to do the same without.
    pub recipe: String,
}

/// What a step does to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Reads its rows.
    Read,
    /// Inserts, changes or deletes rows.
    Write,
    /// Makes it.
    Create,
    /// Changes its shape: columns, constraints, indexes, triggers.
    Alter,
    /// Drops it.
    Drop,
}

impl Action {
    /// Its name in rules and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Alter => "alter",
            Self::Drop => "drop",
        }
    }
}

/// One thing that a step did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Deed {
    /// What it did.
    pub action: Action,
    /// To which table.
    pub table: String,
    /// To which column, where the database tells.
    pub column: Option<String>,
}

/// A target that sessions can be opened on.
#[async_trait]
pub trait Database: Send + Sync {
    /// What to call the target in messages; never holds a password.
    fn name(&self) -> &str;

    /// Which database it is. Ask [`Database::capabilities`] instead wherever one of them is what matters.
    fn kind(&self) -> Kind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What to say about a script before it runs. `is_finalize` says that the application is about to change; `made` are the
    /// tables that the scripts before have made, to which those of this one are added.
    fn advise(
        &self,
        _script: &str,
        _is_finalize: bool,
        _made: &mut BTreeSet<String>,
    ) -> Vec<Advice> {
        Vec::new()
    }

    /// The tenant of this name, where tenants are databases of their own beside this one; none where they are schemas of it.
    fn tenant(&self, _name: &str) -> Option<Arc<dyn Database>> {
        None
    }

    /// Opens a session. `stop` ends whatever takes long in it.
    async fn open(&self, access: Access, stop: &Stop) -> Result<Box<dyn Session>>;
}

/// Hears what the database says to a step's statements besides their results.
pub trait Listener: Send + Sync {
    /// Takes note of a message.
    fn hear(&self, level: Level, message: &str);
}

/// One connection to the target, with at most one open transaction.
///
/// A session stays on the thread that opened it. None of the futures may be dropped before they are done, but by dropping
/// the session too: the transaction is then rolled back.
#[async_trait]
pub trait Session: Send {
    /// The database's kind and version.
    fn server(&self) -> &Server;

    /// Says who hears what the database says to the statements of steps from now on.
    fn listen(&mut self, _listener: Option<Arc<dyn Listener>>) {}

    /// Says for which run the transactions are that are opened from now on, so that others can tell.
    fn label(&mut self, _run: i64) {}

    /// How many sessions of others have waited for a while for what a run's sessions have locked.
    async fn waiting_for_run(&mut self, _run: i64) -> Result<u64> {
        Ok(0)
    }

    /// Whether other programs may want to write while this one does, and have to be let in.
    fn has_company(&self) -> bool {
        true
    }

    /// How far the slowest replica is behind, as far as the database tells.
    async fn replication_lag(&mut self) -> Result<Option<Duration>> {
        Ok(None)
    }

    /// Opens a transaction that may write, waiting for other writers up to [`SessionLimits::lock_wait`]. Nothing of an
    /// earlier step is left in it.
    async fn begin(&mut self, durability: Durability) -> Result<()>;

    /// Opens a transaction that sees one state of the target and changes nothing.
    async fn begin_read(&mut self) -> Result<()>;

    /// Lets each of a step's statements that follow commit by itself, until [`Session::rollback`]. Databases that have no
    /// statements which need that refuse.
    async fn begin_without_transaction(&mut self) -> Result<()>;

    /// The indexes that the database has left unfinished and does not use, by their full names.
    async fn invalid_indexes(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Keeps others out who want the same for the same target, until the transaction ends.
    async fn lock_target(&mut self) -> Result<()>;

    /// Ends the transactions that a run has open elsewhere, as far as this database lets one do so: its host was declared
    /// dead, and may only be asleep with locks in its hands. False when one of them has not ended although it was told to.
    async fn end_others(&mut self, run: i64) -> Result<bool>;

    /// Makes the open transaction fit for the next file of a fleet: what the one before has set in the session, or made in
    /// it for a while, is gone, and names without a schema mean this schema's, or what they mean to the connection.
    async fn enter_schema(&mut self, schema: Option<&str>) -> Result<()>;

    /// Checks what the database would leave unchecked: that no foreign key is violated that was not before the
    /// transaction began, and that a step has touched nothing of the host's. Call it before [`Session::commit`]; it may be
    /// sent with that, and its error then comes from there.
    async fn verify(&mut self) -> Result<()>;

    /// Waits for all that may be sent later.
    async fn settle(&mut self) -> Result<()>;

    /// Commits. Open cursors and savepoints end.
    async fn commit(&mut self) -> Result<()>;

    /// Rolls back, when there is a transaction. Open cursors and savepoints end.
    async fn rollback(&mut self) -> Result<()>;

    /// Runs one statement; returns how many rows it changed.
    async fn execute(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<u64>;

    /// Runs a statement of the host whose result nobody looks at. It may be sent together with what follows, at the latest
    /// with the commit, and its error then comes from there.
    async fn execute_later(&mut self, statement: &str, parameters: &[Value]) -> Result<()>;

    /// Runs a query or an `UPDATE … RETURNING` of the host that must find exactly one row; else the error is `otherwise`,
    /// and nothing of the transaction can be committed. As [`Session::execute_later`], it may be sent with the commit.
    async fn require(
        &mut self,
        statement: &str,
        parameters: &[Value],
        otherwise: Error,
    ) -> Result<()>;

    /// Whether the target has a table of the journal with this name.
    async fn has_journal_table(&mut self, name: &str) -> Result<bool>;

    /// Runs one statement of a step once for each row of the batch; returns how many rows were changed in all.
    async fn execute_many(&mut self, statement: &str, parameters: &Batch) -> Result<u64>;

    /// Inserts the batch into the columns of a table, for a step; returns how many rows were inserted.
    async fn load(&mut self, table: &str, columns: &[String], rows: &Batch) -> Result<u64>;

    /// Runs the statements of a script one after the other, for a step. `progress` is told after each statement how many
    /// bytes of the script are done.
    async fn execute_script(
        &mut self,
        script: &str,
        progress: &mut (dyn for<'a> FnMut(usize) + Send),
    ) -> std::result::Result<u64, ScriptError>;

    /// Runs several scripts for steps that share the transaction, one behind the other, without waiting for each. `progress`
    /// is told after each statement which script it is of and how many bytes of that are done, and at the end of each script
    /// all of its bytes. The error comes with the place of the script that failed.
    async fn execute_scripts(
        &mut self,
        scripts: &[Script<'_>],
        progress: &mut (dyn for<'a> FnMut(usize, usize) + Send),
    ) -> std::result::Result<(), (usize, ScriptError)> {
        for (place, script) in scripts.iter().enumerate() {
            if script.is_fresh {
                let entered = self.enter_schema(None).await;
                entered.map_err(|error| (place, ScriptError::of_none(error)))?;
            }
            self.execute_script(script.text, &mut |done| progress(place, done))
                .await
                .map_err(|error| (place, error))?;
            progress(place, script.text.len());
        }
        Ok(())
    }

    /// Runs one query, to be read with [`Session::fetch`].
    async fn query(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<CursorId>;

    /// Runs one query and returns its first rows at once: at most `max_rows`, and no more once `max_bytes` are reached.
    async fn read(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Batch> {
        let cursor = self.query(authority, statement, parameters).await?;
        let batch = self.fetch(cursor, max_rows, max_bytes).await?;
        self.close(cursor).await;
        Ok(batch)
    }

    /// The columns of an open cursor.
    fn columns(&self, cursor: CursorId) -> Result<Arc<[Column]>>;

    /// The next rows: at most `max_rows`, and no more once `max_bytes` are reached. No rows: the end was reached.
    async fn fetch(&mut self, cursor: CursorId, max_rows: usize, max_bytes: usize)
    -> Result<Batch>;

    /// Closes a cursor; one that is closed already is no error.
    async fn close(&mut self, cursor: CursorId);

    /// How many cursors are open.
    fn open_cursors(&self) -> usize;

    /// Opens a savepoint.
    async fn savepoint(&mut self) -> Result<SavepointId>;

    /// Keeps what was done since the savepoint, and forgets it and those opened after it.
    async fn release(&mut self, savepoint: SavepointId) -> Result<()>;

    /// Undoes what was done since the savepoint and forgets it; one that is forgotten already is no error.
    async fn roll_back_to(&mut self, savepoint: SavepointId) -> Result<()>;

    /// How many savepoints are open.
    fn open_savepoints(&self) -> usize;

    /// In a rehearsal: how many rows of each table were changed since the transaction began.
    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>>;

    /// A query whose rows are the lines of the schema: the name of a table, and one line of what makes it what it is.
    fn schema_query(&self) -> String;

    /// What the target looks like in the open transaction.
    async fn schema(&mut self) -> Result<Schema> {
        let query = self.schema_query();
        let mut schema = Schema::new();
        for row in self.rows(&query, &[]).await? {
            if let [table, line] = &row[..]
                && let (Some(table), Some(line)) = (table.as_text(), line.as_text())
            {
                let lines = schema.entry(table.to_owned()).or_default();
                lines.insert(line.to_owned());
            }
        }
        Ok(schema)
    }
    /// What steps did in the open transaction, as far as the database tells. SQLite tells all that their statements were
    /// meant to do since the session was opened, PostgreSQL which tables were read and written.
    async fn deeds(&mut self) -> Result<BTreeSet<Deed>>;

    /// Reads all rows of a small result of the host's own.
    async fn rows(&mut self, statement: &str, parameters: &[Value]) -> Result<Vec<Vec<Value>>> {
        let cursor = self.query(Authority::Host, statement, parameters).await?;
        let mut rows = Vec::new();
        loop {
            let batch = self.fetch(cursor, 1_000, 8 << 20).await?;
            if batch.row_count == 0 {
                break;
            }
            rows.extend(batch.into_rows());
        }
        self.close(cursor).await;
        Ok(rows)
    }
}

/// A name in quotes, as both databases write it.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a batch has the columns that it is to be loaded into.
fn expect_columns(columns: &[String], rows: &Batch) -> Result<()> {
    if columns.len() == rows.columns.len() {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "{} columns are named, but the batch has {}",
        columns.len(),
        rows.columns.len()
    )))
}
