//! What a step leaves in a file so that it happens in the host's name, or with the application's next write.

use super::component::{Component, sql};
use crate::place::Place;

fn first() -> Place {
    let place = Place::new().with_sql(
        "0001_first.sql",
        "CREATE TABLE audit (note TEXT); CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE child (parent INTEGER REFERENCES parent (id));",
    );
    place.run(&["migrate"]).ends_with(0);
    place
}

#[track_caller]
fn refuses(sql: &str, words: &str) {
    let place = first();
    let before = place.content();
    place.write_step("0002_hostile.sql", sql.as_bytes());
    let ended = place.run(&["migrate"]).and_says(words);
    // What its text tells is refused before it runs.
    assert!(matches!(ended.status, Some(1 | 2)), "{ended:#?}");
    assert_eq!(place.content(), before);
    std::fs::remove_file(place.step("0002_hostile.sql")).unwrap();
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn a_trigger_does_not_wait_for_the_application_to_change_the_journal() {
    for trigger in [
        "CREATE TRIGGER bomb AFTER INSERT ON audit BEGIN DELETE FROM wasmigrate_step WHERE step_index > 1; END",
        "CREATE TRIGGER bomb AFTER INSERT ON audit BEGIN DELETE FROM \"WASMIGRATE_step\"; END",
        "CREATE TRIGGER bomb AFTER INSERT ON audit BEGIN DELETE FROM [wasmigrate_step]; END",
        "CREATE TRIGGER bomb AFTER INSERT ON audit BEGIN DELETE FROM 'wasmigrate_step'; END",
        "CREATE VIEW v AS SELECT 1 AS a; CREATE TRIGGER bomb INSTEAD OF INSERT ON v BEGIN DELETE FROM wasmigrate_later; END",
    ] {
        refuses(
            &format!("{trigger};"),
            "whose text names tables that begin with `wasmigrate_`",
        );
    }
}

#[test]
fn a_trigger_that_leaves_the_journal_alone_is_none_of_them() {
    let place = first();
    place.write_step(
        "0002_trigger.sql",
        b"CREATE TRIGGER fine AFTER INSERT ON audit BEGIN DELETE FROM child; END; CREATE VIEW steps AS SELECT name FROM wasmigrate_step;",
    );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn no_table_is_taken_for_a_pragma() {
    for make in [
        "CREATE VIRTUAL TABLE pragma_foreign_key_check USING fts4(\"table\", parent)",
        "CREATE TABLE Pragma_Table_Xinfo (name TEXT)",
        "CREATE VIEW pragma_table_list AS SELECT 1",
        "CREATE TABLE innocent (a TEXT); ALTER TABLE innocent RENAME TO pragma_index_list",
        "CREATE VIRTUAL TABLE innocent USING fts4(\"table\", parent); ALTER TABLE innocent RENAME TO pragma_foreign_key_list",
    ] {
        refuses(&format!("{make};"), "pragma_");
    }
}

/// One that was made by somebody else, or is there since an earlier version.
#[test]
fn a_table_that_is_called_like_a_pragma_hides_nothing() {
    let place = first().with_data(
        "CREATE VIRTUAL TABLE pragma_foreign_key_check USING fts4(\"table\", parent);
         CREATE VIRTUAL TABLE pragma_foreign_key_list USING fts4(\"table\", parent);
         CREATE TABLE pragma_table_xinfo (name TEXT)",
    );
    place.write_step("0002_orphans.sql", b"INSERT INTO child VALUES (7);");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("without the parent that a foreign key demands");
    std::fs::remove_file(place.step("0002_orphans.sql")).unwrap();
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn a_row_of_many_long_values_is_counted_before_it_is_copied() {
    use super::component::{Component, must};
    let place = first().with_variable("WASMIGRATE_LIMITS_VALUE_BYTES", "10000000");
    let values = vec!["zeroblob(9000000)"; 50].join(", ");
    let component = Component::migrating(must(&format!("$query_rows {{{{SELECT {values}}}}}")));
    place.write_step("0002_wide.wasm", &component.build());
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the limit `limits.value_bytes` is 10000000");
}

/// A statement that was prepared before touches more once there is a trigger.
#[test]
fn references_are_checked_also_of_what_is_prepared_anew() {
    let logs = sql("INSERT INTO log VALUES ('again')");
    let place = Place::new().with_data(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE child (parent INTEGER REFERENCES parent (id));
         CREATE TABLE log (note TEXT);
         INSERT INTO parent VALUES (1);
         INSERT INTO child VALUES (1);",
    );
    let step = Component::migrating(
        logs.clone()
            + &sql("CREATE TRIGGER hidden AFTER INSERT ON log BEGIN DELETE FROM parent; END")
            + &logs
            + &sql("DROP TRIGGER hidden"),
    );
    place.write_step("0001_hidden.wasm", &step.build());
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("without the parent that a foreign key demands: `child` rowid 1 → `parent`");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM parent"), 1);
}

#[test]
fn many_long_values_at_the_same_time_are_too_many() {
    let value = "hex(zeroblob(30000000))";
    let place = Place::new();
    let select = format!("SELECT {};", [value; 20].join(", "));
    place.write_step("0001_hoard.sql", select.as_bytes());
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("SQLite asks for more than 512 MiB of memory")
        .and_says("the limit `limits.value_bytes` is 67108864");
    let (_, peak) = crate::memory::watched(&place, &["migrate"]);
    assert!(peak < 700 << 10, "{peak} KiB at the peak");
    place.write_step("0001_hoard.sql", b"CREATE TABLE sober (id INTEGER);");
    place.run(&["migrate"]).ends_with(0);
}
