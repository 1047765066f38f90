//! Six hosts that start at once, with and without a pooler between them and the server.

use wasmigrate_test_server::Pooler;

use super::{cluster, done};
use crate::hosts::host::{Host, until};
use crate::place::Place;

const HOSTS: usize = 6;

/// Fewer server processes than the hosts would like to have.
const POOL: u32 = 4;

/// What step `number` does to a counter; no order but the right one, and no double, leaves the same.
fn changed(counter: i64, number: i64) -> i64 {
    (counter * 3 + number) % 1_000_003
}

/// So many steps from `first` on.
fn with_steps(place: Place, first: i64, count: i64) -> Place {
    (first..first + count).fold(place, |place, number| {
        place.with_sql(
            &format!("{number:04}_step.sql"),
            &format!("UPDATE counter SET value = (value * 3 + {number}) % 1000003;"),
        )
    })
}

/// Starts the hosts, and demands that they did so many steps together, each once.
fn finalize_together(place: &Place, steps: i64) {
    let hosts: Vec<Host> = (0..HOSTS)
        .map(|_| Host::start(place, &["migrate"]))
        .collect();
    for host in hosts {
        host.end().ends_with(0);
    }
    let migrated: Vec<String> = place.texts(
        "SELECT CAST(step_index AS TEXT) FROM wasmigrate_attempt WHERE outcome = 'done' ORDER BY wasmigrate_attempt.step_index",
    );
    assert_eq!(
        migrated,
        (1..=steps)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    );
    assert_eq!(
        place.one::<i64>("SELECT value FROM counter"),
        (2..=steps).fold(1, changed)
    );
    let failed = "SELECT id FROM wasmigrate_run WHERE outcome <> 'done' OR outcome IS NULL";
    assert_eq!(place.texts(failed), [""; 0]);
}

fn begun(place: Place) -> Place {
    place.with_sql(
        "0001_begin.sql",
        "CREATE TABLE counter (value INTEGER NOT NULL); INSERT INTO counter VALUES (1);",
    )
}

#[test]
fn six_hosts_on_an_empty_database_do_each_step_once() {
    for _ in 0..3 {
        finalize_together(&with_steps(begun(Place::new()), 2, 9), 10);
    }
}

#[test]
fn six_hosts_do_twenty_steps_behind_a_hundred_once() {
    let place = with_steps(begun(Place::new()), 2, 99);
    place.run(&["migrate"]).ends_with(0);
    finalize_together(&with_steps(place, 101, 20), 120);
}

#[test]
fn six_hosts_do_each_step_once_through_a_pooler() {
    let cluster = cluster();
    let pooler = Pooler::start(&cluster, POOL).unwrap();
    let through = |place: Place| {
        let url = pooler.url("app", place.server_database());
        place.with_variable("WASMIGRATE_DATABASE", &url)
    };
    for _ in 0..2 {
        finalize_together(&with_steps(begun(through(Place::on(&cluster))), 2, 9), 10);
    }
    let place = with_steps(begun(through(Place::on(&cluster))), 2, 99);
    place.run(&["migrate"]).ends_with(0);
    finalize_together(&with_steps(place, 101, 20), 120);
}

#[test]
fn a_pooler_hands_nothing_of_one_transaction_to_the_next() {
    let cluster = cluster();
    let pooler = Pooler::start(&cluster, 1).unwrap();
    let place = begun(Place::on(&cluster))
        .with_data("CREATE SCHEMA other")
        .with_sql(
            "0002_set.sql",
            "SET search_path = other; SET statement_timeout = 1; RESET statement_timeout; SET lock_timeout = 1;",
        );
    let url = pooler.url("app", place.server_database());
    let place = place.with_variable("WASMIGRATE_DATABASE", &url);
    let settings = "SELECT current_setting('search_path') || current_setting('lock_timeout')
                    || current_setting('statement_timeout') || current_setting('application_name')";
    let mut application = crate::application::Application::open_url(&url);
    let before = application.rows(settings);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(application.rows(settings), before);
    assert_eq!(done(&place).len(), 2);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(place.one::<i64>(locks), 0);
}

#[test]
fn a_host_that_sleeps_behind_a_pooler_loses_its_transaction_to_the_next() {
    let cluster = cluster();
    let pooler = Pooler::start(&cluster, POOL).unwrap();
    let place = begun(Place::on(&cluster))
        .with_sql(
            "0002_slow.sql",
            "UPDATE counter SET value = value + 1; SELECT pg_sleep(1);",
        )
        .with_variable("WASMIGRATE_LEASE_SECONDS", "3");
    let url = pooler.url("app", place.server_database());
    let place = place.with_variable("WASMIGRATE_DATABASE", &url);
    let asleep = Host::start(&place, &["migrate"]);
    let sleeping = "SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until("the step sleeps", || !place.texts(sleeping).is_empty());
    asleep.stop();
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says(&format!("waiting for {} (run 1)", asleep.name()))
        .and_says("0002_slow migrated");
    let everything = place.everything();
    asleep.go_on();
    asleep
        .end()
        .ends_with(1)
        .and_says("its lease was taken or broken");
    assert_eq!(place.everything(), everything);
    assert_eq!(place.one::<i64>("SELECT value FROM counter"), 2);
}
