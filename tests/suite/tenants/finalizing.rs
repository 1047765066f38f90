//! The finalize of tenants is a phase of its own, as that of a plain target is.

use serde_json::Value;

use super::{Tenants as _, counting};
use crate::hosts::host::until;
use crate::monitors::receiver::{Answers, Receiver};
use crate::place::Place;
use crate::service::process::Service;

/// A second file for the two tenants, with this finalize.
fn place(finalize: &str) -> Place {
    let place = counting().with_tenants(&["acme", "beta"]);
    let sql = format!(
        "-- wasmigrate:migrate
         INSERT INTO {{schema}}.counted VALUES (10, 'migrate');
         -- wasmigrate:finalize
         {finalize}
         -- wasmigrate:reset
         DELETE FROM {{schema}}.counted WHERE value = 10;"
    );
    place.write_step("tenants/002_phases.sql", sql.as_bytes());
    place
}

/// Its finalize fails as long as `late` is not there.
fn failing() -> Place {
    place("INSERT INTO {schema}.late VALUES (1);")
}

/// Its finalize does not end by itself.
fn endless() -> Place {
    place(Place::in_sql_of(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n;",
        "SELECT pg_sleep(3600);",
    ))
}

fn in_parallel(place: Place) -> Place {
    place.with_variable("WASMIGRATE_TENANTS_PARALLEL", "2")
}

fn sums(place: &Place) -> [String; 2] {
    ["acme", "beta"].map(|tenant| place.sum(tenant))
}

fn is_seen_and_cancelled(place: &Place) {
    let service = Service::start(place);
    let run = service.run("finalize");
    until("the finalize is seen", || {
        service.state() == "finalization_running"
    });
    assert_eq!(sums(place), ["11", "11"]);
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    assert_eq!(service.state(), "finalization_required");
}

#[test]
fn a_finalize_behind_the_migrate_of_its_run_is_seen() {
    is_seen_and_cancelled(&in_parallel(endless()));
}

#[test]
fn a_finalize_in_one_transaction_is_seen() {
    let place = endless();
    place.run(&["migrate", "--atomic"]).ends_with(0);
    is_seen_and_cancelled(&place);
}

/// The finalize has failed, and what was migrated is kept.
fn has_failed_to_finalize(place: &Place, how: &[&str]) {
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("finalization_failed");
    place
        .run(&[&["migrate"], how].concat())
        .ends_with(2)
        .and_says("the last finalize failed");
    assert_eq!(sums(place), ["11", "11"]);
    let reset = place.copy_with_tenants();
    reset
        .run(&[&["reset"], how].concat())
        .ends_with(0)
        .and_says("migration_required");
    assert_eq!(sums(&reset), ["1", "1"]);
    for tenant in ["acme", "beta"] {
        let mut application = place.of_tenant(tenant);
        application.run("CREATE TABLE late (id INTEGER)");
    }
    place
        .run(&[&["finalize"], how].concat())
        .ends_with(0)
        .and_says("the state is finalized");
}

#[test]
fn a_failed_finalize_beside_each_other_is_no_failed_migrate() {
    for migrates_before in [true, false] {
        let place = failing();
        let how = ["--parallel", "2"];
        if migrates_before {
            place.run(&["migrate", "--parallel", "2"]).ends_with(0);
        }
        place
            .run(&[&["finalize"], &how[..]].concat())
            .ends_with(1)
            .and_says("finalization_failed");
        has_failed_to_finalize(&place, &how);
    }
}

#[test]
fn a_failed_finalize_in_one_transaction_is_no_failed_migrate() {
    let place = failing();
    place.run(&["migrate", "--atomic"]).ends_with(0);
    place
        .run(&["finalize", "--atomic"])
        .ends_with(1)
        .and_says("finalization_failed");
    has_failed_to_finalize(&place, &["--atomic"]);
}

/// Nothing of it is left, so that there is nothing that would have to be reset.
#[test]
fn a_failed_transaction_that_migrated_too_is_a_failed_migrate() {
    let place = failing();
    place
        .run(&["finalize", "--atomic"])
        .ends_with(1)
        .and_says("migration_failed");
    assert_eq!(sums(&place), ["1", "1"]);
    place.run(&["migrate", "--atomic"]).ends_with(0);
    assert_eq!(sums(&place), ["11", "11"]);
}

/// One tenant could not be migrated; the finalize of the others went well.
#[test]
fn a_tenant_that_failed_to_migrate_may_be_migrated_again() {
    let place = place("SELECT 1;");
    place.of_tenant("acme").run("DROP TABLE counted");
    place
        .run(&["finalize", "--parallel", "2"])
        .ends_with(1)
        .and_says("migration_failed");
    let mut application = place.of_tenant("acme");
    application.run("CREATE TABLE counted (value INTEGER, who TEXT)");
    place.run(&["migrate", "--parallel", "2"]).ends_with(0);
    assert_eq!(sums(&place), ["10", "11"]);
    place.run(&["finalize", "--parallel", "2"]).ends_with(0);
}

#[test]
fn the_gate_is_asked_when_all_tenants_are_migrated() {
    let gate = Receiver::answering(|_| Answers::Never);
    let place = in_parallel(place("SELECT 1;"))
        .with_variable("WASMIGRATE_GATE_BEFORE_FINALIZE", &gate.url())
        .with_variable("WASMIGRATE_GATE_TIMEOUT_MILLISECONDS", "3600000");
    let service = Service::start(&place);
    let run = service.run("finalize");
    gate.until_received(1);
    assert_eq!(sums(&place), ["11", "11"]);
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    assert_eq!(service.state(), "finalization_required");
}

#[test]
fn a_gate_that_stays_shut_leaves_tenants_migrated() {
    let gate = Receiver::answering(|_| Answers::With(403, String::new()));
    let place = in_parallel(place("SELECT 1;"))
        .with_variable("WASMIGRATE_GATE_BEFORE_FINALIZE", &gate.url());
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("the gate before the finalize did not open")
        .and_says("the state is finalization_required");
    place
        .run(&["finalize"])
        .ends_with(2)
        .and_says("nothing was changed; the state is finalization_required");
    place.run(&["verify"]).ends_with(0);
    assert_eq!(sums(&place), ["11", "11"]);
}
