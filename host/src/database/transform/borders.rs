//! Where a table is cut into parts.

use super::step_rows;
use super::table::TransformedTable;
use crate::database::{Result, Session, Value};

impl TransformedTable {
    /// The keys with which parts of about so many `rows` end, but for the last of them.
    pub async fn borders(
        &self,
        session: &mut dyn Session,
        rows: u64,
        rows_of_part: u64,
    ) -> Result<Vec<Vec<Value>>> {
        if rows <= rows_of_part {
            return Ok(Vec::new());
        }
        let dialect = session.server().transforming;
        dialect.borders(session, self, rows, rows_of_part).await
    }

    /// The key of the last of so many concerned rows after another key.
    pub(in crate::database) async fn border(
        &self,
        session: &mut dyn Session,
        lower: Option<&[Value]>,
        rows_of_part: u64,
    ) -> Result<Option<Vec<Value>>> {
        let keys = self.key_columns();
        let after = match lower.is_some() {
            true => self.key_is_above(1),
            false => "true".to_owned(),
        };
        let query = format!(
            "SELECT {keys} FROM {} WHERE {after}{} ORDER BY {keys} LIMIT 1 OFFSET {}",
            self.name,
            self.condition(),
            rows_of_part.saturating_sub(1)
        );
        Ok(step_rows(session, &query, lower.unwrap_or_default())
            .await?
            .pop())
    }
}
