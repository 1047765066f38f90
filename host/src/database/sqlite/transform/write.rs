//! Writes derived columns, row by row.

use crate::database::sqlite::parameters::{NO_NAN, find_nan};
use crate::database::transform::{Chunk, TransformedTable};
use crate::database::{Batch, ColumnData, Error, ErrorKind, Result, Session, quote};

/// Writes the rows that are still as they were read, and captures the others.
pub(super) async fn write(
    session: &mut dyn Session,
    table: &TransformedTable,
    chunk: Chunk,
    derived: Batch,
    is_captured: bool,
) -> Result<u64> {
    refuse_nan(table, &derived)?;
    let row_count = chunk.row_count();
    let inputs = chunk.inputs.columns;
    let columns: Vec<ColumnData> = derived
        .columns
        .into_iter()
        .chain(chunk.before.columns)
        .collect();
    let mut batch = Batch { row_count, columns };
    let unwritten = match is_captured {
        true => {
            let statement = update_blindly(table);
            let unwritten = session.execute_each(&statement, &batch).await?;
            batch.columns.extend(inputs);
            unwritten
        }
        false => {
            batch.columns.extend(inputs);
            session.execute_each(&update(table), &batch).await?
        }
    };
    if unwritten.is_empty() {
        return Ok(0);
    }
    let unwritten = batch.select(&unwritten);
    session.execute_many(&capture(table), &unwritten).await
}

/// Refuses rows with a value that SQLite would store as null.
fn refuse_nan(table: &TransformedTable, derived: &Batch) -> Result<()> {
    let Some((_, column)) = find_nan(derived) else {
        return Ok(());
    };
    let name = table.derived.get(column).map(|column| column.name.clone());
    Err(Error {
        code: "SQLITE_MISMATCH".to_owned(),
        column: name.clone(),
        ..Error::new(
            ErrorKind::Other,
            format!(
                "the value of the column `{}` is NaN, {NO_NAN}",
                name.unwrap_or_default()
            ),
        )
    })
}

/// Without a look at what is there: the derived values, then the key.
fn update_blindly(table: &TransformedTable) -> String {
    let (set, has_key) = (set(table), has_key(table));
    format!("UPDATE {} SET {set} WHERE {has_key}", table.name)
}

/// The derived values, then the key, then the inputs. A row that has its values already is not written: a trigger that notes
/// every change could make it wait for the drain again and again.
fn update(table: &TransformedTable) -> String {
    let (unchanged, differs) = compare(table);
    format!(
        "UPDATE {} SET {} WHERE {} AND {unchanged} AND ({differs})",
        table.name,
        set(table),
        has_key(table),
    )
}

/// Captures a row that is there but not written. The same parameters as for [`update`].
fn capture(table: &TransformedTable) -> String {
    let (unchanged, differs) = compare(table);
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM {} WHERE {} AND NOT ({unchanged} AND NOT ({differs}))",
        table.capture_name(),
        table.captured_keys().join(", "),
        table.key_columns(),
        table.name,
        has_key(table),
    )
}

fn set(table: &TransformedTable) -> String {
    let set: Vec<String> = (1..)
        .zip(&table.derived)
        .map(|(number, column)| format!("{} = ?{number}", quote(&column.name)))
        .collect();
    set.join(", ")
}

fn has_key(table: &TransformedTable) -> String {
    let has_key: Vec<String> = (table.derived.len() + 1..)
        .zip(&table.key)
        .map(|(number, column)| format!("{} = ?{number}", quote(&column.name)))
        .collect();
    has_key.join(" AND ")
}

/// Whether a row's inputs are as they were read, and whether its derived values are not yet what is to be written.
fn compare(table: &TransformedTable) -> (String, String) {
    let width = table.derived.len();
    // Two texts that a column's collation calls the same are different to the function.
    let unchanged = (width + 1 + table.key.len()..)
        .zip(&table.inputs)
        .map(|(number, name)| format!("{} COLLATE BINARY IS ?{number}", quote(name)));
    let differs: Vec<String> = (1..)
        .zip(&table.derived)
        .map(|(number, column)| format!("{} COLLATE BINARY IS NOT ?{number}", quote(&column.name)))
        .collect();
    let unchanged: Vec<String> = unchanged.collect();
    (unchanged.join(" AND "), differs.join(" OR "))
}
