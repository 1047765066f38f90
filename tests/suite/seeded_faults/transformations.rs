//! Mistakes of functions that should compute each row from nothing but itself.

use super::{caught, clean, fixture, test};
use crate::hostile::transformation::Transformation;
use crate::place::Place;

/// Tries a function with its mistake, and without.
#[track_caller]
fn exhibit(body: &str, check: &str, says: &str) {
    let place = Place::new().with_sql(
        "0001_account.sql",
        "-- wasmigrate:migrate
CREATE TABLE account (id BIGINT PRIMARY KEY NOT NULL, balance BIGINT);
-- wasmigrate:reset
DROP TABLE account;
",
    );
    let rows: Vec<String> = (1..=60).map(|id| format!("{id},{}", id * 100)).collect();
    fixture(
        &place,
        "account.csv",
        &format!("id,balance\n{}\n", rows.join("\n")),
    );
    let function = |body: &str| Transformation {
        body: body.to_owned(),
        ..Transformation::new()
    };
    place.write_step("0002_flag.wasm", &function(body).build());
    caught(test(&place, &["2"]), check, says);
    place.write_step("0002_flag.wasm", &function("").build());
    clean(test(&place, &["2"]));
}

#[test]
fn a_count_of_all_rows_so_far() {
    let count = "(local.set $cells (call $take (i32.mul (local.get $rows) (i32.const 8))))
        (block $counted (loop $count
          (br_if $counted (i32.ge_u (local.get $i) (local.get $rows)))
          (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
          (i64.store (i32.add (local.get $cells) (i32.mul (local.get $i) (i32.const 8))) (i64.load (i32.const 8)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $count)))
        (return (call $answer (local.get $rows) (i32.const 1) (local.get $rows) (i32.const 0) (local.get $cells)))";
    exhibit(
        count,
        "deterministic",
        "a function may keep nothing from one batch to the next",
    );
}

#[test]
fn memory_that_grows_with_the_rows() {
    exhibit(
        "(drop (memory.grow (i32.shr_u (local.get $rows) (i32.const 4))))",
        "confined",
        "its memory grows with the data",
    );
}
