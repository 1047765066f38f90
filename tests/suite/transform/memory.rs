//! The host's memory grows neither with the rows of a table nor with their width.

use std::time::Instant;

use super::customers;
use crate::memory::peak_memory;
use crate::place::Place;

/// What a table may cost more than a small one of the same kind, for all the rows that it has more. All of them at once would
/// take several times as much.
const MARGIN_KIB: u64 = 64 << 10;

fn is_bounded(small: &Place, large: &Place, what: &str) {
    for command in ["migrate", "finalize"] {
        let usual = peak_memory(small, &[command]);
        let began = Instant::now();
        let peak = peak_memory(large, &[command]);
        println!(
            "{command} of {what}: {:?}, {peak} KiB at the peak, {usual} of a small table",
            began.elapsed()
        );
        assert!(
            peak < usual + MARGIN_KIB,
            "{command}: {peak} KiB at the peak, {usual} of a small table"
        );
    }
}

#[test]
fn two_million_rows_are_transformed_in_bounded_memory() {
    many_rows(2_000_000);
}

/// `cargo xtask test -- --ignored ten_million_rows`
#[test]
#[ignore = "takes many minutes and several gigabytes of disk"]
fn ten_million_rows_are_transformed_in_bounded_memory() {
    many_rows(10_000_000);
}

fn many_rows(rows: i64) {
    let of = |rows| {
        let wal = Place::in_sql_of("PRAGMA journal_mode = WAL", "SELECT 1");
        customers::on(Place::new().with_data(wal), rows)
    };
    let place = of(rows);
    is_bounded(&of(100_000), &place, &format!("{rows} rows"));
    let wrong = "SELECT count(*) FROM customer WHERE balance <> id * 3 - id % 97 OR family_name <> 'Family' || id";
    assert_eq!(place.one::<i64>(wrong), 0);
    assert_eq!(
        place.one::<i64>("SELECT count(given_name) FROM customer"),
        rows - rows / 7
    );
}

#[test]
fn rows_behind_one_that_is_larger_than_a_chunk_may_be_are_transformed_too() {
    let all = "UPDATE customer SET name = 'Ada ' || PADDING WHERE id = 2";
    let place = customers::place(3).with_data(&all.replace(
        "PADDING",
        Place::in_sql_of("printf('%.9437184c', 'x')", "repeat('x', 9437184)"),
    ));
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    let names =
        "SELECT coalesce(given_name, '-') || ' ' || length(family_name) FROM customer ORDER BY id";
    assert_eq!(
        place.texts(names),
        ["Given N. 1 7", "Ada 9437184", "Given N. 3 7"]
    );
}

#[test]
fn rows_of_a_mebibyte_are_transformed_in_bounded_memory() {
    wide_rows(300);
}

/// `cargo xtask test -- --ignored a_thousand_rows_of_a_mebibyte`
#[test]
#[ignore = "takes minutes and several gigabytes of disk"]
fn a_thousand_rows_of_a_mebibyte_are_transformed_in_bounded_memory() {
    wide_rows(1_000);
}

fn wide_rows(rows: i64) {
    let of = |rows| {
        customers::place(rows).with_data(Place::in_sql_of(
            "UPDATE customer SET name = printf('%s %.1048576c', id, 'x')",
            "UPDATE customer SET name = id || ' ' || repeat('x', 1048576)",
        ))
    };
    let place = of(rows);
    is_bounded(&of(100), &place, &format!("{rows} rows of 1 MiB"));
    let right = "SELECT count(*) FROM customer WHERE length(family_name) = 1048576 AND given_name = CAST(id AS TEXT)";
    assert_eq!(place.one::<i64>(right), rows);
}
