//! What gets lost where a table is changed by making it anew.

use super::Exhibit;

/// Tables that refer to it follow the old one to its new name.
#[test]
fn references_that_follow_the_old_table() {
    Exhibit {
        before: "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES person (id));",
        wrong: "ALTER TABLE person RENAME TO former;
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '');
INSERT INTO person SELECT id, coalesce(name, '') FROM former;",
        right: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '');
INSERT INTO made SELECT id, coalesce(name, '') FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;",
        says: "the foreign key of pet.owner refers to former instead of person",
    }
    .show();
}

#[test]
fn what_happens_to_children() {
    Exhibit {
        before: "CREATE TABLE person (id INTEGER PRIMARY KEY);
CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES person (id) ON DELETE CASCADE);",
        wrong: "CREATE TABLE made (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES person (id), name TEXT);
INSERT INTO made (id, owner) SELECT id, owner FROM pet;
DROP TABLE pet;
ALTER TABLE made RENAME TO pet;",
        right: "CREATE TABLE made (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES person (id) ON DELETE CASCADE, name TEXT);
INSERT INTO made (id, owner) SELECT id, owner FROM pet;
DROP TABLE pet;
ALTER TABLE made RENAME TO pet;",
        says: "the foreign key of pet.owner has lost `ON DELETE CASCADE`",
    }
    .show();
}

#[test]
fn numbers_that_are_given_again() {
    Exhibit {
        before: "CREATE TABLE bill (id INTEGER PRIMARY KEY AUTOINCREMENT, amount INTEGER CHECK (amount > 0));",
        wrong: "CREATE TABLE made (id INTEGER PRIMARY KEY, amount INTEGER CHECK (amount > 0), note TEXT);
INSERT INTO made (id, amount) SELECT id, amount FROM bill;
DROP TABLE bill;
ALTER TABLE made RENAME TO bill;",
        right: "CREATE TABLE made (id INTEGER PRIMARY KEY AUTOINCREMENT, amount INTEGER CHECK (amount > 0), note TEXT);
INSERT INTO made (id, amount) SELECT id, amount FROM bill;
DROP TABLE bill;
ALTER TABLE made RENAME TO bill;",
        says: "AUTOINCREMENT of bill.id is gone",
    }
    .show();
}

#[test]
fn how_texts_are_compared_and_what_is_checked() {
    Exhibit {
        before: "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE CHECK (name <> ''));",
        wrong: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> ''), note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;",
        right: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE CHECK (length(name) > 0), note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person WHERE name <> '';
DROP TABLE person;
ALTER TABLE made RENAME TO person;",
        says: "the collation `COLLATE nocase` of person.name is gone",
    }
    .show();
}

#[test]
fn a_trigger_of_a_table_that_is_made_anew() {
    Exhibit {
        before: "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE trace (id INTEGER);
CREATE TRIGGER traced AFTER DELETE ON person BEGIN INSERT INTO trace VALUES (old.id); END;",
        wrong: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;",
        right: "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;
CREATE TRIGGER traced AFTER DELETE ON person BEGIN INSERT INTO trace VALUES (old.id); END;",
        says: "the trigger traced of person is gone",
    }
    .show();
}
