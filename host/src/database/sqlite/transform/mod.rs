//! Transformations on SQLite.

mod definition;
mod empty_copy;
mod goes_along;
mod triggers;
mod write;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::readable::IS_NO_TEXT;
use crate::database::transform::{Chunk, TableDefinition, TransformedTable, Transforming, Watched};
use crate::database::{Authority, Batch, Error, Result, Session, Value, quote};

/// SQLite's words for transformations.
#[derive(Debug)]
pub(super) struct SqliteTransforming;

#[async_trait]
impl Transforming for SqliteTransforming {
    async fn definition(
        &self,
        session: &mut dyn Session,
        name: &str,
    ) -> Result<Option<TableDefinition>> {
        definition::read(session, name).await
    }

    /// It takes every word for a type: <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>
    async fn has_type(&self, _session: &mut dyn Session, _name: &str) -> Result<bool> {
        Ok(true)
    }

    async fn hides_rows(
        &self,
        _session: &mut dyn Session,
        _table: &TableDefinition,
    ) -> Result<bool> {
        Ok(false)
    }

    /// Values have types of their own here.
    async fn use_exact_texts(&self, _session: &mut dyn Session) -> Result<()> {
        Ok(())
    }

    async fn watched(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Watched> {
        triggers::watched(session, table).await
    }

    fn add_columns(&self, table: &TransformedTable) -> Vec<String> {
        let add = table.derived.iter().map(|column| {
            let (name, type_name) = (quote(&column.name), &column.type_name);
            format!("ALTER TABLE {} ADD COLUMN {name} {type_name}", table.name)
        });
        add.collect()
    }

    fn capture_number(&self) -> &'static str {
        "id INTEGER PRIMARY KEY"
    }

    fn install_triggers(&self, table: &TransformedTable) -> Vec<String> {
        triggers::install(table)
    }

    fn install_function(&self, _table: &TransformedTable) -> Vec<String> {
        Vec::new()
    }

    fn remove_triggers(&self, table: &TransformedTable) -> Vec<String> {
        triggers::remove(table)
    }

    /// They are called the same wherever they are.
    async fn remove_strays(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Vec<String>> {
        triggers::strays(session, table).await
    }

    fn remove_function(&self, _table: &TransformedTable) -> Option<String> {
        None
    }

    fn demand_values(&self, table: &TransformedTable) -> Vec<String> {
        let demand = table.required().map(|name| {
            let name = quote(name);
            format!(
                "ALTER TABLE {} ALTER COLUMN {name} SET NOT NULL",
                table.name
            )
        });
        demand.collect()
    }

    async fn try_on_empty_copy(
        &self,
        session: &mut dyn Session,
        statements: &[String],
    ) -> std::result::Result<(), (usize, Error)> {
        empty_copy::run(session, statements).await
    }

    async fn goes_along(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Vec<String>> {
        goes_along::read(session, table).await
    }

    fn is_in_parts(&self, _parts: &BTreeSet<String>) -> Option<String> {
        None
    }

    fn count_rows(&self) -> &'static str {
        "count(*)"
    }

    fn is_no_text(&self, column: &str) -> Option<String> {
        Some(format!("{IS_NO_TEXT}({column})"))
    }

    fn has_key_among(&self, table: &TransformedTable, count: usize) -> String {
        let keys = table.keys_as_parameters(count);
        format!("({}) IN (VALUES {keys})", table.key_columns())
    }

    /// It passes over the rows between two borders without a look at them.
    async fn borders(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
        rows: u64,
        rows_of_part: u64,
    ) -> Result<Vec<Vec<Value>>> {
        let mut borders: Vec<Vec<Value>> = Vec::new();
        for _ in 1..rows.div_ceil(rows_of_part) {
            let last = borders.last().map(Vec::as_slice);
            match table.border(session, last, rows_of_part).await? {
                Some(border) => borders.push(border),
                None => break,
            }
        }
        Ok(borders)
    }

    /// Triggers on it run in the name of the step.
    async fn change_capture(
        &self,
        session: &mut dyn Session,
        statement: &str,
        parameters: &[Value],
    ) -> Result<()> {
        let changed = session.execute(Authority::Step, statement, parameters);
        changed.await.map(|_| ())
    }

    async fn write(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
        chunk: Chunk,
        derived: Batch,
        is_captured: bool,
    ) -> Result<u64> {
        write::write(session, table, chunk, derived, is_captured).await
    }

    /// What it checks late is a foreign key, which no derived column has.
    async fn check_at_once(&self, _session: &mut dyn Session) -> Result<()> {
        Ok(())
    }

    async fn lock_timeout(&self, _session: &mut dyn Session) -> Result<Duration> {
        Ok(Duration::ZERO)
    }

    async fn set_lock_timeout(&self, _session: &mut dyn Session, _wait: Duration) -> Result<()> {
        Ok(())
    }

    /// The open transaction has the only write lock.
    async fn lock(&self, _session: &mut dyn Session, _table: &TransformedTable) -> Result<()> {
        Ok(())
    }

    async fn keep_vacuum_away(
        &self,
        _session: &mut dyn Session,
        _table: &TransformedTable,
    ) -> Result<()> {
        Ok(())
    }

    /// Nothing is proved before the cut-over, which writes the whole table anew.
    async fn defaults(
        &self,
        _session: &mut dyn Session,
        _table: &TransformedTable,
    ) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    async fn add_checks(
        &self,
        _session: &mut dyn Session,
        _table: &TransformedTable,
        _defaults: &[String],
    ) -> Result<()> {
        Ok(())
    }

    async fn validate_checks(
        &self,
        _session: &mut dyn Session,
        _table: &TransformedTable,
    ) -> Result<()> {
        Ok(())
    }
}
