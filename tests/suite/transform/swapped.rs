//! Another table has taken the name of the one that is transformed.

use super::{COLUMNS, customers, expected, normalized, place_with};
use crate::place::Place;

#[test]
fn reset_removes_the_capture_from_the_table_that_it_is_on() {
    let all = customers(50);
    let place = place_with(&all);
    place.run(&["migrate"]).ends_with(0);
    place.connect().run(&format!(
        "{}
         ALTER TABLE customer RENAME TO customer_old;
         ALTER TABLE customer_new RENAME TO customer",
        Place::in_sql_of(
            &format!(
                "CREATE TABLE customer_new (id BIGINT PRIMARY KEY NOT NULL, {COLUMNS});
                 INSERT INTO customer_new SELECT id, name, email, debit, credit FROM customer;"
            ),
            "CREATE TABLE customer_new (LIKE customer INCLUDING ALL); INSERT INTO customer_new SELECT * FROM customer;"
        )
    ));
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("`wasmigrate reset`");
    place
        .run(&["reset"])
        .ends_with(0)
        .and_says("customer_old")
        .and_says("were removed there");
    let triggers = Place::in_sql_of(
        "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'capture_of%'",
        "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'capture_of%'",
    );
    assert_eq!(place.one::<i64>(triggers), 0);
    place.connect().run("UPDATE customer_old SET credit = 1");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}
