//! What a step takes along without saying so, each with its twin that does not.

mod postgres;
mod sqlite;

use super::{caught, clean, test, twins};
use crate::place::Place;

/// A step that takes something along, and one that does not, after others.
struct Exhibit {
    before: &'static str,
    wrong: &'static str,
    right: &'static str,
    says: &'static str,
}

impl Exhibit {
    #[track_caller]
    fn show(&self) {
        let place = Place::new().with_sql("0001_before.sql", self.before);
        twins(&place, "collateral", (self.wrong, self.says), self.right);
    }
}

const PERSON: &str =
    "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, note TEXT DEFAULT 'none');
CREATE INDEX person_name ON person (name);";

#[test]
fn an_index_of_a_table_that_is_made_anew() {
    Exhibit {
        before: PERSON,
        wrong: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT, note TEXT DEFAULT 'none', age INTEGER);
INSERT INTO made (id, name, note) SELECT id, name, note FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;",
        right: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT, note TEXT DEFAULT 'none', age INTEGER);
INSERT INTO made (id, name, note) SELECT id, name, note FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;
CREATE INDEX person_by_name ON person (name);",
        says: "the index person_name",
    }
    .show();
}

#[test]
fn a_default_of_a_table_that_is_made_anew() {
    Exhibit {
        before: PERSON,
        wrong: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT, note TEXT, age INTEGER);
INSERT INTO made (id, name, note) SELECT id, name, note FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;
CREATE INDEX person_name ON person (name);",
        right: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT, note TEXT DEFAULT 'nothing', age INTEGER);
INSERT INTO made (id, name, note) SELECT id, name, note FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;
CREATE INDEX person_name ON person (name);",
        says: "of person.note is gone",
    }
    .show();
}

/// Each of two columns that are unique together may now come as often as it likes.
#[test]
fn uniqueness_that_went_with_one_of_its_columns() {
    Exhibit {
        before: "CREATE TABLE seat (id INTEGER PRIMARY KEY, hall TEXT, number INTEGER, UNIQUE (hall, number));",
        wrong: "CREATE TABLE made (id INTEGER PRIMARY KEY, hall TEXT, number TEXT);
INSERT INTO made SELECT id, hall, number FROM seat;
DROP TABLE seat;
ALTER TABLE made RENAME TO seat;",
        right: "CREATE TABLE made (id INTEGER PRIMARY KEY, hall TEXT, number TEXT, UNIQUE (hall, number));
INSERT INTO made SELECT id, hall, number FROM seat;
DROP TABLE seat;
ALTER TABLE made RENAME TO seat;",
        says: "of seat (hall, number) is gone",
    }
    .show();
}

/// What a rebuilt table loses is the whole purpose of the step, or is declared.
#[test]
fn what_is_meant_is_not_told() {
    let place = Place::new().with_sql("0001_before.sql", PERSON).with_sql(
        "0002_step.sql",
        "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made SELECT id, name, note FROM person;
DROP INDEX person_name;
DROP TABLE person;
ALTER TABLE made RENAME TO person;
CREATE INDEX person_name ON person (name);",
    );
    let declared = place.path().join("migrations/0002_step.test.toml");
    std::fs::write(&declared, "reversible = false\n").unwrap();
    clean(test(&place, &["2"]));
    place.write_step(
        "0002_step.sql",
        b"CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT, note TEXT, age INTEGER);
INSERT INTO made (id, name, note) SELECT id, name, note FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;",
    );
    let said = caught(test(&place, &["2"]), "collateral", "the index person_name");
    said.and_says("of person.note is gone");
    std::fs::write(
        &declared,
        "reversible = false\ncollateral = [\"person_name\", \"person.note\"]\n",
    )
    .unwrap();
    clean(test(&place, &["2"]));
}
