//! The application that goes on while a step is under way, and after it, each mistake with its twin.

mod postgres;

use super::twins;
use crate::place::Place;

/// A step that goes wrong where the application goes on, and one that does not.
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
        let person = "id,name,note\n1,Zoe,a\n2,Ann,\n";
        super::fixture(&place, "person.csv", person);
        twins(&place, "inserts", (self.wrong, self.says), self.right);
    }
}

const PERSON: &str = "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, note TEXT);";

/// A copy that finalize puts in the place of the old table lacks what came meanwhile, and is not asked about it.
#[test]
fn a_copy_that_lacks_what_came_meanwhile() {
    Exhibit {
        before: PERSON,
        wrong: "-- wasmigrate:migrate
CREATE TABLE human (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);
INSERT INTO human SELECT id, coalesce(name, ''), note FROM person;
-- wasmigrate:finalize
CREATE TABLE counted (difference INTEGER CHECK (difference = 0));
INSERT INTO counted SELECT (SELECT count(*) FROM person) - (SELECT count(*) FROM human);
DROP TABLE counted;
",
        right: "-- wasmigrate:migrate
CREATE TABLE human (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);
INSERT INTO human SELECT id, coalesce(name, ''), note FROM person;
-- wasmigrate:finalize
INSERT INTO human SELECT id, coalesce(name, ''), note FROM person WHERE id NOT IN (SELECT id FROM human);
CREATE TABLE counted (difference INTEGER CHECK (difference = 0));
INSERT INTO counted SELECT (SELECT count(*) FROM person) - (SELECT count(*) FROM human);
DROP TABLE counted;
",
        says: "finalize fails when the application has written between the phases",
    }
    .show();
}

/// What was made unique before finalize is not unique any more.
#[test]
fn duplicates_that_came_meanwhile() {
    Exhibit {
        before: PERSON,
        wrong: "-- wasmigrate:migrate
DELETE FROM person WHERE EXISTS (SELECT 1 FROM person AS other WHERE other.name = person.name AND other.id < person.id);
-- wasmigrate:finalize
CREATE UNIQUE INDEX person_name ON person (name);
",
        right: "-- wasmigrate:migrate
DELETE FROM person WHERE EXISTS (SELECT 1 FROM person AS other WHERE other.name = person.name AND other.id < person.id);
-- wasmigrate:finalize
DELETE FROM person WHERE EXISTS (SELECT 1 FROM person AS other WHERE other.name = person.name AND other.id < person.id);
CREATE UNIQUE INDEX person_name ON person (name);
",
        says: "it has written 1 row, first: person",
    }
    .show();
}
