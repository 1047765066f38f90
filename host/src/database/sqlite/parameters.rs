//! The parameters of a statement, and which value each of them takes.
//!
//! SQLite knows `?`, `?1`, `:a`, `@a` and `$1`. It numbers them in the order in which they appear, `$2` as any other name;
//! PostgreSQL takes `$2` for the second. A step means the same on both: `$2` and `?2` are the second value.

use rusqlite::{Statement, types::Null};

use super::super::Cell;
use super::errors::misuse;

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

    /// How many values the statement takes.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Binds the values, from the first on.
    pub(super) fn bind<'a>(
        &self,
        statement: &mut Statement<'_>,
        cells: impl Iterator<Item = Cell<'a>>,
    ) -> rusqlite::Result<()> {
        let Some(order) = &self.order else {
            for (number, cell) in (1..).zip(cells) {
                bind(statement, number, cell)?;
            }
            return Ok(());
        };
        let cells: Vec<Cell<'a>> = cells.collect();
        for (number, value) in (1..).zip(order) {
            bind(
                statement,
                number,
                cells.get(*value).copied().unwrap_or(Cell::Null),
            )?;
        }
        Ok(())
    }
}

fn bind(statement: &mut Statement<'_>, number: usize, cell: Cell<'_>) -> rusqlite::Result<()> {
    match cell {
        Cell::Null => statement.raw_bind_parameter(number, Null),
        Cell::Boolean(value) => statement.raw_bind_parameter(number, value),
        Cell::Integer(value) => statement.raw_bind_parameter(number, value),
        Cell::Float(value) => statement.raw_bind_parameter(number, value),
        Cell::Text(text) => statement.raw_bind_parameter(number, text),
        Cell::Bytes(bytes) => statement.raw_bind_parameter(number, bytes),
    }
}
