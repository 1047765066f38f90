//! Rows for which the function has no answer.

use crate::place::Place;

/// Words, some of which the component `shout` does not take.
fn words(words: &[&str]) -> Place {
    let place = Place::new()
        .with_data("CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL)")
        .with_guest("0001_shout.wasm", "shout");
    let mut application = place.connect();
    for (number, word) in (1..).zip(words) {
        application.run(&format!("INSERT INTO word VALUES ({number}, '{word}')"));
    }
    drop(application);
    place
}

const QUARANTINE: [&str; 3] = ["migrate", "--on-bad-row", "quarantine"];

#[test]
fn a_rejected_row_fails_the_step_and_is_named() {
    let place = words(&["one", "", "three"]);
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the row with id = 2: an empty word cannot be shouted");
    place
        .connect()
        .run("UPDATE word SET text = 'two' WHERE id = 2");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT shout FROM word ORDER BY id"),
        ["ONE", "TWO", "THREE"]
    );
}

#[test]
fn a_row_on_which_the_component_breaks_down_is_found_and_named() {
    let mut many = vec!["fine"; 700];
    many[441] = "panic";
    let place = words(&many);
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the row with id = 442: ")
        .and_says("this word is too much");
}

#[test]
fn bad_rows_are_set_aside_shown_exported_and_keep_the_finalize_away() {
    let place = words(&["one", "", "panic", "fo,ur"]);
    place.run(&QUARANTINE).ends_with(0);
    assert_eq!(
        place.texts("SELECT coalesce(shout, '-') FROM word ORDER BY id"),
        ["ONE", "-", "-", "FO,UR"]
    );
    place.run(&["status"]).ends_with(0).and_says("2 bad rows");
    place
        .run(&["bad-rows"])
        .ends_with(0)
        .and_says("step 0001  key [2]  an empty word cannot be shouted")
        .and_says("input [\"panic\"]");
    let csv = place.run(&["bad-rows", "--csv"]).ends_with(0).stdout;
    assert!(
        csv.starts_with("step,key,input,message,run,found_at\n1,[2],\"[\"\"\"\"]\",an empty word"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 3, "{csv}");
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("2 bad rows have no derived values yet");
    // Mended by the application, one of them removed.
    place
        .connect()
        .run("UPDATE word SET text = 'two' WHERE id = 2; DELETE FROM word WHERE id = 3");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT shout FROM word ORDER BY id"),
        ["ONE", "TWO", "FO,UR"]
    );
    place
        .run(&["bad-rows"])
        .ends_with(0)
        .and_says("no bad rows");
}

#[test]
fn there_is_a_limit_to_the_rows_that_are_set_aside() {
    let place = words(&["", "a", "", "b", ""]);
    place
        .run(&[
            "migrate",
            "--on-bad-row",
            "quarantine",
            "--max-bad-rows",
            "2",
        ])
        .ends_with(1)
        .and_says("3 bad rows: the limit `transform.max_bad_rows` is 2")
        .and_says("an empty word cannot be shouted");
    place
        .run(&[
            "migrate",
            "--on-bad-row",
            "quarantine",
            "--max-bad-rows",
            "3",
        ])
        .ends_with(0);
}

#[test]
fn a_row_that_becomes_bad_after_the_backfill_is_set_aside_by_the_next_run() {
    let place = words(&["one", "two"]);
    place.run(&QUARANTINE).ends_with(0);
    place
        .connect()
        .run("UPDATE word SET text = '' WHERE id = 1");
    place
        .run(&["finalize", "--on-bad-row", "quarantine"])
        .ends_with(1)
        .and_says("1 bad row has no derived values yet");
    // A finalize loses nothing: the old value is there, and the failure can be mended.
    place
        .connect()
        .run("UPDATE word SET text = 'uno' WHERE id = 1");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT shout FROM word ORDER BY id"),
        ["UNO", "TWO"]
    );
}

#[test]
fn a_mended_component_takes_the_bad_rows_up_again() {
    let place =
        words(&["one", "", "panic"]).with_variable("WASMIGRATE_TRANSFORM_ON_BAD_ROW", "quarantine");
    place.run(&["migrate"]).ends_with(0);
    std::fs::copy(
        crate::place::built_guest("shout_mended"),
        place.step("0001_shout.wasm"),
    )
    .unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("has changed since it began to compute rows");
    place
        .run(&["migrate", "--replace"])
        .ends_with(0)
        .and_says("continues from its last chunk with another component");
    // The rows that were done are left alone.
    assert_eq!(
        place.texts("SELECT shout FROM word ORDER BY id"),
        ["ONE", "!", "PANIC!"]
    );
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn whoever_finalizes_with_another_component_is_told_what_that_means() {
    let place = words(&["one", "two"]);
    place.run(&["migrate"]).ends_with(0);
    std::fs::copy(
        crate::place::built_guest("shout_mended"),
        place.step("0001_shout.wasm"),
    )
    .unwrap();
    place
        .connect()
        .run("UPDATE word SET text = '' WHERE id = 1");
    place
        .run(&["finalize"])
        .ends_with(2)
        .and_says("has changed since");
    place
        .run(&["finalize", "--allow-changed"])
        .ends_with(0)
        .and_says("is finalized with another component than it was migrated with");
    assert_eq!(
        place.texts("SELECT shout FROM word ORDER BY id"),
        ["!", "TWO"]
    );
}

#[test]
fn workers_keep_to_the_limit_together() {
    let many: Vec<&str> = (0..2_000)
        .map(|number| if number % 10 == 3 { "" } else { "a" })
        .collect();
    for _ in 0..3 {
        let place = words(&[]);
        let values: Vec<String> = (1..)
            .zip(&many)
            .map(|(number, word)| format!("({number}, '{word}')"))
            .collect();
        let insert = format!("INSERT INTO word VALUES {}", values.join(", "));
        place.connect().run(&insert);
        let options = ["--max-bad-rows", "30", "--workers", "6"];
        let said = place
            .run(&[&QUARANTINE[..], &options[..]].concat())
            .ends_with(1)
            .and_says("the limit `transform.max_bad_rows` is 30, and ");
        let listed = place.run(&["bad-rows", "--csv"]).stdout.lines().count();
        assert!(listed <= 31, "{listed}: {said:#?}");
    }
}
