//! The parameters of a statement, and which value each of them takes.
//!
//! SQLite knows `?`, `?1`, `:a`, `@a` and `$1`. It numbers them in the order in which they appear, `$2` as any other name;
//! PostgreSQL takes `$2` for the second. A step means the same on both: `$2` and `?2` are the second value.

use rusqlite::{Statement, types::Null};

use super::super::{Batch, Cell, ColumnValues, Error, Result};
use super::errors::misuse;

/// Why it is refused. <https://www.sqlite.org/floatingpoint.html>
pub(in crate::database::sqlite) const NO_NAN: &str =
    "which SQLite cannot store: it would make it null";

/// The parameters of a statement.
pub(super) struct Parameters {
    /// How many values it takes.
    count: usize,
    /// For each of SQLite's own numbers, less one, the number of its value, from 0; none when they are the same.
    order: Option<Vec<usize>>,
}

impl Parameters {
    pub(super) fn of(statement: &Statement<'_>) -> rusqlite::Result<Self> {
        let count = statement.parameter_count();
        let mut order = Vec::with_capacity(count);
        let mut numbered = 0;
        for number in 1..=count {
            let name = statement.parameter_name(number);
            match name.and_then(|name| name.strip_prefix('$')) {
                None => order.push(number - 1),
                Some(digits) => {
                    numbered += 1;
                    let value = digits
                        .parse::<usize>()
                        .ok()
                        .filter(|value| (1..=count).contains(value))
                        .ok_or_else(|| {
                            misuse(&format!(
                                "the parameter `${digits}` is none of $1 to ${count}: the parameters of a statement are \
                                 numbered from $1 without a gap"
                            ))
                        })?;
                    order.push(value - 1);
                }
            }
        }
        if numbered > 0 && numbered < count {
            return Err(misuse(
                "the statement mixes parameters such as $1 with others: write all of them as $1, $2, …, or all as ?",
            ));
        }
        let is_sorted = order
            .iter()
            .enumerate()
            .all(|(number, value)| number == *value);
        Ok(Self {
            count,
            order: (!is_sorted).then_some(order),
        })
    }

    /// Whether so many values are what the statement takes.
    pub(super) fn expect(&self, given: usize) -> Result<()> {
        if self.count == given {
            return Ok(());
        }
        Err(Error::invalid_argument(format!(
            "the statement has {} parameters, but {given} values were given",
            self.count
        )))
    }

    /// Whether each of these rows has the values that the statement takes.
    pub(super) fn expect_rows(&self, rows: &Batch) -> Result<()> {
        self.expect(rows.columns.len())?;
        refuse_nan(rows, &[])
    }

    /// Binds the values, from the first on.
    pub(super) fn bind<'a>(
        &self,
        statement: &mut Statement<'_>,
        cells: impl Iterator<Item = Cell<'a>>,
    ) -> rusqlite::Result<()> {
        let Some(order) = &self.order else {
            for (place, cell) in cells.enumerate() {
                bind(statement, place + 1, place, cell)?;
            }
            return Ok(());
        };
        let cells: Vec<Cell<'a>> = cells.collect();
        for (number, value) in (1..).zip(order) {
            let cell = cells.get(*value).copied().unwrap_or(Cell::Null);
            bind(statement, number, *value, cell)?;
        }
        Ok(())
    }
}

/// Binds the value with this place among those given to the parameter with SQLite's own number.
fn bind(
    statement: &mut Statement<'_>,
    number: usize,
    place: usize,
    cell: Cell<'_>,
) -> rusqlite::Result<()> {
    match cell {
        Cell::Null => statement.raw_bind_parameter(number, Null),
        Cell::Boolean(value) => statement.raw_bind_parameter(number, value),
        Cell::Integer(value) => statement.raw_bind_parameter(number, value),
        Cell::Float(value) if value.is_nan() => Err(misuse(&format!(
            "the value of parameter {} is NaN, {NO_NAN}",
            place + 1
        ))),
        Cell::Float(value) => statement.raw_bind_parameter(number, value),
        Cell::Text(text) => statement.raw_bind_parameter(number, text),
        Cell::Bytes(bytes) => statement.raw_bind_parameter(number, bytes),
    }
}

/// The row and the column of the first NaN among these values.
pub(in crate::database::sqlite) fn find_nan(rows: &Batch) -> Option<(usize, usize)> {
    let mut columns = rows.columns.iter().enumerate();
    columns.find_map(|(place, column)| {
        let may_have = matches!(
            column.values,
            ColumnValues::Floats(_) | ColumnValues::Mixed(_)
        );
        let mut all = 0..if may_have { rows.row_count } else { 0 };
        let is_nan =
            |row: &usize| matches!(column.cell(*row), Cell::Float(value) if value.is_nan());
        all.find(is_nan).map(|row| (row, place))
    })
}

/// Refuses a NaN among the values for these columns, or for parameters where there are none.
pub(super) fn refuse_nan(rows: &Batch, columns: &[String]) -> Result<()> {
    let Some((row, column)) = find_nan(rows) else {
        return Ok(());
    };
    let name = match columns.get(column) {
        Some(name) => format!("the column `{name}`"),
        None => format!("parameter {}", column + 1),
    };
    Err(Error::invalid_argument(format!(
        "row {} of the batch: the value of {name} is NaN, {NO_NAN}",
        row + 1
    )))
}
