//! Transformations on PostgreSQL.

mod array;
mod checks;
mod definition;
mod goes_along;
mod locks;
mod protect;
mod sample;
mod triggers;
mod watched;
mod write;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use crate::database::transform::{
    Chunk, Form, TableDefinition, TransformedTable, Transforming, Watched, step_rows,
};
use crate::database::{Authority, Batch, ErrorKind, Result, Session, Value, quote};

/// PostgreSQL's words for transformations.
#[derive(Debug)]
pub(super) struct PostgresTransforming;

#[async_trait]
impl Transforming for PostgresTransforming {
    async fn definition(
        &self,
        session: &mut dyn Session,
        name: &str,
    ) -> Result<Option<TableDefinition>> {
        definition::read(session, name).await
    }

    async fn has_type(&self, session: &mut dyn Session, name: &str) -> Result<bool> {
        let query = "SELECT 1 WHERE pg_catalog.to_regtype($1) IS NOT NULL";
        let name = [name.into()];
        let found = session.rows_as(Authority::Application, query, &name);
        match found.await {
            Ok(rows) => Ok(!rows.is_empty()),
            Err(error) if error.kind == ErrorKind::Syntax => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn hides_rows(&self, session: &mut dyn Session, table: &TableDefinition) -> Result<bool> {
        let Some(number) = &table.number else {
            return Ok(false);
        };
        let query =
            format!("SELECT 1 WHERE pg_catalog.row_security_active({number}::pg_catalog.oid)");
        Ok(!step_rows(session, &query, &[]).await?.is_empty())
    }

    async fn use_exact_texts(&self, session: &mut dyn Session) -> Result<()> {
        session.execute_later(watched::EXACT_TEXTS, &[]).await
    }

    async fn watched(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Watched> {
        watched::read(session, table).await
    }

    fn add_columns(&self, table: &TransformedTable) -> Vec<String> {
        let add = table.derived.iter().map(|column| {
            let (name, type_name) = (quote(&column.name), &column.type_name);
            format!("ADD COLUMN {name} {type_name}")
        });
        let add: Vec<String> = add.collect();
        vec![format!("ALTER TABLE {} {}", table.name, add.join(", "))]
    }

    fn capture_number(&self) -> &'static str {
        "id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    }

    fn install_triggers(&self, table: &TransformedTable) -> Vec<String> {
        triggers::install(table)
    }

    fn install_function(&self, table: &TransformedTable) -> Vec<String> {
        triggers::install_function(table)
    }

    async fn protect_capture(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<()> {
        protect::protect_capture(session, table).await
    }

    async fn protect_function(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<()> {
        protect::protect_function(session, table).await
    }

    async fn check_capture(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<()> {
        protect::check_capture(session, table).await
    }

    fn remove_triggers(&self, table: &TransformedTable) -> Vec<String> {
        triggers::remove(table)
    }

    async fn remove_strays(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Vec<String>> {
        triggers::remove_strays(session, table).await
    }

    fn remove_function(&self, table: &TransformedTable) -> Option<String> {
        let capture = table.capture_name();
        Some(format!("DROP FUNCTION IF EXISTS {capture}()"))
    }

    fn demand_values(&self, table: &TransformedTable) -> Vec<String> {
        checks::demand_values(table)
    }

    async fn goes_along(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Vec<String>> {
        goes_along::read(session, table).await
    }

    fn is_in_parts(&self, parts: &BTreeSet<String>) -> Option<String> {
        let numbers: Vec<&str> = parts.iter().map(String::as_str).collect();
        (!numbers.is_empty()).then(|| {
            format!(
                "concerned.tableoid = ANY ('{{{}}}'::pg_catalog.oid[])",
                numbers.join(",")
            )
        })
    }

    fn count_rows(&self) -> &'static str {
        "pg_catalog.count(*)"
    }

    /// The server takes no text that is none.
    fn is_no_text(&self, _column: &str) -> Option<String> {
        None
    }

    fn has_key_among(&self, table: &TransformedTable, count: usize) -> String {
        // For one column, a form that the server looks up in an index all at once. (It would take the elements of an array of
        // arrays for the keys.)
        if let [column] = &table.key[..]
            && column.form == Form::Plain
        {
            let values: Vec<String> = (1..=count)
                .map(|number| format!("${number}::{}", column.base_type))
                .collect();
            let (name, same) = (quote(&column.name), column.operator("="));
            return format!("{name} {same} ANY (ARRAY[{}])", values.join(", "));
        }
        let keys: Vec<String> = (0..count)
            .map(|key| format!("({})", table.key_is(key * table.key.len() + 1)))
            .collect();
        format!("({})", keys.join(" OR "))
    }

    async fn borders(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
        rows: u64,
        rows_of_part: u64,
    ) -> Result<Vec<Vec<Value>>> {
        sample::borders(session, table, rows, rows_of_part).await
    }

    /// The role that steps work in may have no right to it.
    async fn change_capture(
        &self,
        session: &mut dyn Session,
        statement: &str,
        parameters: &[Value],
    ) -> Result<()> {
        session.execute_later(statement, parameters).await
    }

    /// Every change makes another version of the row, whatever was captured.
    async fn write(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
        chunk: Chunk,
        derived: Batch,
        _is_captured: bool,
    ) -> Result<u64> {
        write::write(session, table, chunk, derived).await
    }

    async fn check_at_once(&self, session: &mut dyn Session) -> Result<()> {
        let now = "SET CONSTRAINTS ALL IMMEDIATE";
        session.execute_later(now, &[]).await
    }

    async fn lock_timeout(&self, session: &mut dyn Session) -> Result<Duration> {
        locks::timeout(session).await
    }

    async fn set_lock_timeout(&self, session: &mut dyn Session, wait: Duration) -> Result<()> {
        locks::set_timeout(session, wait).await
    }

    async fn lock(&self, session: &mut dyn Session, table: &TransformedTable) -> Result<()> {
        locks::lock(session, table).await
    }

    async fn keep_vacuum_away(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<()> {
        locks::keep_vacuum_away(session, table).await
    }

    async fn defaults(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<Option<Vec<String>>> {
        checks::defaults(session, table).await
    }

    async fn add_checks(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
        defaults: &[String],
    ) -> Result<()> {
        let add = checks::add(table, defaults);
        session.execute_later(&add, &[]).await
    }

    async fn validate_checks(
        &self,
        session: &mut dyn Session,
        table: &TransformedTable,
    ) -> Result<()> {
        let validate = checks::validate(table);
        session.execute_later(&validate, &[]).await
    }
}
