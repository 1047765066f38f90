//! Real data: looked at, and left as it is.

use super::{check, clean, fixture, test};
use crate::application::{self, Kind};
use crate::place::Place;

const PERSON: &str = "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT);";

fn place() -> Place {
    let place = Place::new()
        .with_data(PERSON)
        .with_data("INSERT INTO person VALUES (1, 'Ann'), (2, 'Bob');")
        .with_sql(
            "0001_step.sql",
            "-- wasmigrate:migrate
ALTER TABLE person ADD COLUMN shout TEXT;
UPDATE person SET shout = upper(name), name = 'nobody' WHERE id = 2;
-- wasmigrate:reset
UPDATE person SET name = initcap(shout) WHERE id = 2;
ALTER TABLE person DROP COLUMN shout;
",
        );
    fixture(&place, "person.sql", PERSON);
    std::fs::write(
        place.path().join("migrations/0001_step.test.toml"),
        "reversible = false\n",
    )
    .unwrap();
    place
}

#[test]
fn what_would_happen_is_told_and_nothing_does() {
    let place = place();
    let before = place.content();
    let said = clean(test(&place, &["1", "--against", &place.url()]));
    let against = check(&said, "against");
    let notes = against["notes"].to_string();
    assert!(
        notes.contains("rows that would change: person 1"),
        "{notes}"
    );
    assert!(
        notes.contains("1 row differs in name, first: id=2: 'nobody' instead of 'Bob'"),
        "{notes}"
    );
    assert!(notes.contains("it takes"), "{notes}");
    if application::kind() == Kind::Postgres {
        assert!(
            notes.contains("lock: AccessExclusiveLock on person, held for up to"),
            "{notes}"
        );
    }
    assert_eq!(place.content(), before);
    assert!(!place.has_table("wasmigrate_journal"));
}

#[test]
fn what_fails_on_real_data_is_told() {
    let place = place().with_sql(
        "0002_unique.sql",
        "-- wasmigrate:migrate
CREATE TABLE names AS SELECT name FROM person;
CREATE UNIQUE INDEX names_name ON names (name);
-- wasmigrate:reset
DROP TABLE names;
",
    );
    place.connect().run("INSERT INTO person VALUES (3, 'Ann')");
    let said = test(&place, &["2", "--against", &place.url()]).ends_with(1);
    let findings = check(&said, "against")["findings"].to_string();
    assert!(
        findings.contains("names_name") || findings.contains("names.name"),
        "{findings}"
    );
    assert!(
        findings.contains("it would fail on this target"),
        "{findings}"
    );
    assert_eq!(place.one::<i64>("SELECT count(*) FROM person"), 3);
}

#[test]
fn a_target_that_is_not_there() {
    let said = test(&place(), &["1", "--against", "sqlite:nowhere.db"]);
    said.ends_with(2).and_says("there is no file `nowhere.db`");
}
