//! What only a server has: replicas that fall behind, and an application that holds locks.

use std::time::{Duration, Instant};

use wasmigrate_test_server::{Cluster, Durability};

use super::{COLUMNS, Customer, customers, expected, insert, normalized, place_with};
use crate::hosts::host::until;
use crate::place::{Place, Said};

#[test]
fn the_work_rests_while_a_replica_is_far_behind() {
    let cluster = Cluster::start(Durability::None).unwrap();
    cluster
        .run_sql("postgres", "GRANT pg_monitor TO app")
        .unwrap();
    let place = Place::on(&cluster)
        .with_data(&format!(
            "CREATE TABLE customer (id BIGINT PRIMARY KEY, {COLUMNS})"
        ))
        .with_guest("0001_normalize.wasm", "normalize")
        .with_variable("WASMIGRATE_TRANSFORM_MAX_REPLICA_LAG_SECONDS", "1");
    let all = customers(3_000);
    insert(&mut place.connect(), 1, &all);
    let _follower = cluster.follow(Duration::from_secs(3)).unwrap();
    let said = place
        .run(&["migrate", "--max-rows-per-second", "1000"])
        .ends_with(0);
    assert!(
        said.stdout.contains("the run rests: a replica is "),
        "{said:#?}"
    );
    assert!(said.stdout.contains("the run goes on"), "{said:#?}");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

#[test]
fn the_finalize_waits_for_the_table_in_short_tries() {
    let all = customers(100);
    let place = place_with(&all);
    place.run(&["migrate"]).ends_with(0);
    let mut reader = place.connect();
    reader.run("BEGIN; SELECT count(*) FROM customer");
    let finalize = place.start(&["finalize"]);
    // Somebody else comes and goes while the finalize wants the table for itself.
    let mut other = place.connect();
    let mut longest = Duration::ZERO;
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        let began = Instant::now();
        other.run("UPDATE customer SET credit = credit WHERE id = 1");
        longest = longest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("the longest statement took {longest:?}");
    assert!(
        longest < Duration::from_secs(1),
        "the application queued for {longest:?} behind the finalize"
    );
    reader.run("COMMIT");
    Said::from(finalize.wait_with_output().unwrap()).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

#[test]
fn the_application_does_not_wait_behind_a_finalize_that_waits_for_a_vacuum() {
    let all = customers(100);
    let place = place_with(&all);
    place.run(&["migrate"]).ends_with(0);
    let mut vacuum = place.connect();
    // What a vacuum holds.
    vacuum.run("BEGIN; LOCK TABLE customer IN SHARE UPDATE EXCLUSIVE MODE");
    let finalize = place.start(&["finalize"]);
    until("the finalize waits for the vacuum", || {
        place.one::<i64>("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
    });
    let mut application = place.connect();
    application.run("SET lock_timeout = '50ms'");
    for _ in 0..50 {
        application.run("UPDATE customer SET credit = credit WHERE id = 1");
        std::thread::sleep(Duration::from_millis(10));
    }
    vacuum.run("COMMIT");
    Said::from(finalize.wait_with_output().unwrap()).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

const DEMANDS: &str = "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'capture_of_step_%' AND contype = 'c' AND convalidated";

/// A finalize that has proven that every row has its values, and failed behind that.
fn failed_behind_the_proof(all: &[Customer]) -> Place {
    let place = place_with(all).with_sql(
        "0002_fails.sql",
        "-- wasmigrate:finalize\nINSERT INTO nowhere VALUES (1);",
    );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(1);
    assert_eq!(place.one::<i64>(DEMANDS), 2);
    place
}

#[test]
fn that_no_required_value_is_missing_is_proven_before_the_table_is_locked() {
    let mut all = customers(100);
    let place = failed_behind_the_proof(&all);
    // The application does not know the columns.
    let more = [Customer::numbered(101), Customer::numbered(102)];
    insert(&mut place.connect(), 101, &more);
    all.extend(more);
    place.write_step("0002_fails.sql", b"SELECT 1;");
    place.run(&["finalize", "--allow-changed"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
    let defaults = "SELECT count(*) FROM information_schema.columns
                    WHERE table_name = 'customer' AND column_default IS NOT NULL";
    assert_eq!(place.one::<i64>(defaults), 0);
    let checks = "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = 'customer'::regclass";
    assert_eq!(place.one::<i64>(checks), 0);
}

#[test]
fn a_reset_takes_the_proof_away() {
    let all = customers(100);
    let untouched = place_with(&all);
    let place = failed_behind_the_proof(&all);
    place.run(&["reset"]).ends_with(0);
    let table = "SELECT string_agg(column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, ''), ', '
                 ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'customer'";
    assert_eq!(place.one::<String>(table), untouched.one::<String>(table));
    assert_eq!(place.one::<i64>(DEMANDS), 0);
}

#[test]
fn two_rows_of_the_application_do_not_meet_in_a_unique_index_on_a_derived_column() {
    let place = place_with(&customers(100))
        .with_sql(
            "0002_index.sql",
            "CREATE UNIQUE INDEX customer_balance ON customer (balance, id);",
        )
        .with_sql(
            "0003_fails.sql",
            "-- wasmigrate:finalize\nINSERT INTO nowhere VALUES (1);",
        );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(1);
    assert_eq!(place.one::<i64>(DEMANDS), 0);
    let more = [Customer::numbered(101), Customer::numbered(102)];
    insert(&mut place.connect(), 101, &more);
}

#[test]
fn a_row_that_the_application_has_locked_is_waited_for() {
    let mut all = customers(100);
    let place = place_with(&all);
    let mut application = place.connect();
    application.run("BEGIN; UPDATE customer SET name = 'Grace Hopper' WHERE id = 50");
    let migrate = place.start(&["migrate"]);
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    let give_up = Instant::now() + Duration::from_secs(20);
    while place.one::<i64>(waits) == 0 {
        assert!(Instant::now() < give_up, "nobody waits");
        std::thread::sleep(Duration::from_millis(20));
    }
    application.run("COMMIT");
    all[49] = Customer {
        name: "Grace Hopper".to_owned(),
        ..all[49].clone()
    };
    Said::from(migrate.wait_with_output().unwrap()).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}
