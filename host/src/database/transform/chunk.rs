//! Some rows as they were read.

use super::table::TransformedTable;
use super::use_exact_texts;
use crate::database::{Authority, Batch, ColumnData, Result, Session, Value};

/// The most bytes that a chunk has, whatever its rows. Stops rows of megabytes from filling the memory.
const MAX_BYTES: usize = 8 << 20;

/// Rows as they were read.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// What tells the rows' versions, and their keys.
    pub(in crate::database) before: Batch,
    /// What the function is given of them.
    pub inputs: Batch,
}

impl Chunk {
    /// The first rows of a query: as many as it finds, or fewer when they are large; one at least, unless there is none.
    pub(super) async fn read(
        session: &mut dyn Session,
        table: &TransformedTable,
        query: &str,
        parameters: &[Value],
        max_rows: usize,
    ) -> Result<Self> {
        use_exact_texts(session).await?;
        let read = session.read(Authority::Step, query, parameters, max_rows, MAX_BYTES);
        Ok(Self::of(table, read.await?))
    }

    /// All rows that the query finds, however large they are: at most `max_rows`.
    pub(super) async fn read_all(
        session: &mut dyn Session,
        table: &TransformedTable,
        query: &str,
        parameters: &[Value],
        max_rows: usize,
    ) -> Result<Self> {
        use_exact_texts(session).await?;
        let read = session.read(Authority::Step, query, parameters, max_rows, usize::MAX);
        Ok(Self::of(table, read.await?))
    }

    /// All rows that the query finds; none when they are too many bytes.
    pub(super) async fn read_whole(
        session: &mut dyn Session,
        table: &TransformedTable,
        query: &str,
        parameters: &[Value],
    ) -> Result<Option<Self>> {
        use_exact_texts(session).await?;
        let cursor = session.query(Authority::Step, query, parameters).await?;
        let mut whole = Batch::default();
        while whole.size() <= MAX_BYTES {
            let batch = session.fetch(cursor, usize::MAX, MAX_BYTES).await?;
            if batch.row_count == 0 {
                session.close(cursor).await;
                return Ok(Some(Self::of(table, whole)));
            }
            whole = whole.append(&batch);
        }
        session.close(cursor).await;
        Ok(None)
    }

    fn of(table: &TransformedTable, batch: Batch) -> Self {
        let row_count = batch.row_count;
        let mut before = batch.columns;
        let width = table.version.len() + table.key.len();
        let inputs = before.split_off(width.min(before.len()));
        let batch_of = |columns| Batch { row_count, columns };
        Self {
            before: batch_of(before),
            inputs: batch_of(inputs),
        }
    }

    /// How many rows they are.
    pub fn row_count(&self) -> usize {
        self.inputs.row_count
    }

    /// These of the rows.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            before: self.before.select(rows),
            inputs: self.inputs.select(rows),
        }
    }

    /// The key of one row.
    pub fn key(&self, table: &TransformedTable, row: usize) -> Vec<Value> {
        let keys = self.before.columns.get(table.version.len()..);
        cells(keys.unwrap_or_default(), row)
    }

    /// What the function is given of one row.
    pub fn input(&self, row: usize) -> Vec<Value> {
        cells(&self.inputs.columns, row)
    }
}

fn cells(columns: &[ColumnData], row: usize) -> Vec<Value> {
    columns
        .iter()
        .map(|column| Value::from(column.cell(row)))
        .collect()
}
