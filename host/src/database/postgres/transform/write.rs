//! Writes derived columns, all rows at once.

use std::collections::BTreeSet;

use super::array::array;
use crate::database::transform::{Chunk, ColumnDefinition, Form, TransformedTable};
use crate::database::{Authority, Batch, Result, Session, Value, quote};

/// Writes the rows that are still as they were read, and captures the others.
pub(super) async fn write(
    session: &mut dyn Session,
    table: &TransformedTable,
    chunk: Chunk,
    derived: Batch,
) -> Result<u64> {
    let all: Vec<usize> = (0..chunk.row_count()).collect();
    let values = values(&chunk, table, &derived);
    let written = places(session, &update(table), &values, all.len()).await?;
    let unwritten = without(&all, &written);
    if unwritten.is_empty() {
        return Ok(0);
    }
    // A row that has its values already is not written again.
    let rest = chunk.select(&unwritten);
    let values = self::values(&rest, table, &derived.select(&unwritten));
    let query = unchanged_and_written(table);
    let right = places(session, &query, &values, unwritten.len()).await?;
    let touched: Vec<usize> = (0..unwritten.len()).collect();
    let touched = without(&touched, &right);
    let keys = touched.iter().map(|row| rest.key(table, *row)).collect();
    table.capture(session, keys).await
}

/// What tells the rows from all others, and their derived values, each as an array.
fn values(chunk: &Chunk, table: &TransformedTable, derived: &Batch) -> Vec<Value> {
    let versions = chunk.before.columns.iter().take(table.version.len());
    versions
        .chain(&derived.columns)
        .map(|column| Value::Text(array(column, chunk.row_count())))
        .collect()
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

/// From arrays: what tells the rows, then the derived values. A row that has its values already is not written: a trigger that
/// notes every change could make it wait for the drain again and again. Bytes are compared, because two values can be equal
/// and not the same. Returns the places of the rows that were written, from 1.
fn update(table: &TransformedTable) -> String {
    let Arrays {
        rows,
        is_same,
        set,
        differs,
    } = arrays(table);
    format!(
        "UPDATE {} AS concerned SET {set} FROM {rows} WHERE {is_same} AND {differs} RETURNING derived.place",
        table.name
    )
}

/// The places of those rows, from 1, that are still as they were read and have these values: the same arrays as for
/// [`update`].
fn unchanged_and_written(table: &TransformedTable) -> String {
    let Arrays {
        rows,
        is_same,
        differs,
        ..
    } = arrays(table);
    format!(
        "SELECT derived.place FROM {rows} JOIN {} AS concerned ON {is_same} WHERE NOT {differs}",
        table.name
    )
}

/// Words for rows that come as arrays.
struct Arrays {
    /// The rows, as `derived`.
    rows: String,
    /// Whether a row of the table is one of them, and as it was read.
    is_same: String,
    /// What is set in it.
    set: String,
    /// Whether that would change it.
    differs: String,
}

/// The elements of an array. The server must not know how many there are: for many it would rather read the whole table
/// than look up rows by their places.
fn unnest(number: usize, element: &str) -> String {
    format!("pg_catalog.unnest((SELECT ${number}::{element}[]))")
}

/// Whether a cast to a type with a length cuts a value off: <https://www.postgresql.org/docs/current/datatype-character.html>
fn is_cut(type_name: &str) -> bool {
    let cut = [
        "character",
        "bit",
        "\"pg_catalog\".bpchar",
        "\"pg_catalog\".\"bit\"",
    ];
    cut.iter().any(|cut| type_name.starts_with(cut))
}

fn arrays(table: &TransformedTable) -> Arrays {
    let version = table.version;
    let mut arrays = Vec::new();
    let mut names = Vec::new();
    let mut same = Vec::new();
    for (number, (name, type_name)) in (1..).zip(version) {
        arrays.push(unnest(number, &format!("pg_catalog.{type_name}")));
        names.push(format!("row_{name}"));
        same.push(format!(
            "concerned.{name} OPERATOR(pg_catalog.=) derived.row_{name}"
        ));
    }
    let mut set = Vec::new();
    let mut old = Vec::new();
    let mut new = Vec::new();
    let columns = table.derived.iter().zip(&table.present).enumerate();
    for (place, (column, present)) in columns {
        let ColumnDefinition {
            type_name: stored,
            base_type,
            form,
            ..
        } = present;
        let number = version.len() + place + 1;
        names.push(format!("value_{place}"));
        // An array of arrays would come apart into its last elements, one of rows into their fields.
        let (element, cast) = match form {
            Form::Plain => (base_type.as_str(), String::new()),
            Form::Elements | Form::Fields => ("pg_catalog.text", format!("::{base_type}")),
        };
        arrays.push(unnest(number, element));
        let name = quote(&column.name);
        set.push(format!("{name} = derived.value_{place}{cast}"));
        old.push(format!("concerned.{name}"));
        new.push(match is_cut(base_type) {
            false => format!("derived.value_{place}::{stored}"),
            // A cast would cut off what is too long, and so hide that it is.
            true => format!("derived.value_{place}{cast}"),
        });
    }
    names.push("place".to_owned());
    Arrays {
        rows: format!(
            "ROWS FROM ({}) WITH ORDINALITY AS derived ({})",
            arrays.join(", "),
            names.join(", ")
        ),
        is_same: same.join(" AND "),
        set: set.join(", "),
        differs: format!(
            "pg_catalog.record_image_ne(ROW({}), ROW({}))",
            old.join(", "),
            new.join(", ")
        ),
    }
}
