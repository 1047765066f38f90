//! Steps that were begun, and whose files are gone: nothing passes them by, and each has a way out.

use crate::place::Place;

#[test]
fn a_step_that_was_begun_is_not_passed_by() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql(
            "0002_b.sql",
            Place::in_sql_of(
                "-- wasmigrate:no-transaction\nPRAGMA auto_vacuum = FULL;",
                "-- wasmigrate:no-transaction\nCREATE TABLE half (b INTEGER);\nSELECT * FROM nowhere;",
            ),
        );
    place.run(&["migrate"]).ends_with(1);
    std::fs::remove_file(place.step("0002_b.sql")).unwrap();
    let place = place.with_sql("0003_c.sql", "CREATE TABLE c (b INTEGER);");
    for command in ["migrate", "finalize", "reset"] {
        place
            .run(&[command, "--allow-missing"])
            .ends_with(2)
            .and_says("step 0002_b was begun and is not done, and its file is gone")
            .and_says("repair --remove 0002_b");
    }
    assert!(!place.has_table("c"));
    place
        .run(&["repair", "--remove", "0002_b", "--reason", "lost"])
        .ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("c"));
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_component_with_a_checkpoint_is_not_passed_by() {
    let place = Place::new();
    place.write_step(
        "0001_a.js",
        b"export function migrate(db, resume) {
            if (resume === undefined) { db.execute('CREATE TABLE half (b INTEGER)'); db.checkpoint(1); }
            throw new Error('no');
          }",
    );
    place.run(&["migrate"]).ends_with(1);
    std::fs::remove_file(place.step("0001_a.js")).unwrap();
    let place = place.with_sql("0002_b.sql", "CREATE TABLE c (b INTEGER);");
    place
        .run(&["migrate", "--allow-missing"])
        .ends_with(2)
        .and_says("step 0001_a was begun and is not done, and its file is gone");
    place
        .run(&["repair", "--remove", "0001_a", "--reason", "lost"])
        .ends_with(0);
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn what_a_transformation_has_left_goes_with_it() {
    for row in [
        "return { up: name };",
        "if (name === 'b') throw new Error('b'); return { up: name };",
    ] {
        let place = Place::new().with_data(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person VALUES (1, 'a'), (2, 'b')",
        );
        let step = format!(
            "import {{ transform }} from 'wasmigrate';
             export default transform({{ summary: 'x', table: 'person', inputs: ['name'], derives: {{ up: 'TEXT' }},
               row({{ name }}) {{ {row} }} }});"
        );
        place.write_step("0001_up.js", step.as_bytes());
        let status = i32::from(row.contains("throw"));
        place.run(&["migrate"]).ends_with(status);
        std::fs::remove_file(place.step("0001_up.js")).unwrap();
        let place = place.with_sql("0002_b.sql", "CREATE TABLE c (b INTEGER);");
        for command in ["migrate", "finalize", "reset"] {
            place
                .run(&[command, "--allow-missing"])
                .ends_with(2)
                .and_says(
                    "step 0001_up has computed rows and is not finalized, and its file is gone",
                );
        }
        place
            .run(&["repair", "--remove", "0001_up", "--reason", "lost"])
            .ends_with(0);
        let mut application = place.connect();
        assert!(application.try_run("SELECT up FROM person").is_err());
        application.run("UPDATE person SET name = 'c'; INSERT INTO person VALUES (3, 'd')");
        place.run(&["verify"]).ends_with(0);
        place.run(&["finalize"]).ends_with(0);
        assert!(place.has_table("c"));
    }
}
