//! What only a superuser may do, which the role of a migration is not.

use crate::application;
use crate::place::Place;
use crate::seeded_faults::{caught, clean, test};

/// Tries a step that needs a superuser, and one that does not, on a server that lets superusers in.
#[track_caller]
fn exhibit(before: &str, wrong: &str, right: &str) {
    let server = application::server_url().replace("app@", "postgres@");
    let arguments = ["2", "--server", &server];
    let place = Place::new().with_sql("0001_before.sql", before);
    let declared = place.path().join("migrations/0002_step.test.toml");
    std::fs::write(declared, "reversible = false\n").unwrap();
    place.write_step("0002_step.sql", wrong.as_bytes());
    let says = "it fails for an owner of the database who is no superuser";
    caught(test(&place, &arguments), "role", says);
    place.write_step("0002_step.sql", right.as_bytes());
    clean(test(&place, &arguments));
}

const PERSON: &str = "CREATE SCHEMA more;
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES person (id));";

#[test]
fn to_switch_the_triggers_of_the_server_off() {
    exhibit(
        PERSON,
        "ALTER TABLE pet DISABLE TRIGGER ALL;
UPDATE pet SET owner = NULL WHERE owner < 0;
ALTER TABLE pet ENABLE TRIGGER ALL;",
        "ALTER TABLE pet DISABLE TRIGGER USER;
UPDATE pet SET owner = NULL WHERE owner < 0;
ALTER TABLE pet ENABLE TRIGGER USER;",
    );
}

#[test]
fn to_vouch_for_a_function() {
    exhibit(
        PERSON,
        "CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT 2 * $1';",
        "CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';",
    );
}

#[test]
fn to_make_a_function_of_the_servers_own_code() {
    exhibit(
        PERSON,
        "CREATE FUNCTION root(double precision) RETURNS double precision LANGUAGE internal IMMUTABLE STRICT AS 'dsqrt';",
        "CREATE FUNCTION root(double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT AS 'SELECT sqrt($1)';",
    );
}

#[test]
fn to_tell_how_types_are_cast() {
    exhibit(
        PERSON,
        "CREATE TYPE more.name AS (given TEXT, family TEXT);
CREATE CAST (more.name AS TEXT) WITH INOUT AS ASSIGNMENT;
CREATE OPERATOR FAMILY more.names USING btree;",
        "CREATE TYPE more.name AS (given TEXT, family TEXT);
CREATE CAST (more.name AS TEXT) WITH INOUT AS ASSIGNMENT;",
    );
}
