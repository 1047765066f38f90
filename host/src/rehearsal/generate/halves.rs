//! Which rows a database takes, found with few tries: they are tried together, and halved where one of them is refused.

use super::super::fixture::TableRows;

/// Where so many plain rows are refused one after the other, the rest of those that are refused together is given up: they are
/// alike.
const MOST_REFUSED: usize = 50;

/// Rows of one table that are being tried.
pub(in crate::rehearsal) struct Halves {
    accepted: TableRows,
    /// The next ones last.
    waiting: Vec<TableRows>,
    are_alike: bool,
    /// How many were refused one by one since any were taken.
    refused: usize,
}

impl Halves {
    /// Of these rows. Plain ones `are_alike`.
    pub(in crate::rehearsal) fn of(rows: TableRows, are_alike: bool) -> Self {
        Self {
            accepted: TableRows {
                rows: Vec::new(),
                ..rows.clone()
            },
            waiting: vec![rows],
            are_alike,
            refused: 0,
        }
    }

    /// The next rows to be tried together.
    pub(in crate::rehearsal) fn next(&mut self) -> Option<TableRows> {
        self.waiting.retain(|rows| !rows.rows.is_empty());
        self.waiting.pop()
    }

    /// These were taken.
    pub(in crate::rehearsal) fn taken(&mut self, mut rows: TableRows) {
        self.accepted.rows.append(&mut rows.rows);
        self.refused = 0;
    }

    /// One of these was refused.
    pub(in crate::rehearsal) fn refused(&mut self, mut rows: TableRows) {
        if rows.rows.len() <= 1 {
            self.refused += 1;
        } else if !self.are_alike || self.refused < MOST_REFUSED {
            let second_half = TableRows {
                rows: rows.rows.split_off(rows.rows.len() / 2),
                ..rows.clone()
            };
            self.waiting.extend([second_half, rows]);
        }
    }

    /// All that were taken.
    pub(super) fn accepted(self) -> TableRows {
        self.accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Value;

    /// How many of so many rows are taken, and after how many tries.
    fn taken(count: i64, are_alike: bool, is_good: impl Fn(i64) -> bool) -> (usize, usize) {
        let rows = TableRows {
            table: "t".to_owned(),
            columns: vec!["a".to_owned()],
            rows: (0..count)
                .map(|number| vec![Value::Integer(number)])
                .collect(),
        };
        let is_good =
            |row: &Vec<Value>| matches!(row[..], [Value::Integer(number)] if is_good(number));
        let mut halves = Halves::of(rows, are_alike);
        let mut tries = 0;
        while let Some(rows) = halves.next() {
            tries += 1;
            match rows.rows.iter().all(is_good) {
                true => halves.taken(rows),
                false => halves.refused(rows),
            }
        }
        (halves.accepted().rows.len(), tries)
    }

    #[test]
    fn rows_at_the_edges_are_tried_to_the_last() {
        assert_eq!(taken(300, false, |number| number % 100 == 99), (3, 599));
        assert_eq!(taken(300, false, |number| number != 17).0, 299);
    }

    #[test]
    fn plain_rows_that_are_all_refused_are_given_up() {
        let (count, tries) = taken(8_000, true, |_| false);
        assert_eq!(count, 0);
        assert!(tries < 150, "{tries}");
    }

    /// As a column is that holds percents.
    #[test]
    fn plain_rows_that_are_refused_from_some_row_on_are_given_up() {
        let (count, tries) = taken(8_000, true, |number| number <= 100);
        assert_eq!(count, 101);
        assert!(tries < 200, "{tries}");
    }

    #[test]
    fn good_plain_rows_are_found_behind_many_that_are_refused() {
        let (count, tries) = taken(8_000, true, |number| number >= 1_000);
        assert!(count >= 6_000, "{count}");
        assert!(tries < 200, "{tries}");
        // Now and then one is refused.
        assert_eq!(taken(8_000, true, |number| number % 40 != 0).0, 7_800);
    }
}
