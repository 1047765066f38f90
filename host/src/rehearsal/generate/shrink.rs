//! Fewest rows: what is left of rows when everything is taken away that is not needed for a failure.
//!
//! Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE Transactions on Software Engineering 28
//! (2002): parts are taken away, halves first, as long as the failure stays.

use std::time::{Duration, Instant};

use super::super::fixture::TableRows;
use crate::database::Value;

/// How long it may take, where more than [`FEWEST_TRIES`] are needed.
const BUDGET: Duration = Duration::from_secs(10);

/// How often it is tried however long it takes: enough for one row among a few hundred.
const FEWEST_TRIES: usize = 40;

/// The fewest of the rows that still fail, each with cells as plain as the failure allows.
pub(in crate::rehearsal) fn shrink(
    rows: Vec<TableRows>,
    mut fails: impl FnMut(&[TableRows]) -> bool,
) -> Vec<TableRows> {
    let end = Instant::now() + BUDGET;
    let mut tries = 0;
    let mut fails = |rows: &[TableRows]| {
        tries += 1;
        let is_given_up = tries > FEWEST_TRIES && Instant::now() > end;
        !is_given_up && fails(rows)
    };
    let mut cells = flattened(rows);
    let mut size = cells.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        let mut is_smaller = false;
        while start < cells.len() {
            let rest: Vec<Single> = cells
                .iter()
                .enumerate()
                .filter(|(place, _)| !(start..start + size).contains(place))
                .map(|(_, single)| single.clone())
                .collect();
            if rest.len() < cells.len() && fails(&gathered(&rest)) {
                cells = rest;
                is_smaller = true;
            } else {
                start += size;
            }
        }
        if size == 1 && !is_smaller {
            break;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
    plain_cells(&mut cells, &mut fails);
    gathered(&cells)
}

/// One row of a table.
#[derive(Clone)]
struct Single {
    table: String,
    columns: Vec<String>,
    row: Vec<Value>,
}

fn flattened(tables: Vec<TableRows>) -> Vec<Single> {
    tables
        .into_iter()
        .flat_map(|rows| {
            let TableRows {
                table,
                columns,
                rows,
            } = rows;
            rows.into_iter().map(move |row| Single {
                table: table.clone(),
                columns: columns.clone(),
                row,
            })
        })
        .collect()
}

fn gathered(singles: &[Single]) -> Vec<TableRows> {
    let mut tables: Vec<TableRows> = Vec::new();
    for single in singles {
        match tables.iter_mut().find(|rows| rows.table == single.table) {
            Some(rows) => rows.rows.push(single.row.clone()),
            None => tables.push(TableRows {
                table: single.table.clone(),
                columns: single.columns.clone(),
                rows: vec![single.row.clone()],
            }),
        }
    }
    tables
}

/// Makes the cells plain that need not be what they are.
fn plain_cells(singles: &mut [Single], fails: &mut impl FnMut(&[TableRows]) -> bool) {
    for place in 0..singles.len() {
        let width = singles.get(place).map_or(0, |single| single.row.len());
        for position in 0..width {
            let mut tried = singles.to_vec();
            let Some(cell) = tried
                .get_mut(place)
                .and_then(|single| single.row.get_mut(position))
            else {
                continue;
            };
            let plain = match cell {
                Value::Text(text) if text != "a" => Value::from("a"),
                Value::Null | Value::Text(_) | Value::Boolean(_) => continue,
                Value::Integer(value) if !matches!(value, 0 | 1) => Value::Integer(1),
                Value::Float(value) if *value != 1.0 => Value::Float(1.0),
                _ => continue,
            };
            *cell = plain;
            if fails(&gathered(&tried)) {
                singles.clone_from_slice(&tried);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_goes() {
        let rows = TableRows {
            table: "t".to_owned(),
            columns: vec!["a".to_owned(), "b".to_owned()],
            rows: (0..40)
                .map(|number| vec![Value::Integer(number), Value::from("x")])
                .collect(),
        };
        let needs = |number: i64, rows: &[TableRows]| {
            rows.iter()
                .flat_map(|rows| &rows.rows)
                .any(|row| row.first() == Some(&Value::Integer(number)))
        };
        let left = shrink(vec![rows], |rows| needs(17, rows) && needs(33, rows));
        let [left] = &*left else {
            panic!("{left:?}");
        };
        assert_eq!(
            left.rows,
            [17, 33].map(|number| vec![Value::Integer(number), Value::from("a")])
        );
    }
}
