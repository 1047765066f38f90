//! Reads the content of a database in the open transaction, the same on every database but for its schema.

use super::{Content, Result, Row, Session, quote};

impl<'s> dyn Session + 's {
    /// Reads the content that the open transaction sees.
    pub async fn content(&mut self) -> Result<Content> {
        let mut content = self.content_without_rows().await?;
        for (name, table) in &mut content.tables {
            let columns: Vec<String> = table.columns.iter().map(|column| quote(column)).collect();
            if columns.is_empty() {
                continue;
            }
            let query = format!(
                "SELECT {} FROM {}",
                columns.join(", "),
                self.table_name(name)
            );
            let rows = self.rows(&query, &[]).await?;
            table.rows = rows.into_iter().map(Row::new).collect();
            table
                .rows
                .sort_unstable_by(|one, other| one.exact.cmp(&other.exact));
        }
        Ok(content)
    }

    /// Reads so many rows with the lowest values in the columns of a key, and as many with the highest.
    pub async fn rows_at_the_ends(
        &mut self,
        table: &str,
        columns: &[String],
        key: &[String],
        most: usize,
    ) -> Result<Vec<Row>> {
        let list: Vec<String> = columns.iter().map(|column| quote(column)).collect();
        let mut rows = Vec::new();
        for direction in ["", " DESC"] {
            let order: Vec<String> = key
                .iter()
                .map(|column| format!("{}{direction}", quote(column)))
                .collect();
            let query = format!(
                "SELECT {} FROM {} ORDER BY {} LIMIT {most}",
                list.join(", "),
                self.table_name(table),
                order.join(", ")
            );
            rows.extend(self.rows(&query, &[]).await?.into_iter().map(Row::new));
        }
        rows.sort_unstable_by(|one, other| one.exact.cmp(&other.exact));
        rows.dedup();
        Ok(rows)
    }
}
