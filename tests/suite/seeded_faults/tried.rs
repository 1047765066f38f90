//! What is tried on what: fixtures of every form, wrong ones, and the example steps.

use super::{caught, check, clean, fixture, people, test};
use crate::application;
use crate::hostile::component::{Component, sql};
use crate::place::{Place, given};

#[test]
fn a_script_that_makes_tables_comes_before_the_first_step() {
    let place = Place::new().with_sql(
        "0001_step.sql",
        "-- wasmigrate:migrate
ALTER TABLE town ADD COLUMN size INTEGER;
-- wasmigrate:reset
ALTER TABLE town DROP COLUMN size;
",
    );
    // Without it, there is no such table.
    caught(test(&place, &[]), "applies", "town");
    fixture(
        &place,
        "towns.sql",
        "CREATE TABLE town (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO town VALUES (1, 'Delft');",
    );
    let said = clean(test(&place, &[]));
    let summary = check(&said, "applies")["summary"].to_string();
    assert!(summary.contains("1 fixture"), "{summary}");
}

#[test]
fn a_directory_is_one_fixture() {
    let place = people().with_sql(
        "0002_step.sql",
        "-- wasmigrate:migrate
UPDATE person SET note = 'x' WHERE id = 77;
-- wasmigrate:reset
SELECT 1;
",
    );
    let directory = place.path().join("many");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(
        directory.join("person.json"),
        r#"[{"id": 77, "name": "Ann"}]"#,
    )
    .unwrap();
    let expected = r#"{"SELECT count(*) FROM person WHERE note = 'x'": [[1]]}"#;
    std::fs::write(directory.join("0002.after.json"), expected).unwrap();
    let said = test(&place, &["2", "--fixture", directory.to_str().unwrap()]);
    let said = caught(said, "reset", "first: id=77: 'x' instead of NULL");
    let summary = check(&said, "applies")["summary"].to_string();
    assert!(summary.contains("1 result as expected"), "{summary}");
}

#[test]
fn what_is_wrong_with_a_fixture_is_told() {
    let place = people();
    for (name, content, says) in [
        ("a.txt", "", "is no fixture"),
        ("b.json", "[1]", "row 1 of b is no object"),
        ("c.csv", "id,name\n1\n", "found record with 1 fields"),
        (
            "d.sql",
            "CREATE TABLE d (id INTEGER);\n\nCREATE TALBE e (id INTEGER);",
            "line 3",
        ),
        ("f.json", r#"{"nowhere": [{"id": 1}]}"#, "nowhere"),
    ] {
        let path = place.path().join(name);
        std::fs::write(&path, content).unwrap();
        let said = test(&place, &["1", "--fixture", path.to_str().unwrap()]);
        said.ends_with(2).and_says(says);
    }
    test(&place, &["1", "--fixture", "none.sql"])
        .ends_with(2)
        .and_says("none.sql");
    test(&place, &["9"])
        .ends_with(2)
        .and_says("there is no step 9");
    test(&place, &["1", "--deny", "person"])
        .ends_with(2)
        .and_says("is no rule");
}

/// A town without a name is refused; a street without one is what the step does not bear.
#[test]
fn rows_that_refer_to_what_is_refused_are_left_out_and_the_rest_is_tried() {
    let place = Place::new().with_sql(
        "0001_town.sql",
        "-- wasmigrate:migrate
CREATE TABLE town (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE street (id BIGINT PRIMARY KEY, name TEXT, town BIGINT NOT NULL REFERENCES town (id));
-- wasmigrate:reset
DROP TABLE street;
DROP TABLE town;
",
    );
    let nameless = "$query_rows {{SELECT abs(CASE WHEN EXISTS (SELECT 1 FROM town WHERE name = '')
        THEN -9223372036854775807 - 1 ELSE 1 END)}}";
    let refuses = format!(
        "(if (call {nameless}) (then (return (call $fail {{{{a town has no name}}}} (i32.const 0)))))"
    );
    let component = Component::migrating(
        sql("CREATE TABLE label (name TEXT NOT NULL)")
            + &sql("INSERT INTO label SELECT name FROM street"),
    );
    let component = component
        .with("check", refuses)
        .with("reset", sql("DROP TABLE label"));
    place.write_step("0002_label.wasm", &component.build());
    let said = test(&place, &["2", "--seed", "7"]);
    let said = caught(said, "generated", "deal with NULL");
    let notes = check(&said, "generated")["notes"].to_string();
    assert!(notes.contains("a town has no name"), "{notes}");
}

#[test]
fn a_step_is_named_by_its_file_too() {
    let place = people();
    let said = clean(test(&place, &["migrations/0001_person.sql"]));
    assert_eq!(said.json()["steps"][0]["step"], "0001_person");
    let said = clean(test(&place, &["migrations"]));
    assert_eq!(said.json()["steps"].as_array().unwrap().len(), 1);
}

#[test]
fn the_example_steps_pass() {
    let place = Place::new().with_examples();
    let legacy = given("WASMIGRATE_LEGACY");
    let path = place.path().join("legacy.db");
    // A fixture holds few rows of each kind, not all there are.
    std::fs::copy(legacy, &path).unwrap();
    application::Application::open_file(&path).run(
        "DELETE FROM registry_record WHERE id % 20 > 0;
         DELETE FROM territory_document WHERE rowid % 5 > 0;
         DELETE FROM locale WHERE rowid % 20 > 0;
         DELETE FROM language WHERE rowid % 20 > 0 AND code NOT IN (SELECT language FROM locale);",
    );
    let said = clean(test(&place, &["--fixture", path.to_str().unwrap()]));
    // The last step refuses languages without a name. Each is left out once.
    let notes = check(&said, "generated")["notes"].to_string();
    assert!(notes.contains("have no name"), "{notes}");
    assert!(!notes.contains("10 kinds of rows more"), "{notes}");
}
