//! Some rows: read, and written back when their derived columns are computed.

use std::collections::BTreeSet;

use super::plan::Plan;
use crate::database::{
    Authority, Batch, Cell, ColumnData, Kind, Result, RowVersion, Session, Value,
};
use crate::journal::Range;

/// The most bytes that a chunk has, whatever its rows. Stops rows of megabytes from filling the memory.
const MOST_BYTES: usize = 8 << 20;

/// How many keys are captured by one statement: fewer parameters than every database takes.
const CAPTURED_AT_ONCE: usize = 500;

/// Rows as they were read.
#[derive(Default)]
pub(super) struct Chunk {
    /// What tells the rows' versions, and their keys.
    before: Batch,
    pub(super) inputs: Batch,
}

impl Chunk {
    /// Runs a query of the plan and takes its rows: as many as it finds, or fewer when they are large.
    pub(super) async fn read(
        session: &mut dyn Session,
        plan: &Plan,
        query: &str,
        parameters: &[Value],
        most_rows: usize,
        most_bytes: usize,
    ) -> Result<Self> {
        let batch = session
            .read(Authority::Step, query, parameters, most_rows, most_bytes)
            .await?;
        Ok(Self::of(plan, batch))
    }

    /// The next rows of a range, at most `most`, and the range as it is behind them.
    pub(super) async fn next_of(
        range: &Range,
        session: &mut dyn Session,
        plan: &Plan,
        most: usize,
    ) -> Result<(Self, Range)> {
        let query = plan.rows_between(range.position.is_some(), range.upper.is_some(), most);
        let keys = range.position.iter().chain(&range.upper).flatten();
        let keys: Vec<Value> = keys.cloned().collect();
        let chunk = Self::read(session, plan, &query, &keys, most, MOST_BYTES).await?;
        // However large the rows are, there are none only at the end.
        let rows = chunk.row_count();
        let mut behind = range.clone();
        match rows.checked_sub(1) {
            None => behind.is_done = true,
            Some(last) => {
                behind.position = Some(chunk.key(plan, last));
                behind.rows_done += i64::try_from(rows).unwrap_or(0);
            }
        }
        Ok((chunk, behind))
    }

    /// Rows behind a key that look as if nobody had computed them, at most `most`.
    pub(super) async fn without_values(
        session: &mut dyn Session,
        plan: &Plan,
        behind: Option<&[Value]>,
        most: usize,
    ) -> Result<Self> {
        let query = plan.rows_without_values(behind.is_some(), most);
        let key = behind.unwrap_or_default();
        Self::read(session, plan, &query, key, most, MOST_BYTES).await
    }

    /// The same as [`Chunk::read`] for all rows that the query finds; none when they are too many bytes.
    pub(super) async fn read_whole(
        session: &mut dyn Session,
        plan: &Plan,
        query: &str,
        parameters: &[Value],
    ) -> Result<Option<Self>> {
        let cursor = session.query(Authority::Step, query, parameters).await?;
        let mut whole = Batch::default();
        while whole.size() <= MOST_BYTES {
            let batch = session.fetch(cursor, usize::MAX, MOST_BYTES).await?;
            if batch.row_count == 0 {
                session.close(cursor).await;
                return Ok(Some(Self::of(plan, whole)));
            }
            whole = whole.append(&batch);
        }
        session.close(cursor).await;
        Ok(None)
    }

    fn of(plan: &Plan, batch: Batch) -> Self {
        let row_count = batch.row_count;
        let mut before = batch.columns;
        let inputs = before.split_off(plan.columns_before_inputs().min(before.len()));
        let batch_of = |columns| Batch { row_count, columns };
        Self {
            before: batch_of(before),
            inputs: batch_of(inputs),
        }
    }

    pub(super) fn row_count(&self) -> usize {
        self.inputs.row_count
    }

    /// These rows of it.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            before: self.before.select(rows),
            inputs: self.inputs.select(rows),
        }
    }

    /// The key of one row.
    pub(super) fn key(&self, plan: &Plan, row: usize) -> Vec<Value> {
        let keys = self.before.columns.get(plan.columns_before_key()..);
        cells(keys.unwrap_or_default(), row)
    }

    /// What the function is given of one row.
    pub(super) fn input(&self, row: usize) -> Vec<Value> {
        cells(&self.inputs.columns, row)
    }

    /// Writes the derived columns into the rows that are still as they were read, and captures the others: whoever touched
    /// them may have changed nothing that the function sees, and then no trigger has. Afterwards each row has the values that
    /// belong to what it is, or waits in the capture, or is gone. SQLite need not look at each when what was changed since
    /// `is_captured`, still. Returns how many it captured.
    pub(super) async fn write(
        self,
        session: &mut dyn Session,
        plan: &Plan,
        derived: Batch,
        is_captured: bool,
    ) -> Result<u64> {
        if self.row_count() == 0 {
            return Ok(0);
        }
        match session.server().capabilities.row_version {
            RowVersion::Values => self.write_each(session, plan, derived, is_captured).await,
            RowVersion::SystemColumns => self.write_all(session, plan, derived).await,
        }
    }

    async fn write_each(
        self,
        session: &mut dyn Session,
        plan: &Plan,
        derived: Batch,
        is_captured: bool,
    ) -> Result<u64> {
        let row_count = self.row_count();
        let inputs = self.inputs.columns;
        let columns: Vec<ColumnData> = derived
            .columns
            .into_iter()
            .chain(self.before.columns)
            .collect();
        let mut batch = Batch { row_count, columns };
        let unwritten = match is_captured {
            true => {
                let statement = plan.write_each_blindly();
                let unwritten = session.execute_each(&statement, &batch).await?;
                batch.columns.extend(inputs);
                unwritten
            }
            false => {
                batch.columns.extend(inputs);
                session.execute_each(&plan.write(), &batch).await?
            }
        };
        if unwritten.is_empty() {
            return Ok(0);
        }
        let statement = plan.capture_each_unwritten();
        let unwritten = batch.select(&unwritten);
        session.execute_many(&statement, &unwritten).await
    }

    async fn write_all(
        self,
        session: &mut dyn Session,
        plan: &Plan,
        derived: Batch,
    ) -> Result<u64> {
        let all: Vec<usize> = (0..self.row_count()).collect();
        let arrays = self.arrays(plan, &derived);
        let written = places(session, &plan.write(), &arrays, all.len()).await?;
        let unwritten = without(&all, &written);
        if unwritten.is_empty() {
            return Ok(0);
        }
        // A row that has its values already is not written again.
        let rest = self.select(&unwritten);
        let arrays = rest.arrays(plan, &derived.select(&unwritten));
        let query = plan.unchanged_and_written();
        let right = places(session, &query, &arrays, unwritten.len()).await?;
        let touched: Vec<usize> = (0..unwritten.len()).collect();
        let touched = without(&touched, &right);
        let keys = touched.iter().map(|row| rest.key(plan, *row)).collect();
        capture(session, plan, keys).await
    }

    /// What tells the rows from all others, and their derived values, each as an array.
    fn arrays(&self, plan: &Plan, derived: &Batch) -> Vec<Value> {
        let versions = self.before.columns.iter().take(plan.columns_before_key());
        versions
            .chain(&derived.columns)
            .map(|column| Value::Text(array(column, self.row_count())))
            .collect()
    }
}

/// Runs a statement that returns places of rows, of which there are so many; returns them, from 0.
async fn places(
    session: &mut dyn Session,
    statement: &str,
    arrays: &[Value],
    rows: usize,
) -> Result<BTreeSet<usize>> {
    let read = session.read(Authority::Step, statement, arrays, rows + 1, usize::MAX);
    let places = read.await?;
    let place = |row: Vec<Value>| {
        usize::try_from(row.first()?.as_integer()?)
            .ok()?
            .checked_sub(1)
    };
    Ok(places.into_rows().filter_map(place).collect())
}

fn without(rows: &[usize], others: &BTreeSet<usize>) -> Vec<usize> {
    let rows = rows.iter().filter(|row| !others.contains(row));
    rows.copied().collect()
}

/// Puts keys into the capture, so that the drain takes up what became of their rows; returns how many they are.
pub(super) async fn capture(
    session: &mut dyn Session,
    plan: &Plan,
    keys: Vec<Vec<Value>>,
) -> Result<u64> {
    for keys in keys.chunks(CAPTURED_AT_ONCE) {
        let (statement, keys) = (plan.capture_keys(keys.len()), keys.concat());
        change_capture(session, plan, &statement, &keys).await?;
    }
    Ok(keys.len() as u64)
}

/// Changes the capture with a statement that holds no words of the step's.
pub(super) async fn change_capture(
    session: &mut dyn Session,
    plan: &Plan,
    statement: &str,
    parameters: &[Value],
) -> Result<()> {
    match plan.kind {
        // Triggers on it run in the name of the step.
        Kind::Sqlite => {
            let changed = session.execute(Authority::Step, statement, parameters);
            changed.await.map(|_| ())
        }
        // The role that steps work in may have no right to it.
        Kind::Postgres => session.execute_later(statement, parameters).await,
    }
}

fn cells(columns: &[ColumnData], row: usize) -> Vec<Value> {
    columns
        .iter()
        .map(|column| Value::from(column.cell(row)))
        .collect()
}

/// A column as PostgreSQL writes an array: <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>
fn array(column: &ColumnData, rows: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(rows * 12);
    text.push('{');
    for row in 0..rows {
        if row > 0 {
            text.push(',');
        }
        // Writing to a text does not fail.
        let _ = match column.cell(row) {
            Cell::Null => {
                text.push_str("NULL");
                Ok(())
            }
            Cell::Boolean(value) => write!(text, "{value}"),
            Cell::Integer(value) => write!(text, "{value}"),
            // In quotes, for the infinities.
            Cell::Float(value) => write!(text, "\"{value:?}\""),
            Cell::Text(value) => {
                push_quoted(&mut text, value);
                Ok(())
            }
            Cell::Bytes(bytes) => {
                text.push_str("\"\\\\x");
                let hexadecimal = bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"));
                text.push('"');
                hexadecimal
            }
        };
    }
    text.push('}');
    text
}

fn push_quoted(text: &mut String, mut value: &str) {
    text.push('"');
    while let Some(place) = value.find(['"', '\\']) {
        let (plain, rest) = value.split_at(place);
        text.push_str(plain);
        text.push('\\');
        let (special, behind) = rest.split_at(1);
        text.push_str(special);
        value = behind;
    }
    text.push_str(value);
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::ColumnBuilder;

    #[test]
    fn an_array_holds_whatever_a_text_may() {
        let mut builder = ColumnBuilder::default();
        for cell in ["", "a", "NULL", "a,b", "\"\\\"", "{}", "ü\n"] {
            builder.push(Cell::Text(cell));
        }
        builder.push(Cell::Null);
        let expected = r#"{"","a","NULL","a,b","\"\\\"","{}","ü
",NULL}"#;
        assert_eq!(array(&builder.finish(), 8), expected);
    }

    #[test]
    fn an_array_holds_bytes_and_numbers() {
        let of = |cell: Cell<'_>| {
            let mut builder = ColumnBuilder::default();
            builder.push(cell);
            array(&builder.finish(), 1)
        };
        assert_eq!(of(Cell::Bytes(&[0, 255])), r#"{"\\x00ff"}"#);
        assert_eq!(of(Cell::Float(f64::NEG_INFINITY)), r#"{"-inf"}"#);
        assert_eq!(of(Cell::Boolean(true)), "{true}");
        assert_eq!(of(Cell::Integer(-1)), "{-1}");
    }
}
