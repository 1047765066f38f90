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

pub fn fix(place: &Place) {
    std::fs::copy(built_guest("shout_mended"), place.step("0001_shout.wasm")).unwrap();
}

#[test]
fn it_goes_on_from_the_last_chunk() {
    let place = failed_on_its_way();
    let done: i64 = place.one("SELECT count(shout) FROM word");
    fix(&place);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("has changed since it began to compute rows");
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
    fix(&place);
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

/// Two of three words are set aside, and the finalize has failed for that.
fn failed_to_finalize() -> Place {
    let place = Place::new()
        .with_data("CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL)")
        .with_data("INSERT INTO word VALUES (1, 'one'), (2, ''), (3, 'panic')")
        .with_variable("WASMIGRATE_TRANSFORM_ON_BAD_ROW", "quarantine")
        .with_guest("0001_shout.wasm", "shout");
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("2 bad rows have no derived values yet")
        .and_says("finalization_failed");
    place
}

#[test]
fn after_a_failed_finalize_it_goes_on_or_starts_over() {
    let failed = failed_to_finalize();
    fix(&failed);
    failed
        .run(&["migrate"])
        .ends_with(2)
        .and_says("has changed since it began to compute rows")
        .and_says("--replace")
        .and_says("--restart");
    for command in ["migrate", "finalize"] {
        for (flag, first) in [("--replace", "ONE"), ("--restart", "ONE!")] {
            let place = failed.copy();
            let said = place.run(&[command, flag]).ends_with(0);
            assert_eq!(said.stdout.contains("starts over"), flag == "--restart");
            if command == "migrate" {
                said.and_says("the state is finalization_required");
                place.run(&["finalize"]).ends_with(0);
            } else {
                said.and_says("the state is finalized");
            }
            assert_eq!(
                place.texts("SELECT shout FROM word ORDER BY id"),
                [first, "!", "PANIC!"],
                "{command} {flag}"
            );
        }
    }
}

#[test]
fn what_is_migrated_starts_over_until_it_is_final() {
    let place = failed_on_its_way();
    fix(&place);
    place.run(&["migrate", "--replace"]).ends_with(0);
    place
        .run(&["migrate", "--replace"])
        .ends_with(2)
        .and_says("there is nothing to replace");
    let said = place
        .run(&["migrate", "--restart"])
        .ends_with(0)
        .and_says("starts over");
    assert!(!said.stdout.contains("continues from"), "{said:#?}");
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM word WHERE shout LIKE '%!'"),
        2_000
    );
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["migrate", "--restart"])
        .ends_with(2)
        .and_says("there is nothing to start over");
}

#[test]
fn what_is_in_progress_starts_over_and_what_is_done_stays() {
    let place = place_with(&customers(20)).with_guest("0002_shout.wasm", "shout");
    place
        .connect()
        .run("CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL); INSERT INTO word VALUES (1, '')");
    place.run(&["migrate"]).ends_with(1);
    place.connect().run("UPDATE word SET text = 'one'");
    let said = place
        .run(&["migrate", "--restart"])
        .ends_with(0)
        .and_says("0002_shout starts over");
    assert!(!said.stdout.contains("0001_normalize"), "{said:#?}");
    assert_eq!(place.texts("SELECT shout FROM word"), ["ONE"]);
    place.run(&["finalize"]).ends_with(0);
}
