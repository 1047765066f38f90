//! Somebody else holds a lock that a step needs: nobody queues up behind the step, and it is tried again.

use std::time::{Duration, Instant};

use crate::hosts::host::{Host, until};
use crate::hosts::waiting_for_locks;
use crate::place::Place;

/// How long a statement of a step waits for a lock here, in milliseconds.
const LOCK_TIMEOUT: &str = "400";

/// A step that needs a table for itself.
fn shop() -> Place {
    Place::new()
        .with_data(
            "CREATE TABLE customer (id INTEGER PRIMARY KEY); INSERT INTO customer VALUES (1);",
        )
        .with_sql(
            "0001_alter.sql",
            "ALTER TABLE customer ADD COLUMN name TEXT;",
        )
        .with_variable(
            "WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS",
            LOCK_TIMEOUT,
        )
}

/// Has a transaction open in which it has looked at the table.
const LOOKS: &str = "BEGIN; SELECT id FROM customer";

#[test]
fn a_step_gives_up_and_says_who_held_the_lock() {
    let place = shop();
    let mut holder = place.connect();
    holder.run(LOOKS);
    let pid = holder
        .rows("SELECT pg_backend_pid()")
        .remove(0)
        .remove(0)
        .unwrap();
    holder.run("SELECT id FROM customer WHERE id = 1");
    let said = place
        .run(&["migrate", "--json"])
        .ends_with(1)
        .and_says("0001_alter")
        .and_says("a lock was not given within 400ms (`postgres.lock_timeout_milliseconds`)")
        .and_says(&format!(
            "it was held by process {pid} (app, idle in transaction; its transaction is "
        ))
        .and_says("whose statement is: SELECT id FROM customer WHERE id = 1")
        .and_says("55P03");
    // Three tries, each after a longer pause.
    let delays: Vec<u64> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["event"] == "retrying")
        .map(|event| event["delay_milliseconds"].as_u64().unwrap())
        .collect();
    assert_eq!(delays, [200, 400]);
    assert_eq!(
        place.texts("SELECT outcome FROM wasmigrate_attempt ORDER BY attempt"),
        ["failed"; 3]
    );
    holder.run("COMMIT");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_alter migrated");
}

#[test]
fn a_lock_that_is_freed_meanwhile_is_given_to_the_next_try() {
    let place = shop();
    let mut holder = place.connect();
    holder.run(LOOKS);
    let mut host = Host::start(&place, &["migrate"]);
    let retrying = host.until("retrying");
    assert_eq!(retrying["step"], "0001_alter");
    assert_eq!(retrying["attempt"], 2);
    holder.run("COMMIT");
    host.end().ends_with(0);
    assert_eq!(
        place.texts("SELECT outcome FROM wasmigrate_attempt ORDER BY attempt"),
        ["failed", "done"]
    );
}

#[test]
fn the_application_does_not_queue_up_behind_a_step_that_waits() {
    let place = shop();
    let mut holder = place.connect();
    holder.run(LOOKS);
    let mut application = place.connect();
    let mut host = Host::start(&place, &["migrate"]);
    until("the step waits", || waiting_for_locks(&place) > 0);
    let mut longest = Duration::ZERO;
    while !host.has_ended() {
        let began = Instant::now();
        application.run("SELECT id FROM customer");
        longest = longest.max(began.elapsed());
    }
    host.end().ends_with(1);
    // It stood behind the step, and was let in when that gave up.
    assert!(longest > Duration::from_millis(50), "{longest:?}");
    assert!(longest < Duration::from_millis(2_000), "{longest:?}");
}

#[test]
fn a_finalize_of_several_steps_is_tried_again_as_a_whole() {
    let place = shop().with_sql(
        "0002_fill.sql",
        "-- wasmigrate:finalize\nINSERT INTO customer VALUES (2, 'a');",
    );
    place.write_step(
        "0001_alter.sql",
        b"-- wasmigrate:migrate\nCREATE TABLE note (id INTEGER);
          -- wasmigrate:finalize\nINSERT INTO note VALUES (1); ALTER TABLE customer ADD COLUMN name TEXT;",
    );
    place.run(&["migrate"]).ends_with(0);
    let mut holder = place.connect();
    holder.run(LOOKS);
    let mut host = Host::start(&place, &["finalize"]);
    host.until("retrying");
    holder.run("COMMIT");
    host.end().ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM note"), 1);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM customer"), 2);
}

#[test]
fn two_that_wait_for_each_other_do_not_wait_for_ever() {
    let place = shop()
        .with_data("CREATE TABLE account (id INTEGER PRIMARY KEY); INSERT INTO account VALUES (1);")
        .with_variable("WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS", "5000");
    place.write_step(
        "0001_alter.sql",
        b"UPDATE account SET id = 2 WHERE id = 1; SELECT pg_sleep(0.3); UPDATE customer SET id = 2 WHERE id = 1;",
    );
    let mut application = place.connect();
    application.run("BEGIN; UPDATE customer SET id = 3 WHERE id = 1");
    let host = Host::start(&place, &["migrate"]);
    until("the step waits", || waiting_for_locks(&place) > 0);
    // One of the two is told of the deadlock, and the other goes on.
    let refused = application.try_run("UPDATE account SET id = 3 WHERE id = 1");
    let _ = application.try_run("ROLLBACK");
    host.end().ends_with(0);
    println!("the application: {refused:?}");
    assert_eq!(place.one::<i64>("SELECT id FROM account"), 2);
    assert_eq!(place.one::<i64>("SELECT id FROM customer"), 2);
}

/// Its process is gone, and it still holds its locks.
#[test]
fn a_prepared_transaction_that_held_the_lock_is_named() {
    let cluster = super::cluster();
    let place = Place::on(&cluster)
        .with_data("CREATE TABLE customer (id INTEGER PRIMARY KEY)")
        .with_sql(
            "0001_alter.sql",
            "ALTER TABLE customer ADD COLUMN name TEXT;",
        )
        .with_variable(
            "WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS",
            LOCK_TIMEOUT,
        );
    place
        .connect()
        .run("BEGIN; INSERT INTO customer VALUES (1); PREPARE TRANSACTION 'left behind'");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("it was held by the prepared transaction 'left behind' (app; ")
        .and_says("ROLLBACK PREPARED");
    place.connect().run("ROLLBACK PREPARED 'left behind'");
    place.run(&["migrate"]).ends_with(0);
}
