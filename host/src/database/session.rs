//! What a session can do, room by room: a transaction, the statements in it, what others do at the same time, what the target
//! looks like, and what a rehearsal has to know.
//!
//! No method has a body here. A session that stands before another one, as `rehearsal` has it, must say of each what becomes
//! of it: one that is forgotten does not compile. What is made of other methods alone is no method of the traits, but of
//! `dyn Session`, and works with all of them alike.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Authority, Batch, Column, Content, CursorId, Deed, Durability, Error, ErrorKind, Form,
    Listener, LockHolder, NamedTable, Result, SavepointId, Schema, Script, ScriptError,
    SequenceState, Server, Shape, StrangeSchema, TableName, TableQuery, Trait, Value,
};

/// How many rows of the host's own questions are read at once.
const ROWS_AT_ONCE: usize = 1_000;

/// How many bytes of them are.
const BYTES_AT_ONCE: usize = 8 << 20;

/// How many bytes one of these answers may have. Stops a server that never stops sending rows.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// One connection to the target, with at most one open transaction.
///
/// A session stays on the thread that opened it. None of the futures may be dropped before they are done, but by dropping
/// the session too: the transaction is then rolled back.
pub trait Session: Transactions + Statements + Coordination + Introspection + Rehearsing {}

impl<S: Transactions + Statements + Coordination + Introspection + Rehearsing> Session for S {}

/// Says by what right a transaction is committed. Who has none cannot commit: so there is one place that commits what is
/// written under a right, and a look for the makers of permits finds it.
#[derive(Debug)]
pub struct CommitPermit(());

impl CommitPermit {
    /// For `journal::Fenced` alone, which has looked at what is committed and passed the fence.
    pub(crate) fn fenced() -> Self {
        Self(())
    }
}

/// The transaction of a session, and savepoints in it.
#[async_trait]
pub trait Transactions: Send {
    /// Connects anew after the connection was lost; nothing happens while there is one. No transaction begins on a lost
    /// connection: the server may have forgotten what was committed on it, and that has to be looked at first.
    async fn reconnect(&mut self) -> Result<()>;

    /// Opens a transaction that may write, waiting for other writers up to [`super::SessionLimits::lock_wait`]. Nothing of an
    /// earlier step is left in it.
    async fn begin(&mut self, durability: Durability) -> Result<()>;

    /// Opens a transaction that sees one state of the target and changes nothing.
    async fn begin_read(&mut self) -> Result<()>;

    /// Lets each of a step's statements that follow commit by itself, until [`Transactions::rollback`]. Databases that have no
    /// statements which need that refuse.
    async fn begin_without_transaction(&mut self) -> Result<()>;

    /// Makes the open transaction fit for the next step that shares it: what the one before has set in the session, or made
    /// in it for a while, is gone, and names without a schema mean this schema's, or what they mean to the connection.
    async fn enter_schema(&mut self, schema: Option<&str>) -> Result<()>;

    /// Checks what the database would leave unchecked: that no foreign key is violated that was not before the
    /// transaction began, and that a step has touched nothing of the host's. Call it before [`Transactions::commit`]; it may
    /// be sent with that, and its error then comes from there.
    async fn verify(&mut self) -> Result<()>;

    /// Waits for all that may be sent later.
    async fn settle(&mut self) -> Result<()>;

    /// Commits. Open cursors and savepoints end.
    async fn commit(&mut self, permit: CommitPermit) -> Result<()>;

    /// Rolls back, when there is a transaction. Open cursors and savepoints end.
    async fn rollback(&mut self) -> Result<()>;

    /// Opens a savepoint.
    async fn savepoint(&mut self) -> Result<SavepointId>;

    /// Keeps what was done since the savepoint, and forgets it and those opened after it.
    async fn release(&mut self, savepoint: SavepointId) -> Result<()>;

    /// Undoes what was done since the savepoint and forgets it; one that is forgotten already is no error.
    async fn roll_back_to(&mut self, savepoint: SavepointId) -> Result<()>;

    /// How many savepoints are open.
    fn open_savepoints(&self) -> usize;
}

/// The statements of a transaction, and their results.
#[async_trait]
pub trait Statements: Send {
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

    /// Runs a query, or a change with `RETURNING`, of the host that must find exactly so many rows; else the error is
    /// `otherwise`, and nothing of the transaction can be committed. As [`Statements::execute_later`], it may be sent with
    /// the commit.
    async fn require(
        &mut self,
        statement: &str,
        parameters: &[Value],
        rows: u64,
        otherwise: Error,
    ) -> Result<()>;

    /// Runs one statement of a step once for each row of the batch; returns how many rows were changed in all.
    async fn execute_many(&mut self, statement: &str, parameters: &Batch) -> Result<u64>;

    /// Runs one statement of a step once for each row of the batch; returns the places of the rows for which it changed
    /// nothing. What triggers change besides does not count.
    async fn execute_each(&mut self, statement: &str, parameters: &Batch) -> Result<Vec<usize>>;

    /// Inserts the batch into the columns of a table, for a step; returns how many rows were inserted.
    async fn load(&mut self, table: &str, columns: &[String], rows: &Batch) -> Result<u64>;

    /// Runs the statements of a script one after the other, for a step. `progress` is called after each statement with the
    /// number of bytes of the script that are done.
    async fn execute_script(
        &mut self,
        script: &str,
        progress: &mut (dyn for<'a> FnMut(usize) + Send),
    ) -> std::result::Result<u64, ScriptError>;

    /// Runs several scripts one after the other, for steps that share the transaction, and need not wait for each. `progress`
    /// is called after each statement with the place of its script and the number of bytes of it that are done, and at the
    /// end of each script with all of its bytes. The error comes with the place of the script that failed.
    async fn execute_scripts(
        &mut self,
        scripts: &[Script<'_>],
        progress: &mut (dyn for<'a> FnMut(usize, usize) + Send),
    ) -> std::result::Result<(), (usize, ScriptError)>;

    /// Runs one query, to be read with [`Statements::fetch`].
    async fn query(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<CursorId>;

    /// Runs one query and returns its first rows at once: at most `max_rows`, and no more once `max_bytes` are reached, but
    /// one at least. No rows: the query finds none.
    async fn read(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Batch>;

    /// The columns of an open cursor.
    fn columns(&self, cursor: CursorId) -> Result<Arc<[Column]>>;

    /// The next rows: at most `max_rows`, and no more once `max_bytes` are reached, but one at least. No rows: the end was
    /// reached.
    async fn fetch(&mut self, cursor: CursorId, max_rows: usize, max_bytes: usize)
    -> Result<Batch>;

    /// Closes a cursor; one that is closed already is no error.
    async fn close(&mut self, cursor: CursorId);

    /// How many cursors are open.
    fn open_cursors(&self) -> usize;

    /// Says who hears what the database says to the statements of steps from now on.
    fn listen(&mut self, listener: Option<Arc<dyn Listener>>);
}

/// Other sessions on the same target: of this run, of a dead one, of the application.
#[async_trait]
pub trait Coordination: Send {
    /// Says for which run the transactions are that are opened from now on, so that others can tell.
    fn label(&mut self, run: i64);

    /// Keeps others out who want the same for the same target, until the transaction ends. `host` is what they read of who does.
    async fn lock_target(&mut self, host: &str) -> Result<()>;

    /// Sets how long statements wait for locks until the transaction ends.
    async fn set_lock_timeout(&mut self, wait: Duration) -> Result<()>;

    /// Who has that lock now, as far as the database tells.
    async fn target_lock_holders(&mut self) -> Result<Vec<LockHolder>>;

    /// Takes the lock from the hosts that have it, whatever they are doing; returns which. An error where that cannot be done.
    async fn end_target_lock_holders(&mut self) -> Result<Vec<LockHolder>>;

    /// The same for a part of a run that works beside its other parts.
    fn label_part(&mut self, run: i64, part: u32);

    /// Ends the transactions that a run has open elsewhere, as far as this database lets one do so: its host was declared
    /// dead, and may only be asleep with locks in its hands. False when one of them has not ended although it was told to.
    async fn end_others(&mut self, run: i64) -> Result<bool>;

    /// The same for what one part of a run has open.
    async fn end_others_of_part(&mut self, run: i64, part: u32) -> Result<bool>;

    /// How many sessions of others have waited for a while for what a run's sessions have locked.
    async fn waiting_for_run(&mut self, run: i64) -> Result<u64>;

    /// Whether other programs may want to write while this one does, and have to be let in.
    fn has_other_connections(&self) -> bool;

    /// How far the slowest replica is behind, as far as the database tells.
    async fn replication_lag(&mut self) -> Result<Option<Duration>>;
}

/// From which schema to which a journal was moved, as identifiers in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it was.
    pub from: String,
    /// Where it is.
    pub to: String,
    /// The roles that could read it where it was, and cannot where it is.
    pub shut_out: Vec<String>,
}

/// What the target is and looks like.
#[async_trait]
pub trait Introspection: Send {
    /// The database's kind and version.
    fn server(&self) -> &Server;

    /// The schema of the journal's tables, as it is written in a statement; none where they need no schema.
    fn journal_schema(&self) -> Option<&str>;

    /// The schema in which tables of others are looked for that are named without one; none where there is one schema.
    fn own_schema(&self) -> Option<&str>;

    /// Whether the target has a table of the journal with this name.
    async fn has_journal_table(&mut self, name: &str) -> Result<bool>;

    /// Makes the schema of the journal's tables, where they need one and it is not there.
    async fn make_journal_schema(&mut self) -> Result<()>;

    /// Writes down of what the journal is, which has just been made or changed, so that it is found wherever it is, and takes
    /// rights from others that are given by default.
    async fn mark_journal(&mut self) -> Result<()>;

    /// Moves the journal's tables, in the open transaction, to where a new journal would be; none when they are there.
    async fn move_journal(&mut self) -> Result<Option<Moved>>;

    /// What the catalog says of the journal's tables and what is hung onto them, as a short text. Who may read them, and where
    /// the database stores them, does not count.
    async fn journal_catalog(&mut self) -> Result<String>;

    /// Which of these schemas are not there, or belong to somebody who is not trusted. None where there is one schema.
    async fn strange_schemas(&mut self, _schemas: &[&str]) -> Result<Vec<StrangeSchema>> {
        Ok(Vec::new())
    }

    /// The tables of other targets' journals in the database, and what is said of them.
    async fn other_journals(&mut self) -> Result<Vec<String>>;

    /// The tables and views with one of these names, in whatever schema, whoever may read them. It is asked at once, however
    /// many names there are.
    async fn tables_named(&mut self, names: &[&str]) -> Result<Vec<NamedTable>>;

    /// The names of a table's columns, in lower case; none when there is no such table that can be read.
    async fn column_names(&mut self, table: TableName<'_>) -> Result<Option<Vec<String>>>;

    /// Refuses a table of somebody else's in which something of theirs would run when it is read.
    async fn check_readable(&mut self, table: TableName<'_>) -> Result<()>;

    /// The lines of the schema: the name of a thing, and one line of what makes it what it is. `authority` says what the names
    /// in them mean.
    async fn schema_lines(
        &mut self,
        authority: Authority,
        form: Form,
    ) -> Result<Vec<(String, String)>>;

    /// The things in these schemas: the schema, the thing's name, and a digest of what makes it what it is. None where there is
    /// one schema.
    async fn schema_digests(&mut self, schemas: &[String], form: Form) -> Result<Vec<[String; 3]>>;

    /// The indexes that the database has left unfinished and does not use, by their full names.
    async fn invalid_indexes(&mut self) -> Result<Vec<String>>;
}

/// What a rehearsal asks of the transaction that it rolls back.
#[async_trait]
pub trait Rehearsing: Send {
    /// How many rows of each table were changed since the transaction began, in a session that was opened for
    /// [`super::Access::Rehearsal`].
    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>>;

    /// What steps did in the open transaction, as far as the database tells. SQLite tells all that their statements were
    /// meant to do since the session was opened, PostgreSQL which tables were read and written.
    async fn deeds(&mut self) -> Result<BTreeSet<Deed>>;

    /// The content of the target without the rows of its tables.
    async fn content_without_rows(&mut self) -> Result<Content>;

    /// The name of a table of the content in SQL.
    fn table_name(&self, name: &str) -> String;

    /// The shapes of all tables but the host's, by name.
    async fn shapes(&mut self) -> Result<BTreeMap<String, Shape>>;

    /// What the tables are beside their columns and rows.
    async fn traits(&mut self) -> Result<Vec<Trait>>;

    /// Keeps these tables as they are until the transaction ends, so that their rows can be read; returns those whose rows are
    /// not to be read, because others could have made what would run then.
    async fn hold_to_read(&mut self, _tables: &[&str]) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }

    /// Where the sequences stand whose numbers stay taken when a transaction is rolled back.
    async fn sequences(&mut self) -> Result<Vec<SequenceState>>;

    /// Sets such sequences, as far as they are there.
    async fn set_sequences(&mut self, states: &[SequenceState]) -> Result<()>;

    /// Lets the sequence of a column go on after the numbers that the table's rows have.
    async fn count_from_rows(&mut self, table: &str, column: &str) -> Result<()>;

    /// Stores the rows of every table again, the last one first, where queries cannot be told to give them like that
    /// ([`super::Capabilities::reverses_unordered_rows`]).
    async fn reverse_stored_rows(&mut self) -> Result<()>;

    /// The locks on tables that this session holds, as far as the database tells: the table, and how it is locked.
    async fn held_locks(&mut self) -> Result<Vec<(String, String)>>;
}

impl<'s> dyn Session + 's {
    /// Reads all rows of a small result of the host's own.
    pub async fn rows(&mut self, statement: &str, parameters: &[Value]) -> Result<Vec<Vec<Value>>> {
        self.rows_as(Authority::Host, statement, parameters).await
    }

    /// The same for a query that is not the host's own alone.
    pub async fn rows_as(
        &mut self,
        authority: Authority,
        statement: &str,
        parameters: &[Value],
    ) -> Result<Vec<Vec<Value>>> {
        let cursor = self.query(authority, statement, parameters).await?;
        let mut rows: Vec<Vec<Value>> = Vec::new();
        let mut bytes = 0;
        loop {
            let batch = self.fetch(cursor, ROWS_AT_ONCE, BYTES_AT_ONCE).await?;
            if batch.row_count == 0 {
                break;
            }
            for row in batch.into_rows() {
                bytes += row.iter().map(Value::size).sum::<usize>();
                rows.push(row);
            }
            if bytes > MAX_ANSWER_BYTES {
                return Err(Error::new(
                    ErrorKind::Other,
                    format!(
                        "the answer to a question of the host has more than {} MiB",
                        MAX_ANSWER_BYTES >> 20
                    ),
                ));
            }
        }
        self.close(cursor).await;
        Ok(rows)
    }

    /// Looks at what was done in the open transaction, and commits it: for a database that is made to be thrown away. What
    /// belongs to its whole server is not thrown away with it, and what a step has made runs in fixtures and checks, too.
    pub async fn commit_throwaway(&mut self) -> Result<()> {
        self.verify().await?;
        self.commit(CommitPermit(())).await
    }

    /// Reads rows of a table that somebody else made.
    pub async fn read_table(&mut self, query: &TableQuery<'_>) -> Result<Vec<Vec<Value>>> {
        self.check_readable(query.table).await?;
        let schema = query.table.schema.or(self.own_schema());
        let table = TableName {
            schema,
            ..query.table
        };
        let sql = TableQuery { table, ..*query }.sql(&self.server().capabilities);
        self.rows(&sql, &[]).await
    }

    /// What the target looks like in the open transaction.
    pub async fn schema(&mut self) -> Result<Schema> {
        let form = self.server().capabilities.schema_form;
        self.schema_as(Authority::Host, form).await
    }

    /// The same in a form, and in the names of the host or in those that the connection uses.
    pub async fn schema_as(&mut self, authority: Authority, form: Form) -> Result<Schema> {
        let lines = self.schema_lines(authority, form).await?;
        Ok(Schema::new(form, lines))
    }

    /// [`Statements::execute_scripts`] for a session that runs one script at a time.
    pub async fn execute_each_script(
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

    /// [`Statements::read`] for a session that opens a cursor, reads from it and closes it.
    pub async fn read_from_cursor(
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
}
