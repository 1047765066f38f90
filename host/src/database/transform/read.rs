//! How a table's rows are counted and read.

use std::collections::BTreeSet;

use super::chunk::Chunk;
use super::table::TransformedTable;
use super::{step_rows, use_exact_texts};
use crate::database::{Batch, Result, Session, Value, quote};

impl TransformedTable {
    /// How many rows are concerned.
    pub async fn count(&self, session: &mut dyn Session) -> Result<u64> {
        let query = format!(
            "SELECT {} FROM {} WHERE true{}",
            session.server().transforming.count_rows(),
            self.name,
            self.condition()
        );
        let rows = step_rows(session, &query, &[]).await?;
        let count = rows.first().and_then(|row| row.first());
        let count = count.and_then(Value::as_integer).unwrap_or(0);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Whether there is a row whose key is not whole, which nothing could name.
    pub async fn has_nameless_row(&self, session: &mut dyn Session) -> Result<bool> {
        let nullable = self.key.iter().filter(|column| column.is_nullable);
        let conditions: Vec<String> = nullable
            .map(|column| format!("{} IS NULL", quote(&column.name)))
            .collect();
        if conditions.is_empty() {
            return Ok(false);
        }
        let query = format!(
            "SELECT 1 FROM {} WHERE {} LIMIT 1",
            self.name,
            conditions.join(" OR ")
        );
        Ok(!session.rows(&query, &[]).await?.is_empty())
    }

    /// A key, in hexadecimal, that holds bytes which are no text although the database calls them so.
    pub async fn key_without_text(&self, session: &mut dyn Session) -> Result<Option<String>> {
        let transforming = session.server().transforming;
        let columns = self.key.iter().filter_map(|column| {
            let name = quote(&column.name);
            Some((transforming.is_no_text(&name)?, name))
        });
        let (conditions, names): (Vec<String>, Vec<String>) = columns.unzip();
        if conditions.is_empty() {
            return Ok(None);
        }
        let query = format!(
            "SELECT hex({}) FROM {} WHERE {} LIMIT 1",
            names.join("), hex("),
            self.name,
            conditions.join(" OR ")
        );
        let rows = session.rows(&query, &[]).await?;
        let texts = |row: Vec<Value>| {
            let texts = row.iter().filter_map(Value::as_text);
            texts.collect::<Vec<_>>().join(", ")
        };
        Ok(rows.into_iter().next().map(texts))
    }

    /// The key of a row that has no value where it must have one, though no change of it waits in the capture.
    pub async fn unset_row(&self, session: &mut dyn Session) -> Result<Option<Vec<Value>>> {
        let missing = self.each_missing();
        if missing.is_empty() {
            return Ok(None);
        }
        let query = format!(
            "SELECT {} FROM {} AS concerned WHERE ({}) AND {} LIMIT 1",
            self.key_columns(),
            self.name,
            missing.join(" OR "),
            self.is_not_captured()
        );
        use_exact_texts(session).await?;
        Ok(session.rows(&query, &[]).await?.into_iter().next())
    }

    /// The key of a row that is not concerned, and so gets no value where it must have one; once the derived columns `are_there`,
    /// only of one that has none.
    pub async fn left_out_row(
        &self,
        session: &mut dyn Session,
        are_there: bool,
    ) -> Result<Option<Vec<Value>>> {
        let missing = self.each_missing();
        let Some(filter) = self.filter.as_ref().filter(|_| !missing.is_empty()) else {
            return Ok(None);
        };
        let missing = match are_there {
            true => format!(" AND ({})", missing.join(" OR ")),
            false => String::new(),
        };
        let query = format!(
            "SELECT {} FROM {} AS concerned WHERE ({filter}) IS NOT TRUE{missing} LIMIT 1",
            self.key_columns(),
            self.name,
        );
        use_exact_texts(session).await?;
        Ok(step_rows(session, &query, &[]).await?.into_iter().next())
    }

    /// The concerned rows after one key and up to another, in the order of the key.
    pub async fn rows_between(
        &self,
        session: &mut dyn Session,
        lower: Option<&[Value]>,
        upper: Option<&[Value]>,
        max_rows: usize,
    ) -> Result<Chunk> {
        self.rows_where(session, "true", lower, upper, max_rows)
            .await
    }

    /// The concerned rows after a key that look as if nobody had computed them, in the order of the key: no change of them
    /// waits in the capture, and a value is missing that must be there, or all are where none must.
    pub async fn rows_without_values(
        &self,
        session: &mut dyn Session,
        lower: Option<&[Value]>,
        max_rows: usize,
    ) -> Result<Chunk> {
        let missing = self.each_missing();
        let missing = match missing.is_empty() {
            true => self.each_absent().join(" AND "),
            false => missing.join(" OR "),
        };
        let condition = format!("({missing}) AND {}", self.is_not_captured());
        self.rows_where(session, &condition, lower, None, max_rows)
            .await
    }

    /// The concerned rows of these parts after a key, in the order of the key, of which no change waits in the capture.
    pub async fn rows_of_parts(
        &self,
        session: &mut dyn Session,
        parts: &BTreeSet<String>,
        lower: Option<&[Value]>,
        max_rows: usize,
    ) -> Result<Chunk> {
        let Some(is_in_parts) = session.server().transforming.is_in_parts(parts) else {
            return Ok(Chunk::default());
        };
        let condition = format!("{is_in_parts} AND {}", self.is_not_captured());
        self.rows_where(session, &condition, lower, None, max_rows)
            .await
    }

    async fn rows_where(
        &self,
        session: &mut dyn Session,
        condition: &str,
        lower: Option<&[Value]>,
        upper: Option<&[Value]>,
        max_rows: usize,
    ) -> Result<Chunk> {
        let keys = self.key_columns();
        let mut condition = condition.to_owned();
        let mut next = 1;
        if lower.is_some() {
            condition.push_str(&format!(" AND {}", self.key_is_above(next)));
            next += self.key.len();
        }
        if upper.is_some() {
            condition.push_str(&format!(" AND {}", self.key_is_at_most(next)));
        }
        let query = format!(
            "SELECT {} FROM {} AS concerned WHERE {condition}{} ORDER BY {keys} LIMIT {max_rows}",
            self.selected(),
            self.name,
            self.condition()
        );
        let keys = lower.into_iter().chain(upper).flatten();
        let keys: Vec<Value> = keys.cloned().collect();
        Chunk::read(session, self, &query, &keys, max_rows).await
    }

    /// The concerned rows of these keys; none when they are too many bytes, unless they are read `however_large` they are.
    pub async fn rows_of(
        &self,
        session: &mut dyn Session,
        keys: &[&[Value]],
        however_large: bool,
    ) -> Result<Option<Chunk>> {
        let count = keys.len();
        if count == 0 {
            return Ok(Some(Chunk::default()));
        }
        let dialect = session.server().transforming;
        let query = format!(
            "SELECT {} FROM {} AS concerned WHERE {}{}",
            self.selected(),
            self.name,
            dialect.has_key_among(self, count),
            self.condition()
        );
        let keys = keys.concat();
        match however_large {
            true => Chunk::read_all(session, self, &query, &keys, count)
                .await
                .map(Some),
            false => Chunk::read_whole(session, self, &query, &keys).await,
        }
    }

    /// What is selected of a row: what tells its version, its key, its inputs.
    fn selected(&self) -> String {
        let version = self.version.iter();
        let version = version.map(|(name, _)| format!("concerned.{name}"));
        let columns = self.key.iter().map(|column| &column.name);
        let columns = columns.chain(&self.inputs);
        let columns = columns.map(|name| format!("concerned.{}", quote(name)));
        version.chain(columns).collect::<Vec<_>>().join(", ")
    }

    /// Whether no change of a row of `concerned` waits in the capture.
    fn is_not_captured(&self) -> String {
        let same: Vec<String> = self
            .captured_keys()
            .iter()
            .zip(&self.key)
            .map(|(captured, column)| {
                // Two columns with different collations cannot be compared by either.
                let collation = match column.is_collatable {
                    true => " COLLATE pg_catalog.\"C\"",
                    false => "",
                };
                format!(
                    "captured.{captured} {} concerned.{}{collation}",
                    column.operator("="),
                    quote(&column.name)
                )
            })
            .collect();
        format!(
            "NOT EXISTS (SELECT 1 FROM {} AS captured WHERE {})",
            self.capture_name(),
            same.join(" AND ")
        )
    }

    /// Writes the derived columns into the rows that are still as they were read, and captures the others: whoever touched
    /// them may have changed nothing that the function sees, and then no trigger has. Afterwards each row has the values that
    /// belong to what it is, or waits in the capture, or is gone. A database that compares values need not look at each when
    /// what was changed since `is_captured`, still. Returns how many it captured.
    pub async fn write(
        &self,
        session: &mut dyn Session,
        chunk: Chunk,
        derived: Batch,
        is_captured: bool,
    ) -> Result<u64> {
        if chunk.row_count() == 0 {
            return Ok(0);
        }
        let dialect = session.server().transforming;
        let write = dialect.write(session, self, chunk, derived, is_captured);
        write.await
    }
}
