//! What a server's catalog tells.

use async_trait::async_trait;

use super::super::{Authority, Introspection, Result, Server, Session, TableName, Value, texts};
use super::state::PostgresSession;
use super::text::quote_text;
use super::{schema, verify};

#[async_trait]
impl Introspection for PostgresSession {
    fn server(&self) -> &Server {
        &self.server
    }

    fn journal_schema(&self) -> Option<&str> {
        Some(&self.target.schema)
    }

    fn own_schema(&self) -> Option<&str> {
        Some(&self.target.own_schema)
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

    async fn journal_catalog(&mut self) -> Result<String> {
        let query = verify::catalog(&self.target.schema);
        let session: &mut dyn Session = self;
        let rows = session.rows(&query, &[]).await?;
        let cell = rows.first().and_then(|row| row.first()?.as_text());
        Ok(cell.unwrap_or_default().to_owned())
    }

    async fn column_names(&mut self, table: TableName<'_>) -> Result<Option<Vec<String>>> {
        let own = self.target.own_schema.clone();
        let query = "SELECT lower(attname::pg_catalog.text) FROM pg_catalog.pg_class
                     JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
                     JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
                     WHERE relname = $1 AND nspname = $2 AND relkind IN ('r', 'p')
                     AND pg_catalog.has_schema_privilege(pg_namespace.oid, 'USAGE')
                     AND pg_catalog.has_table_privilege(pg_class.oid, 'SELECT')";
        let session: &mut dyn Session = self;
        let schema = table.schema.map_or(own, str::to_owned);
        let rows = session
            .rows(query, &[table.name.into(), schema.into()])
            .await?;
        Ok(texts(&rows))
    }

    async fn schema_lines(&mut self, authority: Authority) -> Result<Vec<(String, String)>> {
        let query = schema::query(&self.target.schema);
        let session: &mut dyn Session = self;
        let rows = session.rows_as(authority, &query, &[]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| match <[Value; 2]>::try_from(row).ok()? {
                [Value::Text(table), Value::Text(line)] => Some((table, line)),
                _ => None,
            })
            .collect())
    }

    async fn table_digests(&mut self, schemas: &[String]) -> Result<Vec<[String; 3]>> {
        let session: &mut dyn Session = self;
        let names = schemas.join(schema::SEPARATOR);
        let rows = session.rows(&schema::digests(), &[names.into()]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| match <[Value; 3]>::try_from(row).ok()? {
                [Value::Text(schema), Value::Text(table), Value::Text(digest)] => {
                    Some([schema, table, digest])
                }
                _ => None,
            })
            .collect())
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
