//! Another component in the place of one that failed on its way.

use super::{customers, place_with};
use crate::place::{Place, built_guest};

/// Many words, the last of which the component `shout` does not take: some chunks are done when it fails.
pub fn failed_on_its_way() -> Place {
    let place = Place::new()
        .with_data(&format!(
            "CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL);
             INSERT INTO word {}",
            Place::in_sql_of(
                "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 2000)
                 SELECT n, 'word' || n FROM number",
                "SELECT n, 'word' || n FROM generate_series(1, 2000) AS n",
            )
        ))
        .with_data("UPDATE word SET text = '' WHERE id = 2000")
        .with_variable("WASMIGRATE_TRANSFORM_WORKERS", "1")
        .with_guest("0001_shout.wasm", "shout");
    place.run(&["migrate"]).ends_with(1);
    let done: i64 = place.one("SELECT count(shout) FROM word");
    assert!(done > 0 && done < 2_000, "{done}");
    place
}

pub fn mend(place: &Place) {
    std::fs::copy(built_guest("shout_mended"), place.step("0001_shout.wasm")).unwrap();
}

#[test]
fn it_goes_on_from_the_last_chunk() {
    let place = failed_on_its_way();
    let done: i64 = place.one("SELECT count(shout) FROM word");
    mend(&place);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("has changed since it was applied");
    place.run(&["migrate", "--replace"]).ends_with(0);
    let of_the_first: i64 = place.one("SELECT count(*) FROM word WHERE shout NOT LIKE '%!'");
    assert_eq!(of_the_first, done);
    assert_eq!(place.one::<i64>("SELECT count(shout) FROM word"), 2_000);
    let history = place.run(&["history", "--json"]).ends_with(0);
    let entries = history.json();
    let mut digests: Vec<&str> = entries
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["attempts"][0]["digest"].as_str())
        .collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 2, "{entries}");
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn it_starts_over() {
    let place = failed_on_its_way();
    mend(&place);
    place
        .run(&["migrate", "--restart"])
        .ends_with(0)
        .and_says("starts over");
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM word WHERE shout LIKE '%!'"),
        2_000
    );
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn one_that_derives_something_else_cannot_go_on() {
    let place = place_with(&customers(100)).with_variable("WASMIGRATE_TRANSFORM_WORKERS", "1");
    place
        .connect()
        .run("CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL); INSERT INTO word VALUES (1, '')");
    std::fs::copy(built_guest("shout"), place.step("0001_normalize.wasm")).unwrap();
    place.run(&["migrate"]).ends_with(1);
    std::fs::copy(built_guest("normalize"), place.step("0001_normalize.wasm")).unwrap();
    place
        .run(&["migrate", "--replace"])
        .ends_with(1)
        .and_says("another table than the transformation in whose place it comes: start over with `--restart`");
    place.run(&["finalize", "--restart"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(balance) FROM customer"), 100);
    let columns = Place::in_sql_of(
        "SELECT name FROM pragma_table_info('word')",
        "SELECT attname FROM pg_attribute WHERE attrelid = 'word'::regclass AND attnum > 0 AND NOT attisdropped",
    );
    assert_eq!(place.texts(columns), ["id", "text"]);
}
