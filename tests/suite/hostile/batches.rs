//! Batches that lie about what is in them.

use crate::place::Place;

use super::attack;
use super::component::{Component, must, writes};

const INTEGERS: u8 = 1;
const TEXTS: u8 = 3;
const BYTES: u8 = 4;

/// A column as it lies in a component's memory: the list of validity bytes, the number of the case, and its lists.
pub fn column(case: u8, validity: &[(usize, usize)], lists: &[(usize, usize)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let list = |bytes: &mut Vec<u8>, (address, length): (usize, usize)| {
        bytes.extend(u32::try_from(address).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
    };
    list(&mut bytes, validity.first().copied().unwrap_or((0, 0)));
    bytes.extend([case, 0, 0, 0]);
    for place in lists {
        list(&mut bytes, *place);
    }
    bytes.resize(28, 0);
    bytes
}

/// A batch that pretends to have so many rows.
struct Batch {
    component: Component,
    columns: Vec<u8>,
    rows: u32,
}

impl Batch {
    fn of(rows: u32) -> Self {
        Self {
            component: Component::new(),
            columns: Vec::new(),
            rows,
        }
    }

    fn with_integers(self, cells: &[i64]) -> Self {
        self.with_validity_and_integers(&[], cells)
    }

    fn with_validity_and_integers(mut self, validity: &[u8], cells: &[i64]) -> Self {
        let validity = (self.component.put(validity), validity.len());
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_le_bytes()).collect();
        let cells = (self.component.put(&bytes), cells.len());
        self.columns.extend(column(INTEGERS, &[validity], &[cells]));
        self
    }

    fn with_offsets(mut self, case: u8, ends: &[u32], data: &[u8]) -> Self {
        let bytes: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        let ends = (self.component.put(&bytes), ends.len());
        let data = (self.component.put(data), data.len());
        self.columns.extend(column(case, &[], &[ends, data]));
        self
    }

    /// Passes it to `execute-many`, which must refuse it with these words.
    #[track_caller]
    fn gets_refused(mut self, statement: &str, words: &str) {
        let columns = self.component.put(&self.columns);
        let count = self.columns.len() / 28;
        let call = must(&format!(
            "$many {{{{{statement}}}}} (i32.const {}) (i32.const {columns}) (i32.const {count})",
            self.rows.cast_signed()
        ));
        attack(self.component.with("migrate", writes() + &call))
            .fails()
            .saying(words)
            .and_the_host_works_on();
    }

    /// Loads it into a column of a table, which must be refused with these words.
    #[track_caller]
    fn does_not_load(mut self, table: &str, name: &str, words: &str) {
        let columns = self.component.put(&self.columns);
        let text = self.component.put(name.as_bytes());
        let names: Vec<u8> = [text, name.len()]
            .iter()
            .flat_map(|number| u32::try_from(*number).unwrap().to_le_bytes())
            .collect();
        let names = self.component.put(&names);
        let call = must(&format!(
            "$load {{{{{table}}}}} (i32.const {names}) (i32.const {}) (i32.const {columns})",
            self.rows.cast_signed()
        ));
        attack(self.component.with("migrate", writes() + &call))
            .fails()
            .saying(words)
            .and_the_host_works_on();
    }
}

const TWO_COLUMNS: &str = "INSERT INTO account VALUES ($1, 'Mallory', $2)";
const ONE_COLUMN: &str = "INSERT INTO audit VALUES ($1)";

#[test]
fn columns_of_different_lengths_are_found_out() {
    Batch::of(3)
        .with_integers(&[7, 8, 9])
        .with_integers(&[0, 0])
        .gets_refused(TWO_COLUMNS, "column 2 of the batch: 2 cells for 3 rows");
    Batch::of(1)
        .with_integers(&[7, 8])
        .gets_refused(ONE_COLUMN, "column 1 of the batch: 2 cells for 1 rows");
    Batch::of(u32::MAX)
        .with_integers(&[7])
        .gets_refused(ONE_COLUMN, "1 cells for 4294967295 rows");
}

#[test]
fn validity_of_another_length_is_found_out() {
    for validity in [&[1][..], &[1, 1, 0]] {
        Batch::of(2)
            .with_validity_and_integers(validity, &[7, 8])
            .gets_refused(ONE_COLUMN, "validity bytes for 2 rows");
    }
}

#[test]
fn offsets_that_are_not_in_order_are_found_out() {
    for case in [TEXTS, BYTES] {
        Batch::of(2)
            .with_offsets(case, &[3, 1], b"abc")
            .gets_refused(ONE_COLUMN, "offset 1 comes after offset 3");
    }
}

#[test]
fn offsets_beyond_the_data_are_found_out() {
    for case in [TEXTS, BYTES] {
        for end in [4, u32::MAX] {
            Batch::of(2)
                .with_offsets(case, &[1, end], b"abc")
                .gets_refused(ONE_COLUMN, "lies outside 3 bytes");
        }
    }
}

#[test]
fn offsets_inside_a_character_are_found_out() {
    Batch::of(2)
        .with_offsets(TEXTS, &[2, 3], "aé".as_bytes())
        .gets_refused(ONE_COLUMN, "offset 2 splits a character");
}

#[test]
fn lists_outside_the_memory_are_found_out() {
    let mut batch = Batch::of(1_000_000);
    batch
        .columns
        .extend(column(INTEGERS, &[], &[(65_000, 1_000_000)]));
    batch.gets_refused(ONE_COLUMN, "the component trapped");
}

#[test]
fn a_wrong_number_of_parameters_is_found_out() {
    Batch::of(1).with_integers(&[7]).gets_refused(
        TWO_COLUMNS,
        "the statement has 2 parameters, but 1 values were given",
    );
    Batch::of(1)
        .with_integers(&[7])
        .with_integers(&[7])
        .gets_refused(
            ONE_COLUMN,
            "the statement has 1 parameters, but 2 values were given",
        );
    Batch::of(3).gets_refused(
        ONE_COLUMN,
        "the statement has 1 parameters, but 0 values were given",
    );
    Batch::of(0).with_integers(&[]).gets_refused(
        TWO_COLUMNS,
        "the statement has 2 parameters, but 1 values were given",
    );
    Batch::of(0)
        .with_integers(&[])
        .gets_refused("INSERT INTO nowhere VALUES ($1)", "nowhere");
}

#[test]
fn rows_without_columns_do_not_outlive_the_deadline() {
    let call = "$many {{SELECT 1}} (i32.const -1) (i32.const 0) (i32.const 0)";
    attack(Component::migrating(writes() + &must(call)))
        .under("limits.deadline_seconds", 1)
        .fails()
        .saying("the limit `limits.deadline_seconds` is 1")
        .and_the_host_works_on();
}

#[test]
fn names_are_names_and_never_sql() {
    for table in [
        "audit\" (note) SELECT owner FROM account; --",
        "audit; DROP TABLE account",
        "\"audit\"",
        "main.audit",
        "",
    ] {
        Batch::of(1).with_integers(&[7]).does_not_load(
            table,
            "note",
            match table {
                "" => Place::in_sql_of("no such table", "zero-length delimited identifier"),
                _ => Place::in_sql_of("no such table", "does not exist"),
            },
        );
    }
    Batch::of(1).with_integers(&[7]).does_not_load(
        "audit",
        "note\") VALUES (1); --",
        Place::in_sql_of("has no column named", "does not exist"),
    );
    for (table, name) in [("audit\0", "note"), ("audit", "note\0")] {
        Batch::of(1)
            .with_integers(&[7])
            .does_not_load(table, name, "NUL");
    }
}

#[test]
fn the_journal_is_not_loaded_into() {
    for table in [
        "wasmigrate_journal",
        Place::in_sql_of("WASMIGRATE_JOURNAL", "wasmigrate.wasmigrate_journal"),
    ] {
        Batch::of(1)
            .with_integers(&[7])
            .does_not_load(table, "version", "belong to the host");
    }
}

#[test]
fn the_columns_must_be_named() {
    let mut component = Component::new();
    let cells = component.put(&7_i64.to_le_bytes());
    let column = component.put(&column(INTEGERS, &[], &[(cells, 1)]));
    // No name at all for the one column.
    let call = format!(
        "(call $load_rows {{{{audit}}}} (i32.const 0) (i32.const 0) (i32.const 1) (i32.const {column}) (i32.const 1)
           (i32.const 1024))
         (if (call $refused) (then (return (call $give_up))))"
    );
    attack(component.with("migrate", writes() + &call))
        .fails()
        .saying("0 columns are named, but the batch has 1")
        .and_the_host_works_on();
}
