//! What CASCADE and other short ways take along on PostgreSQL.

use super::Exhibit;

#[test]
fn a_view_that_goes_with_its_table() {
    Exhibit {
        before: "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT);
CREATE VIEW named AS SELECT id FROM person WHERE name <> '';",
        wrong: "CREATE TABLE made (id BIGINT PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person CASCADE;
ALTER TABLE made RENAME TO person;",
        right: "CREATE TABLE made (id BIGINT PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person CASCADE;
ALTER TABLE made RENAME TO person;
CREATE VIEW named AS SELECT id FROM person WHERE name <> '';",
        says: "the view named is gone",
    }
    .show();
}

#[test]
fn a_reference_that_goes_with_its_target() {
    Exhibit {
        before: "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT);
CREATE TABLE pet (id BIGINT PRIMARY KEY, owner BIGINT REFERENCES person (id), note TEXT);",
        wrong: "CREATE TABLE made (id BIGINT PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person CASCADE;
ALTER TABLE made RENAME TO person;
ALTER TABLE pet ADD COLUMN kind TEXT;",
        right: "CREATE TABLE made (id BIGINT PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person CASCADE;
ALTER TABLE made RENAME TO person;
ALTER TABLE pet ADD COLUMN kind TEXT;
ALTER TABLE pet ADD FOREIGN KEY (owner) REFERENCES person (id);",
        says: "the foreign key pet_owner_fkey of pet.owner is gone",
    }
    .show();
}

#[test]
fn a_column_that_goes_with_its_type() {
    Exhibit {
        before: "CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE person (id BIGINT PRIMARY KEY, feels mood);",
        wrong: "DROP TYPE mood CASCADE;
CREATE TYPE mood AS ENUM ('good', 'bad', 'so so');",
        right: "ALTER TYPE mood ADD VALUE 'so so';",
        says: "the column person.feels is gone",
    }
    .show();
}

#[test]
fn triggers_that_stay_switched_off() {
    Exhibit {
        before: "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT);
CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER watched BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION same();",
        wrong: "ALTER TABLE person DISABLE TRIGGER USER;
UPDATE person SET name = trim(name) WHERE name <> trim(name);",
        right: "ALTER TABLE person DISABLE TRIGGER USER;
UPDATE person SET name = trim(name) WHERE name <> trim(name);
ALTER TABLE person ENABLE TRIGGER USER;",
        says: "the trigger watched of person is switched off",
    }
    .show();
}

#[test]
fn rights_and_a_comment_of_a_table_that_is_made_anew() {
    Exhibit {
        before: "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT);
COMMENT ON COLUMN person.name IS 'as it is spoken';
GRANT SELECT ON person TO PUBLIC;",
        wrong: "CREATE TABLE made (id BIGINT PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;",
        right: "CREATE TABLE made (id BIGINT PRIMARY KEY, name TEXT, note TEXT);
INSERT INTO made (id, name) SELECT id, name FROM person;
DROP TABLE person;
ALTER TABLE made RENAME TO person;
COMMENT ON COLUMN person.name IS 'as it is spoken';
GRANT SELECT ON person TO PUBLIC;",
        says: "the rights `",
    }
    .show();
}

#[test]
fn what_happens_to_children_of_a_reference_that_is_made_anew() {
    Exhibit {
        before: "CREATE TABLE person (id BIGINT PRIMARY KEY);
CREATE TABLE pet (id BIGINT PRIMARY KEY, owner INTEGER);
ALTER TABLE pet ADD CONSTRAINT owned FOREIGN KEY (owner) REFERENCES person (id) ON DELETE CASCADE;",
        wrong: "ALTER TABLE pet DROP CONSTRAINT owned;
ALTER TABLE pet ALTER COLUMN owner TYPE BIGINT;
ALTER TABLE pet ADD CONSTRAINT owned FOREIGN KEY (owner) REFERENCES person (id);",
        right: "ALTER TABLE pet DROP CONSTRAINT owned;
ALTER TABLE pet ALTER COLUMN owner TYPE BIGINT;
ALTER TABLE pet ADD CONSTRAINT owned FOREIGN KEY (owner) REFERENCES person (id) ON DELETE CASCADE;",
        says: "has lost `ON DELETE CASCADE`",
    }
    .show();
}
