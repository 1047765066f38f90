//! What only a server knows: its connections, how many of them a service takes, and what becomes of them.

use std::sync::Barrier;

use serde_json::Value;

use super::process::Service;
use super::remote::Desk;
use super::{applied, gated, held_in, open_gate, outcomes};
use crate::application::superuser;
use crate::hosts::host::{Host, until};
use crate::place::Place;

/// Clients that ask at the same time.
const CLIENTS: usize = 100;

fn name(place: &Place) -> String {
    place.one("SELECT current_database()")
}

/// Ends all connections to the place's database, as a server does that restarts.
fn end_connections(place: &Place) {
    end_connections_of(&name(place));
}

fn end_connections_of(name: &str) {
    superuser("postgres").run(&format!(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
    ));
}

/// What the hosts' connections do that are in the middle of something.
fn busy(place: &Place) -> Vec<String> {
    place.texts(
        "SELECT concat_ws(': ', state, query) FROM pg_stat_activity
         WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()",
    )
}

#[test]
fn many_askers_leave_connections_to_others() {
    let place = held_in("migrate");
    let limit = format!("ALTER DATABASE {} CONNECTION LIMIT 16", name(&place));
    place.connect().run(&limit);
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    let start = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                start.wait();
                let answer = service.get("/api/v1/runs");
                assert_eq!(answer.status, 200, "{answer:?}");
            });
        }
    });
    // The application gets in all the same.
    assert_eq!(outcomes(&place), ["running"]);
    assert_eq!(service.state(), "migration_running");
}

#[test]
fn connections_that_the_server_ended_are_replaced() {
    let place = gated();
    let mut service = Service::start(&place);
    for (command, state) in [
        ("migrate", "finalization_required"),
        ("finalize", "finalized"),
    ] {
        assert_ne!(service.state(), state);
        end_connections(&place);
        service.does(command);
        end_connections(&place);
        assert_eq!(service.state(), state);
    }
    service.is_well();
}

#[test]
fn a_step_that_loses_its_connection_is_rolled_back() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    end_connections(&place);
    assert_eq!(service.outcome(run), "failed");
    assert_eq!(service.state(), "migration_failed");
    assert_eq!(applied(&place), ["first"]);
    let failure = service.get("/api/v1/status").json()["failure"].to_string();
    for part in [
        "0002_held",
        "was lost: terminating connection due to administrator command",
        "what was not committed is rolled back",
    ] {
        assert!(failure.contains(part), "`{part}` is not in {failure}");
    }
    open_gate(&place);
    service.does("migrate");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
}

#[test]
fn who_follows_a_run_bears_a_database_that_is_out_of_reach_for_a_while() {
    let place = held_in("migrate");
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "[retry]\nattempts = 100\ndelay_milliseconds = 3000\n[serve]\nlog_level = \"debug\"\n",
    )
    .unwrap();
    let service = Service::start(&place);
    let desk = Desk::of(&service);
    let mut migrate = desk.start(&["migrate"]);
    migrate.until("output");
    service.until_output(1, "ready");
    let name = name(&place);
    let admin = || superuser("postgres");
    admin().run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    end_connections_of(&name);
    migrate.until("retrying");
    // Nothing comes while the next try is awaited, so that the run is asked for.
    let is_refused = |line: &String| line.contains("/api/v1/runs/1") && line.contains("503");
    until("the run is asked for", || {
        service.logs().iter().any(is_refused)
    });
    admin().run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    open_gate(&place);
    migrate.end().ends_with(0).and_says("run_ended");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
}

#[test]
fn who_cannot_follow_a_run_any_more_does_not_say_that_nothing_was_done() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let desk = Desk::of(&service);
    let mut migrate = desk.start(&["migrate"]);
    migrate.until("output");
    service.until_output(1, "ready");
    service.kill();
    migrate
        .end()
        .ends_with(1)
        .and_says("run 1 was begun and may go on");
}

#[test]
fn steps_that_had_run_in_a_finalize_that_lost_its_connection_are_told_as_rolled_back() {
    let place = held_in("finalize");
    place.write_step(
        "0001_early.sql",
        b"-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\nSELECT 2;",
    );
    std::fs::remove_file(place.step("0001_first.wasm")).unwrap();
    place.run(&["migrate"]).ends_with(0);
    let mut finalize = Host::start(&place, &["finalize"]);
    while finalize.until("output")["line"] != "ready" {}
    end_connections(&place);
    let said = finalize.end().ends_with(1);
    let early = said
        .stdout
        .lines()
        .find(|line| line.contains("0001_early") && line.contains("step_ended"));
    assert!(early.unwrap().contains("\"rolled_back\":true"), "{said:#?}");
}

#[test]
fn a_cancelled_statement_ends_on_the_server() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    until("the step waits", || {
        busy(&place).iter().any(|query| query.contains("pg_sleep"))
    });
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    until("the statement ends", || busy(&place).is_empty());
}

#[test]
fn what_a_dead_service_had_open_is_ended_by_the_next() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    service.kill();
    // The server sleeps on: nobody has told it.
    until("the step waits", || {
        busy(&place).iter().any(|query| query.contains("pg_sleep"))
    });
    open_gate(&place);
    Service::start(&place).does("migrate");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
    until("nothing is left", || busy(&place).is_empty());
}
