//! What a server's catalog tells.

use async_trait::async_trait;

use super::super::{Introspection, Result, Server, Session, TableName, texts};
use super::schema;
use super::state::PostgresSession;
use super::text::quote_text;

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
