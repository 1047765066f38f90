//! What a server's catalog and counters tell.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::super::{
    Access, Action, Deed, Introspection, JOURNAL_PREFIX, Rehearsing, Result, Server, Session,
    TableName, Value, texts,
};
use super::schema;
use super::state::PostgresSession;
use super::text::quote_text;

/// What the server's counters tell of a transaction.
const DEEDS: &str = "SELECT schemaname::pg_catalog.text, relname::pg_catalog.text,
    coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0, n_tup_ins + n_tup_upd + n_tup_del > 0
    FROM pg_catalog.pg_stat_xact_user_tables";

#[async_trait]
impl Introspection for PostgresSession {
    fn server(&self) -> &Server {
        &self.server
    }

    fn journal_schema(&self) -> Option<&str> {
        Some(&self.target.schema)
    }

    async fn has_journal_table(&mut self, name: &str) -> Result<bool> {
        let query = format!(
            "SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1 AND relkind IN ('r', 'p')
             AND relnamespace = {}::pg_catalog.regnamespace",
            quote_text(&self.target.schema)
        );
        let session: &mut dyn Session = self;
        Ok(!session.rows(&query, &[name.into()]).await?.is_empty())
    }

    async fn column_names(&mut self, table: TableName<'_>) -> Result<Option<Vec<String>>> {
        let query = "SELECT lower(attname::pg_catalog.text) FROM pg_catalog.pg_class
                     JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
                     JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
                     WHERE relname = $1 AND nspname = coalesce($2, pg_catalog.current_schema()) AND relkind IN ('r', 'p')
                     AND pg_catalog.has_schema_privilege(pg_namespace.oid, 'USAGE')
                     AND pg_catalog.has_table_privilege(pg_class.oid, 'SELECT')";
        let session: &mut dyn Session = self;
        let schema = table.schema.map(str::to_owned);
        let rows = session
            .rows(query, &[table.name.into(), schema.into()])
            .await?;
        Ok(texts(&rows))
    }

    fn schema_query(&self) -> String {
        schema::query(&self.target.schema)
    }

    async fn invalid_indexes(&mut self) -> Result<Vec<String>> {
        let query =
            "SELECT indexrelid::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_index
                     WHERE NOT indisvalid ORDER BY 1";
        let session: &mut dyn Session = self;
        let rows = session.rows(query, &[]).await?;
        Ok(rows
            .iter()
            .filter_map(|row| row.first()?.as_text().map(str::to_owned))
            .collect())
    }
}

#[async_trait]
impl Rehearsing for PostgresSession {
    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>> {
        if self.access != Access::Rehearsal
            || self
                .transaction
                .as_ref()
                .is_none_or(|transaction| transaction.has_failed)
        {
            return Ok(BTreeMap::new());
        }
        let query = format!(
            "SELECT CASE WHEN schemaname = {schema} THEN relname ELSE schemaname || '.' || relname END,
             n_tup_ins + n_tup_upd + n_tup_del
             FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0",
            schema = quote_text(self.target.schema.trim_matches('"')),
        );
        let session: &mut dyn Session = self;
        let rows = session.rows(&query, &[]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let [table, rows] = <[Value; 2]>::try_from(row).ok()?;
                Some((
                    table.as_text()?.to_owned(),
                    u64::try_from(rows.as_integer()?).ok()?,
                ))
            })
            .collect())
    }

    async fn deeds(&mut self) -> Result<BTreeSet<Deed>> {
        let mut deeds = BTreeSet::new();
        let own_schema = self.target.schema.trim_matches('"').to_owned();
        let session: &mut dyn Session = self;
        for row in session.rows(DEEDS, &[]).await? {
            let [
                Value::Text(schema),
                Value::Text(table),
                Value::Boolean(is_read),
                Value::Boolean(is_written),
            ] = &*row
            else {
                continue;
            };
            let table = match *schema == own_schema {
                true => table.clone(),
                false => format!("{schema}.{table}"),
            };
            for (action, is_done) in [(Action::Read, *is_read), (Action::Write, *is_written)] {
                if is_done && !table.starts_with(JOURNAL_PREFIX) {
                    deeds.insert(Deed {
                        action,
                        table: table.clone(),
                        column: None,
                    });
                }
            }
        }
        Ok(deeds)
    }
}
