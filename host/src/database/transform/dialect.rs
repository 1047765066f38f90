//! What the databases say differently.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::chunk::Chunk;
use super::definition::TableDefinition;
use super::table::TransformedTable;
use super::watched::Watched;
use crate::database::{Batch, Error, Result, Session, Value};

/// One database's own words for transformations.
#[async_trait]
pub trait Transforming: fmt::Debug + Send + Sync {
    /// The table of this name; none when there is none that holds rows of its own.
    async fn definition(
        &self,
        session: &mut dyn Session,
        name: &str,
    ) -> Result<Option<TableDefinition>>;

    /// Whether the database knows a type of this name. It goes into a statement as it is.
    async fn has_type(&self, session: &mut dyn Session, name: &str) -> Result<bool>;

    /// Whether whoever works in the name of steps sees some rows of a table only.
    async fn hides_rows(&self, session: &mut dyn Session, table: &TableDefinition) -> Result<bool>;

    /// Lets values be read so that they can be written back as they were, whatever role and database have set, until the
    /// transaction ends.
    async fn use_exact_texts(&self, session: &mut dyn Session) -> Result<()>;

    /// What tells whether the capture notices every change.
    async fn watched(&self, session: &mut dyn Session, table: &TransformedTable)
    -> Result<Watched>;

    /// Adds the derived columns.
    fn add_columns(&self, table: &TransformedTable) -> Vec<String>;

    /// The column by which captured changes are numbered.
    fn capture_number(&self) -> &'static str;

    /// Adds the triggers of the capture.
    fn install_triggers(&self, table: &TransformedTable) -> Vec<String>;

    /// Adds what the triggers call, in the place of what an earlier version of the host has made; nothing where they call
    /// nothing.
    fn install_function(&self, table: &TransformedTable) -> Vec<String>;

    /// Takes rights on the capture from others, where any are given by default. Asked in the transaction that makes it.
    async fn protect_capture(
        &self,
        _session: &mut dyn Session,
        _table: &TransformedTable,
    ) -> Result<()> {
        Ok(())
    }

    /// The same for what the triggers call.
    async fn protect_function(
        &self,
        _session: &mut dyn Session,
        _table: &TransformedTable,
    ) -> Result<()> {
        Ok(())
    }

    /// Refuses to rely on a capture that others have a hand in, where there can be others.
    async fn check_capture(
        &self,
        _session: &mut dyn Session,
        _table: &TransformedTable,
    ) -> Result<()> {
        Ok(())
    }

    /// Removes the triggers of the capture.
    fn remove_triggers(&self, table: &TransformedTable) -> Vec<String>;

    /// Removes those that are on other tables now, because the transformed table has changed its name since, unless
    /// [`Transforming::remove_triggers`] does; returns the names of these tables.
    async fn remove_strays(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Vec<String>>;

    /// Removes what they call.
    fn remove_function(&self, table: &TransformedTable) -> Option<String>;

    /// Demands values where there must be some from now on.
    fn demand_values(&self, table: &TransformedTable) -> Vec<String>;

    /// Tries statements on an empty copy of the schema, which is thrown away, where a change of a table's shape writes all of its
    /// rows anew. An error comes with the place of its statement.
    async fn try_on_empty_copy(
        &self,
        _session: &mut dyn Session,
        _statements: &[String],
    ) -> std::result::Result<(), (usize, Error)> {
        Ok(())
    }

    /// What the cut-over takes along with the columns that go, and does not put onto those that come, in words: indexes,
    /// constraints, sequences; of a column that is replaced also its default, NOT NULL, comment and rights.
    async fn goes_along(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Vec<String>>;

    /// Whether a row of `concerned` is in one of the parts with these numbers; none where tables have no parts.
    fn is_in_parts(&self, parts: &BTreeSet<String>) -> Option<String>;

    /// The number of rows.
    fn count_rows(&self) -> &'static str;

    /// The condition that a key of this column, whose name is in quotes, holds bytes that are no text although the database
    /// calls them so: nothing that is read of it would name its row. None where there is no such thing.
    fn is_no_text(&self, column: &str) -> Option<String>;

    /// Whether a row has one of so many keys.
    fn has_key_among(&self, table: &TransformedTable, count: usize) -> String;

    /// The keys with which parts of so many rows end, but for the last of them.
    async fn borders(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
        rows: u64,
        rows_of_part: u64,
    ) -> Result<Vec<Vec<Value>>>;

    /// Changes the capture with a statement that holds no words of the step's.
    async fn change_capture(
        &self,
        session: &mut dyn Session,
        statement: &str,
        parameters: &[Value],
    ) -> Result<()>;

    /// Writes derived columns into the rows of a chunk, see [`TransformedTable::write`].
    async fn write(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
        chunk: Chunk,
        derived: Batch,
        is_captured: bool,
    ) -> Result<u64>;

    /// Lets each statement that follows be checked at once, and not only with the commit.
    async fn check_at_once(&self, session: &mut dyn Session) -> Result<()>;

    /// How long the session waits for a lock.
    async fn lock_timeout(&self, session: &mut dyn Session) -> Result<Duration>;

    /// Bounds the waits for locks until the transaction ends.
    async fn set_lock_timeout(&self, session: &mut dyn Session, wait: Duration) -> Result<()>;

    /// Locks a table against all others until the transaction ends.
    async fn lock(&self, session: &mut dyn Session, table: &TransformedTable) -> Result<()>;

    /// Waits for a vacuum of the table to end and lets no other begin until the transaction ends. The application goes on,
    /// and does not wait for those who wait for this.
    async fn keep_vacuum_away(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<()>;

    /// A default for each required column, as words of SQL: a value that some row has. None where one of them cannot have
    /// one.
    async fn defaults(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Option<Vec<String>>>;

    /// Adds these defaults and checks that the required columns have values, which hold for what is written from now on.
    async fn add_checks(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
        defaults: &[String],
    ) -> Result<()>;

    /// Finds out that the checks hold for all rows, too.
    async fn validate_checks(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<()>;
}
