//! Rows whose values the database refuses: they are bad as those that the function rejects.

use crate::place::Place;

/// Takes what the table says for a number.
const COUNTS: &str = "
import { transform } from 'wasmigrate';
export default transform({
  summary: 'counts', table: 'word', inputs: ['text'], derives: { u: 'TYPE' },
  row({ text }) { return { u: text }; },
});
";

/// So many rows with a number as a text, but for these, in which there is another word.
fn numbers(rows: i64, others: &str) -> Place {
    let place = typed("INTEGER").with_data(&format!(
        "INSERT INTO word {}",
        Place::in_sql_of(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT ROWS)
             SELECT n, '' || n FROM number",
            "SELECT n, '' || n FROM generate_series(1, ROWS) AS n",
        )
        .replace("ROWS", &rows.to_string())
    ));
    place.with_data(&format!(
        "UPDATE word SET text = 'word' WHERE id IN ({others})"
    ))
}

/// An empty table, with a derived column of this type.
fn typed(type_name: &str) -> Place {
    Place::new()
        .with_data(&format!(
            "CREATE TABLE word (id {} PRIMARY KEY NOT NULL, text TEXT NOT NULL){}",
            Place::in_sql_of("INTEGER", "BIGINT"),
            Place::in_sql_of(" STRICT", "")
        ))
        .with_sql("0001_count.js", &COUNTS.replace("TYPE", type_name))
}

fn words() -> &'static str {
    Place::in_sql_of(
        "cannot store TEXT value in INTEGER column word.u",
        "invalid input syntax for type integer",
    )
}

#[test]
fn a_row_whose_value_is_refused_fails_the_step_and_is_named() {
    let place = numbers(2_000, "1234");
    let named = format!("the row with id = 1234: {}", words());
    place
        .run(&["plan", "--dry-run"])
        .ends_with(1)
        .and_says(&named);
    place.run(&["migrate"]).ends_with(1).and_says(&named);
    place
        .connect()
        .run("UPDATE word SET text = '5' WHERE id = 1234");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT u FROM word WHERE id = 1234"), 5);
}

#[test]
fn refused_rows_are_set_aside_as_the_rejected_ones() {
    let place = numbers(2_000, "1, 2, 1000, 1999, 2000");
    place
        .run(&["migrate", "--on-bad-row", "quarantine"])
        .ends_with(0);
    let bad = place.run(&["bad-rows"]).ends_with(0);
    for key in [1, 2, 1000, 1999, 2000] {
        assert!(bad.stdout.contains(&format!("key [{key}]  ")), "{bad:#?}");
    }
    bad.and_says(words()).and_says("input [\"word\"]");
    assert_eq!(place.one::<i64>("SELECT count(u) FROM word"), 1_995);
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("5 bad rows have no derived values yet");
    place
        .connect()
        .run("UPDATE word SET text = '7' WHERE text = 'word'");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(u) FROM word"), 2_000);
}

#[test]
fn there_is_a_limit_to_the_refused_rows() {
    let place = numbers(300, "3, 150, 290");
    let migrate = |most: &str| {
        place.run(&[
            "migrate",
            "--workers",
            "1",
            "--on-bad-row",
            "quarantine",
            "--max-bad-rows",
            most,
        ])
    };
    migrate("2")
        .ends_with(1)
        .and_says("3 bad rows: the limit `transform.max_bad_rows` is 2")
        .and_says(words());
    migrate("3").ends_with(0);
}

#[test]
fn a_row_that_is_refused_after_the_backfill_is_named_or_set_aside() {
    let place = numbers(100, "0");
    place.run(&["migrate"]).ends_with(0);
    place.connect().run(
        "UPDATE word SET text = 'word' WHERE id = 42; UPDATE word SET text = '1' WHERE id <> 42",
    );
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says(&format!("the row with id = 42: {}", words()));
    place
        .run(&["finalize", "--on-bad-row", "quarantine"])
        .ends_with(1)
        .and_says("1 bad row has no derived values yet");
    place
        .connect()
        .run("UPDATE word SET text = '2' WHERE id = 42");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT sum(u) FROM word"), 101);
}

#[test]
fn a_row_that_is_refused_under_the_lock_is_named() {
    let place = numbers(100, "0").with_sql(
        "0000_change.sql",
        "-- wasmigrate:finalize\nUPDATE word SET text = 'word' WHERE id = 42;\nUPDATE word SET text = '1' WHERE id <> 42;",
    );
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["finalize", "--on-bad-row", "quarantine"])
        .ends_with(1)
        .and_says(&format!("the row with id = 42: {}", words()));
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM word WHERE text = 'word'"),
        0
    );
}

#[test]
fn a_row_that_is_larger_than_a_call_may_be_is_named() {
    let place = numbers(100, "0").with_variable("WASMIGRATE_LIMITS_CALL_MIB", "1");
    let large = "x".repeat(3 << 20);
    place
        .connect()
        .run(&format!("UPDATE word SET text = '{large}' WHERE id = 42"));
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the row with id = 42: ")
        .and_says("the limit `limits.call_mib` is 1");
    place
        .run(&["migrate", "--on-bad-row", "quarantine"])
        .ends_with(0);
    place.run(&["bad-rows"]).ends_with(0).and_says("key [42]");
}

mod sqlite {
    use super::*;

    #[test]
    fn no_number_is_no_null() {
        let place = Place::new()
            .with_data(
                "CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
                 INSERT INTO word VALUES (1, '1'), (2, 'two'), (3, '3')",
            )
            .with_sql(
                "0001_count.js",
                &COUNTS
                    .replace("TYPE", "REAL")
                    .replace("u: text", "u: Number(text)"),
            );
        let says = "the value of the column `u` is NaN, which SQLite cannot store";
        for command in [&["plan", "--dry-run"][..], &["migrate"]] {
            let said = place.run(command).ends_with(1);
            said.and_says("the row with id = 2: ").and_says(says);
        }
        place
            .run(&["migrate", "--on-bad-row", "quarantine"])
            .ends_with(0);
        place.run(&["bad-rows"]).and_says("key [2]").and_says(says);
        place
            .connect()
            .run("UPDATE word SET text = '9e999' WHERE id = 2");
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(
            place.one::<f64>("SELECT u FROM word WHERE id = 2"),
            f64::INFINITY
        );
    }
}

mod postgres {
    use super::*;

    #[test]
    fn whatever_the_value_is_refused_for() {
        for (type_name, text, says) in [
            (
                "VARCHAR(3)",
                "long",
                "value too long for type character varying(3)",
            ),
            ("REAL", "5e-324", "is out of range for type real"),
            ("SMALLINT", "100000", "out of range"),
            ("JSON", "{", "invalid input syntax for type json"),
        ] {
            let place = typed(type_name);
            place.connect().run(&format!(
                "INSERT INTO word SELECT n, '1' FROM generate_series(1, 500) AS n;
                 UPDATE word SET text = '{text}' WHERE id = 321"
            ));
            place
                .run(&["migrate"])
                .ends_with(1)
                .and_says("the row with id = 321: ")
                .and_says(says);
            place
                .run(&["migrate", "--on-bad-row", "quarantine"])
                .ends_with(0);
            place
                .run(&["bad-rows"])
                .ends_with(0)
                .and_says("key [321]")
                .and_says(says);
        }
    }

    #[test]
    fn a_constraint_that_is_checked_late_tells_the_row_too() {
        let place = numbers(100, "0");
        place.run(&["migrate"]).ends_with(0);
        place.connect().run(
            "ALTER TABLE word ADD UNIQUE (u) DEFERRABLE INITIALLY DEFERRED;
             UPDATE word SET text = '7' WHERE id = 42",
        );
        place
            .run(&["finalize"])
            .ends_with(1)
            .and_says("the row with id = 42: duplicate key value violates unique constraint");
    }
}
