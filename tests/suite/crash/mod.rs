//! The host is killed, and nobody can tell from the data.
//!
//! Each test kills the real binary with SIGKILL, again and again, each time on a fresh copy of the same place: before
//! every single write to the database's files, before every word to the server and from it, at system calls chosen at random, at moments chosen at random. Then the
//! same command simply runs again. It must not wait for the dead host, and must leave the content of an undisturbed run
//! and a journal that tells what happened. `WASMIGRATE_TEST_SEED` repeats the choice of an earlier run.

pub mod point;
pub mod scenario;

use crate::application::{self, Kind};
use crate::place::Place;
use point::Seed;
use scenario::Scenario;

/// So many points on a file; on a server half of them, because each costs a copy of a whole database there.
fn many(of_file: usize) -> usize {
    match application::kind() {
        Kind::Sqlite => of_file,
        Kind::Postgres => of_file / 2,
    }
}

/// Three steps, none of which would bear being applied twice, or by half.
pub fn sql_steps(place: Place) -> Place {
    place
        .with_data(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL, visits INTEGER NOT NULL);
             INSERT INTO person WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             SELECT i, 'person ' || i, i % 7 FROM n;
             CREATE TABLE total (visits INTEGER NOT NULL);
             INSERT INTO total VALUES (0);",
        )
        .with_sql(
            "0001_add_accounts.sql",
            "-- wasmigrate:migrate
             CREATE TABLE account (id INTEGER PRIMARY KEY, person INTEGER REFERENCES person (id), balance INTEGER);
             CREATE INDEX account_by_person ON account (person);
             INSERT INTO account (id, person, balance) SELECT id, id, 100 FROM person;
             -- wasmigrate:finalize
             CREATE UNIQUE INDEX account_is_unique ON account (person);
             UPDATE account SET balance = balance + 1;
             -- wasmigrate:reset
             DROP TABLE account;",
        )
        .with_sql(
            "0002_count_visits.sql",
            "-- wasmigrate:migrate
             ALTER TABLE person ADD COLUMN greeted INTEGER NOT NULL DEFAULT 0;
             UPDATE person SET visits = visits + 1;
             UPDATE total SET visits = visits + (SELECT sum(visits) FROM person);
             -- wasmigrate:finalize
             UPDATE person SET greeted = greeted + visits;
             -- wasmigrate:reset
             UPDATE total SET visits = visits - (SELECT sum(visits) FROM person);
             UPDATE person SET visits = visits - 1;
             ALTER TABLE person DROP COLUMN greeted;",
        )
        .with_sql(
            "0003_pay_visits.sql",
            "-- wasmigrate:migrate
             UPDATE account SET balance = balance + (SELECT visits FROM person WHERE person.id = account.person);
             -- wasmigrate:finalize
             DROP TABLE total;
             ALTER TABLE account RENAME COLUMN balance TO credit;
             -- wasmigrate:reset
             UPDATE account SET balance = balance - (SELECT visits FROM person WHERE person.id = account.person);",
        )
}

/// Steps that are over at once, and share commits; and one that does not.
pub fn brief_steps(place: Place) -> Place {
    let place = place.with_sql("0001_noted.sql", "CREATE TABLE noted (what TEXT NOT NULL);");
    let place = (2..=6).fold(place, |place, number| {
        place.with_sql(
            &format!("000{number}_step.sql"),
            &format!(
                "CREATE TABLE made_{number} (id INTEGER);\nINSERT INTO noted VALUES ('{number}');"
            ),
        )
    });
    place.with_sql(
        "0007_more.sql",
        "CREATE TABLE more AS SELECT what FROM noted;\nINSERT INTO noted VALUES ('7');",
    )
}

/// The example steps, the long one with many checkpoints, on a part of their data.
pub fn example_steps(place: Place) -> Place {
    place
        .with_legacy_data()
        .with_data(
            "DELETE FROM registry_record WHERE id BETWEEN 400 AND 7900 OR id > 8300;
             DELETE FROM territory_document WHERE code > 'C';",
        )
        .with_data("VACUUM")
        .with_examples()
        .with_variable("WASMIGRATE_SETTINGS_INDEX_DESCRIPTIONS_CHUNK", "40")
}

#[test]
fn migrate_is_killed_before_every_write() {
    let scenario = Scenario::new(sql_steps(Place::new()), &[], &["migrate"]);
    let points = scenario.decisive_calls();
    assert!(scenario.survives(&points) > many(100));
}

#[test]
fn steps_that_share_a_commit_are_killed_before_every_write() {
    let scenario = Scenario::new(brief_steps(Place::new()), &[], &["migrate"]);
    let points = scenario.decisive_calls();
    assert!(scenario.survives(&points) > many(60));
}

#[test]
fn finalize_of_several_steps_is_killed_before_every_write() {
    let scenario = Scenario::new(sql_steps(Place::new()), &[&["migrate"]], &["finalize"]);
    let points = scenario.decisive_calls();
    assert!(scenario.survives(&points) > many(60));
}

#[test]
fn reset_is_killed_before_every_write() {
    let scenario = Scenario::new(sql_steps(Place::new()), &[&["migrate"]], &["reset"]);
    let points = scenario.decisive_calls();
    assert!(scenario.survives(&points) > many(60));
}

#[test]
fn migrate_and_finalize_at_once_are_killed_anywhere() {
    let seed = Seed::new();
    let scenario = Scenario::new(sql_steps(Place::new()), &[], &["finalize"]);
    scenario.survives_some(&seed, scenario.all_calls(), many(36));
}

#[test]
fn steps_with_checkpoints_are_killed_while_they_write() {
    let seed = Seed::new();
    let scenario = Scenario::new(example_steps(Place::new()), &[], &["migrate"]);
    scenario.survives_some(&seed, scenario.decisive_calls(), many(32));
}

#[test]
fn steps_with_checkpoints_are_killed_anywhere() {
    let seed = Seed::new();
    let scenario = Scenario::new(example_steps(Place::new()), &[], &["migrate"]);
    // The components compute most of the time: a clock finds them at work, a system call does not.
    let moments = seed.moments(scenario.duration(), many(100));
    scenario.survives_some(&seed, moments, many(16));
    scenario.survives_some(&seed, scenario.all_calls(), many(16));
}

#[test]
fn finalize_of_components_is_killed_anywhere() {
    let seed = Seed::new();
    let scenario = Scenario::new(example_steps(Place::new()), &[&["migrate"]], &["finalize"]);
    let moments = seed.moments(scenario.duration(), many(100));
    scenario.survives_some(&seed, moments, many(12));
    scenario.survives_some(&seed, scenario.all_calls(), many(12));
}

#[test]
fn reset_of_components_is_killed_anywhere() {
    let seed = Seed::new();
    let scenario = Scenario::new(example_steps(Place::new()), &[&["migrate"]], &["reset"]);
    let moments = seed.moments(scenario.duration(), many(100));
    scenario.survives_some(&seed, moments, many(12));
    scenario.survives_some(&seed, scenario.all_calls(), many(12));
}

#[test]
fn the_compile_cache_is_killed_while_it_is_written() {
    let seed = Seed::new();
    let place = Place::new()
        .with_own_cache()
        .with_data("CREATE TABLE one (value INTEGER)")
        .with_guest("0001_one.wasm", "one");
    let scenario = Scenario::new(place, &[], &["migrate"]);
    let calls = ["write", "fsync", "fdatasync", "rename", "mkdir"];
    scenario.survives_some(&seed, scenario.calls(&calls), 6);
}

mod sqlite {
    use super::Scenario;
    use super::point::Seed;
    use crate::place::Place;

    #[test]
    fn a_transaction_larger_than_the_cache_is_killed_while_it_spills() {
        let seed = Seed::new();
        let place = Place::new().with_sql(
            "0001_fill.sql",
            "CREATE TABLE filled (id INTEGER PRIMARY KEY, padding BLOB);
             INSERT INTO filled (padding)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) SELECT zeroblob(2000 + i) FROM n;
             UPDATE filled SET padding = zeroblob(3000) WHERE id % 3 = 0;",
        );
        let scenario = Scenario::new(place, &[], &["migrate"]);
        scenario.survives_some(&seed, scenario.decisive_calls(), 18);
    }
}
