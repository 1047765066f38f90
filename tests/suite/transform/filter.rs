//! A transformation that is concerned with some rows only.

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
