//! A step cannot wipe or orphan child rows without a word.

use crate::place::Place;

const SCHEMA: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1, 'a'), (2, 'b');
INSERT INTO child VALUES (10, 1), (11, 2), (12, 2);";

fn family() -> Place {
    Place::new().with_data(SCHEMA)
}

#[test]
fn rebuilding_a_table_keeps_the_rows_that_refer_to_it() {
    let place = family().with_sql(
        "0001_rebuild.sql",
        "CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO parent_new SELECT id, name FROM parent;
         DROP TABLE parent;
         ALTER TABLE parent_new RENAME TO parent;",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM child"), 3);
    assert_eq!(
        place.one::<String>("SELECT \"table\" FROM pragma_foreign_key_list('child')"),
        "parent"
    );
}

#[test]
fn rows_left_without_a_parent_fail_the_step_and_are_listed() {
    let place = family().with_sql("0001_delete.sql", "DELETE FROM parent WHERE id = 2;");
    let before = place.content();
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the step leaves 2 rows without the parent that a foreign key demands")
        .and_says("`child` rowid 11 → `parent`, `child` rowid 12 → `parent`")
        .and_says("SQLITE_CONSTRAINT_FOREIGNKEY")
        .and_says("do not cascade");
    assert_eq!(place.content(), before);
}

#[test]
fn a_row_inserted_without_a_parent_is_found_too() {
    for statement in [
        "INSERT INTO child VALUES (13, 99);",
        "UPDATE child SET parent = 99 WHERE id = 10;",
        "CREATE TABLE cousin (parent REFERENCES parent (id)); INSERT INTO cousin VALUES (99);",
        "CREATE TRIGGER t AFTER UPDATE ON parent BEGIN DELETE FROM parent WHERE id = 1; END; UPDATE parent SET name = 'c' WHERE id = 2; DROP TRIGGER t;",
    ] {
        let place = family().with_sql("0001_a.sql", statement);
        let before = place.content();
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("without the parent");
        assert_eq!(place.content(), before, "{statement}");
    }
}

#[test]
fn what_was_broken_before_is_not_the_steps_fault() {
    let place = family()
        .with_data("PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (13, 99);")
        .with_sql("0001_a.sql", "UPDATE parent SET name = 'c' WHERE id = 1;")
        .with_sql("0002_b.sql", "INSERT INTO child VALUES (14, 98);");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0001_a migrated")
        .and_says("the step leaves 1 row without the parent")
        .and_says("`child` rowid 14 → `parent`");
}

#[test]
fn a_step_may_break_and_mend_references_within_itself() {
    let place = family().with_sql(
        "0001_a.sql",
        "UPDATE parent SET id = id + 100; UPDATE child SET parent = parent + 100;",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT max(parent) FROM child"), 102);
}
