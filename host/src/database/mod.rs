//! The target: the database that is migrated.
//!
//! A [`Database`] opens [`Session`]s; a session is one connection with at most one open transaction. Everything that
//! happens in the target goes through a session: the statements of steps and the host's own, told apart by
//! [`Authority`]. Drivers stay behind this door, and so does each database's way of keeping a step inside its
//! transaction. This room knows neither the journal's tables (but for the prefix of their names) nor components.

mod batch;
mod brief;
mod capabilities;
mod content;
mod content_reader;
mod controls;
mod error;
mod open;
mod placeholder;
mod postgres;
mod schema;
mod session;
mod shape;
mod sqlite;
mod stop;
mod table_query;
mod traits;
mod transform;
mod value;
mod values;
mod wait;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::output::{Level, counted};

pub use batch::{Batch, Cell, ColumnBuilder, ColumnData, ColumnForm, ColumnValues};
pub use capabilities::{
    Capabilities, ColumnTypes, Expressions, SchemaChanges, TenantPlace, Writers,
};
pub use content::{Content, Object, Row, Table};
use error::LOST_IN_COMMIT;
pub use error::{Error, ErrorKind, Limit, Result, Script, ScriptError};
pub use open::{DatabaseSettings, Location, open};
pub use placeholder::substitute;
pub(crate) use postgres::conninfo_value;
pub use postgres::{Elsewhere, Keeper, Postgres, PostgresOptions};
pub use schema::{
    Form, Schema, add_tenants, changed_lines, differences, remove_tenant, without_tenants_unless,
};
pub use session::{
    CommitPermit, Coordination, Introspection, Moved, Rehearsing, Session, Statements, Transactions,
};
pub use shape::{ColumnShape, ForeignKey, Shape};
pub use sqlite::Sqlite;
pub use stop::{Stop, StopReason};
pub use table_query::{NamedTable, Read, StrangeSchema, TableName, TableQuery};
pub use traits::{Aspect, Trait};
pub use transform::{
    Chunk, ColumnDefinition, Derivation, DerivedColumn, TableDefinition, TransformedTable,
    Transforming, Watched,
};
pub use value::{Column, Value};
pub use values::Values;
pub use wait::Wait;
use wait::Waited;

/// Every table whose name begins so belongs to the host; a step may read but not change it.
pub const JOURNAL_PREFIX: &str = "wasmigrate_";

pub(crate) use content::is_journal;

/// Which database a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// Its name in file names and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// The one that is called so in a file's name, as this and other tools call it.
    pub fn called(word: &str) -> Option<Self> {
        match word {
            "sqlite" | "sqlite3" => Some(Self::Sqlite),
            "postgres" | "postgresql" | "pg" | "pgsql" | "psql" => Some(Self::Postgres),
            _ => None,
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
    /// Its words for transformations.
    pub transforming: &'static dyn Transforming,
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
    /// The host, in words of its own: names and operators in them mean what the database has, whatever a step has made.
    Host,
    /// The host, in words of the operator or the application, such as the type of a column: names mean what they mean to the
    /// connection. Nothing is refused.
    Application,
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
    /// Whether it only says what is going to happen, and nothing is to be done about it.
    #[serde(default)]
    pub is_remark: bool,
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

/// What the statements of a script need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionNeed {
    /// None refuses a transaction.
    Fits,
    /// Some do, and the rest have no need of one.
    Refuses,
    /// Some refuse one, and others may need one.
    Mixed,
}

/// Where a sequence stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceState {
    /// Its full name, as SQL has it.
    pub name: String,
    /// The last number that it gave, if it gave one.
    pub last: Option<i64>,
    /// Its first number.
    pub start: i64,
}

/// Who has the lock of a target.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct LockHolder {
    /// What it is called: machine and process id of a host, or what the database knows of it.
    pub name: String,
    /// Whether it does nothing with it.
    pub is_stalled: bool,
}

/// A target that sessions can be opened on.
#[async_trait]
pub trait Database: Send + Sync {
    /// What to call the target in messages; never holds a password.
    fn name(&self) -> &str;

    /// Whether the first session that writes begins a new database.
    fn is_new(&self) -> bool;

    /// Whether it was made before, should it ever have been, and is not there any more; not where the user asks for a new one.
    fn is_gone(&self) -> bool;

    /// Whether a backslash in a plain string is one, as far as its connections have told.
    fn has_standard_strings(&self) -> bool;

    /// Whether it is made where it is missing.
    fn makes_what_is_missing(&self) -> bool;

    /// Removes a tenant's own database, which the caller has made and in which nothing was kept.
    fn discard(&self) -> std::io::Result<()>;

    /// Which database it is. Ask [`Database::capabilities`] instead wherever one of them is what matters.
    fn kind(&self) -> Kind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What to say about a script before it runs. `is_finalize` says that the application is about to change; `made` are the
    /// tables that the scripts before have made, to which those of this one are added.
    fn advise(&self, script: &str, is_finalize: bool, made: &mut BTreeSet<String>) -> Vec<Advice>;

    /// Whether all that a script does is over at once and holds nobody up: it makes things, puts a few rows in, and changes only
    /// tables that it or the scripts before it have `made`. What it makes itself is added to them.
    fn is_brief(&self, script: &str, made: &mut BTreeSet<String>) -> bool;

    /// Judges a script by its text alone, which is read once: the error says what keeps it from ever running. `decide` is told
    /// what its statements need, and says whether they run in a transaction.
    fn judge(
        &self,
        script: &str,
        decide: &mut dyn FnMut(TransactionNeed) -> bool,
    ) -> std::result::Result<(), ScriptError>;

    /// The tenant of this name, where tenants are databases of their own beside this one; none where they are schemas of it.
    fn tenant(&self, name: &str) -> Option<Arc<dyn Database>>;

    /// The schema as text, in the form of the database's own program for that, without the journal.
    async fn dump_schema(&self, stop: &Stop) -> Result<String>;

    /// Opens a session. `stop` ends whatever takes long in it.
    async fn open(&self, access: Access, stop: &Stop) -> Result<Box<dyn Session>>;
}

/// Hears what the database says to a step's statements besides their results.
pub trait Listener: Send + Sync {
    /// Takes note of a message.
    fn hear(&self, level: Level, message: &str);
}

/// A name in quotes, as both databases write it.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name that stands in quotes, or without any.
pub fn unquote(name: &str) -> String {
    let inner = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("\"\"", "\""))
}

/// The texts in the rows of a result; none when there are none.
fn texts(rows: &[Vec<Value>]) -> Option<Vec<String>> {
    let texts = rows.iter().flatten().filter_map(Value::as_text);
    Some(texts.map(str::to_owned).collect()).filter(|texts: &Vec<String>| !texts.is_empty())
}

/// Whether a batch has the columns that it is to be loaded into.
fn expect_columns(columns: &[String], rows: &Batch) -> Result<()> {
    if columns.len() == rows.columns.len() {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "{} named, but the batch has {}",
        counted(columns.len(), "column is", "columns are"),
        rows.columns.len()
    )))
}
