//! A transformation that is concerned with some rows only.

use crate::hosts::host::until;
use crate::place::Place;

fn years(place: &Place) -> Vec<String> {
    place.texts("SELECT coalesce(CAST(years_of_age AS TEXT), '-') FROM person ORDER BY id")
}

#[test]
fn rows_that_come_under_it_are_computed_and_rows_that_leave_it_are_cleared() {
    let truth = |value: bool| {
        Place::in_sql_of(
            if value { "1" } else { "0" },
            if value { "true" } else { "false" },
        )
    };
    let place = Place::new()
        .with_data(&format!(
            "CREATE TABLE person (id BIGINT PRIMARY KEY NOT NULL, age BIGINT NOT NULL, is_secret BOOLEAN NOT NULL);
             INSERT INTO person VALUES (1, 17, {no}), (2, 18, {no}), (3, 40, {yes}), (4, 50, {no}), (5, 60, {no})",
            no = truth(false),
            yes = truth(true),
        ))
        .with_guest("0001_grown.wasm", "grown");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(years(&place), ["-", "0", "-", "32", "42"]);
    place.connect().run(&format!(
        "UPDATE person SET age = 20 WHERE id = 1; UPDATE person SET is_secret = {no} WHERE id = 3;
         UPDATE person SET is_secret = {yes} WHERE id = 4; UPDATE person SET age = 3 WHERE id = 5;
         INSERT INTO person (id, age, is_secret) VALUES (6, 19, {no}), (7, 1, {no})",
        no = truth(false),
        yes = truth(true),
    ));
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(years(&place), ["2", "0", "22", "-", "-", "1", "-"]);
}

const DEMANDS: &str = "
import { transform } from 'wasmigrate';
export default transform({
  summary: 'upper', table: 'word', inputs: ['text'], derives: { u: 'TEXT NOT NULL' }, where: 'id > 10',
  row({ text }) { return { u: text.toUpperCase() }; },
});
";

/// Rows from this one to that.
fn demanding(from: i64, to: i64) -> Place {
    let number = Place::in_sql_of(
        "WITH RECURSIVE number (n) AS (SELECT FROM UNION ALL SELECT n + 1 FROM number WHERE n < TO) SELECT n, 'a' FROM number",
        "SELECT n, 'a' FROM generate_series(FROM, TO) AS n",
    );
    let number = number
        .replace("SELECT FROM UNION", &format!("SELECT {from} UNION"))
        .replace("(FROM,", &format!("({from},"))
        .replace("TO", &to.to_string());
    Place::new()
        .with_data(&format!(
            "CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL); INSERT INTO word {number}"
        ))
        .with_sql("0001_upper.js", DEMANDS)
        .with_variable("WASMIGRATE_TRANSFORM_WORKERS", "1")
}

#[test]
fn a_value_that_is_demanded_of_rows_that_are_left_out_is_missed_before_anything_is_done() {
    let place = demanding(9, 12);
    for command in [&["plan", "--dry-run"][..], &["migrate"], &["finalize"]] {
        let said = place.run(command);
        assert_ne!(said.status, Some(0), "{command:?}: {said:#?}");
        said.and_says("the condition `id > 10` leaves out the row of the table")
            .and_says("u, which must not be null")
            .and_says("let the condition take in all rows");
    }
    let before = place.texts("SELECT * FROM word ORDER BY 1");
    assert_eq!(before.len(), 4);
    place.connect().run("DELETE FROM word WHERE id <= 10");
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn rows_that_are_left_out_and_come_meanwhile_are_missed_at_the_end() {
    let place = demanding(11, 400);
    let migrate = place.start(&["migrate", "--max-rows-per-second", "200"]);
    until("some rows are done", || {
        place.has_table("wasmigrate_range")
            && place.one::<i64>("SELECT coalesce(sum(rows_done), 0) FROM wasmigrate_range") > 0
    });
    place
        .connect()
        .run("INSERT INTO word (id, text) VALUES (1, 'late')");
    crate::place::Said::from(migrate.wait_with_output().unwrap())
        .ends_with(1)
        .and_says("the condition `id > 10` leaves out the row of the table");
    // Whoever gives it a value is right, too.
    place
        .connect()
        .run("UPDATE word SET u = 'mine' WHERE id = 1");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT u FROM word WHERE id < 12 ORDER BY id"),
        ["mine", "A"]
    );
}
