//! `verify`: what somebody else has changed is named table by table.

use crate::place::Place;
use crate::service::process::Service;
use crate::service::{held_in, open_gate};

fn place() -> Place {
    Place::new()
        .with_data("CREATE TABLE kept (id INTEGER)")
        .with_sql(
            "0001_a.sql",
            "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'nobody');
             CREATE INDEX person_name ON person (name);
             CREATE TABLE pet (id INTEGER, person INTEGER REFERENCES person (id));
             CREATE VIEW named AS SELECT name FROM person;",
        )
}

#[test]
fn what_changed_since_the_last_run_is_named() {
    let place = place();
    place.run(&["verify"]).ends_with(0).and_says("is not known");
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("1 applied step is what it was when it ran; the schema is what run 1 left");
    let verified = place.run(&["verify", "--json"]).json();
    assert_eq!(
        verified,
        serde_json::json!({ "verified": 1, "schema_of_run": 1 })
    );
    // Rows are the application's business.
    place.connect().run("INSERT INTO person (id) VALUES (1)");
    place.run(&["verify"]).ends_with(0);
    place.connect().run(
        "DROP VIEW named; DROP INDEX person_name; ALTER TABLE person ADD COLUMN nick TEXT;
         DROP TABLE pet; CREATE TABLE stray (id INTEGER)",
    );
    let service = Service::start(&place);
    let host = format!("http://{}", service.address());
    for arguments in [
        &["verify"][..],
        &["verify", "--host", &host, "--token-file", "token"],
    ] {
        let said = place.run(arguments).ends_with(2);
        for line in [
            "the schema is not what run 1 left",
            "table person: ",
            "column nick ",
            " is new",
            "person_name",
            "view named is gone",
            "table pet is gone",
            "table stray is new",
        ] {
            assert!(said.stderr.contains(line), "`{line}` is not in {said:#?}");
        }
        for line in ["kept", "wasmigrate_"] {
            assert!(!said.stderr.contains(line), "`{line}` is in {said:#?}");
        }
    }
    service
        .get("/api/v1/verify")
        .is_problem(409, "table stray is new");
}

#[test]
fn what_a_run_does_is_no_drift_however_it_ends() {
    let place = place();
    place.write_step("0002_b.sql", b"CREATE TABLE b (id INTEGER);");
    place.write_step(
        "0003_c.sql",
        b"CREATE TABLE c (id INTEGER); INSERT INTO nowhere VALUES (1);",
    );
    place.run(&["migrate"]).ends_with(1);
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("what run 1 left");
    std::fs::remove_file(place.step("0003_c.sql")).unwrap();
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("what run 2 left");
}

#[test]
fn drift_that_nobody_can_judge_is_not_called_none() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    service
        .get("/api/v1/verify")
        .is_problem(409, "run 1 was interrupted or is in progress");
    service.kill();
    place
        .run(&["verify"])
        .ends_with(2)
        .and_says("what the schema was is not known, and so not whether it was changed: run 1 was interrupted");
    open_gate(&place);
    place.run(&["migrate"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_journal_of_an_earlier_host_is_completed() {
    let place = place();
    place.run(&["migrate"]).ends_with(0);
    place.connect().run(
        "DROP TABLE wasmigrate_order; ALTER TABLE wasmigrate_run DROP COLUMN commanded_by;
         ALTER TABLE wasmigrate_run DROP COLUMN request_key; ALTER TABLE wasmigrate_run DROP COLUMN request;
         DROP TABLE wasmigrate_release;
         ALTER TABLE wasmigrate_run DROP COLUMN release; ALTER TABLE wasmigrate_step DROP COLUMN signer;
         ALTER TABLE wasmigrate_lease DROP COLUMN nonce; ALTER TABLE wasmigrate_step DROP COLUMN revision;
         ALTER TABLE wasmigrate_output DROP COLUMN writer; ALTER TABLE wasmigrate_output DROP COLUMN number;
         DROP TABLE wasmigrate_failure; DROP TABLE wasmigrate_applied; DROP TABLE wasmigrate_source;
         DROP TABLE wasmigrate_tenant; ALTER TABLE wasmigrate_output DROP COLUMN tenant;
         ALTER TABLE wasmigrate_output DROP COLUMN file_key; DROP TABLE wasmigrate_schema; DROP TABLE wasmigrate_pause; DROP TABLE wasmigrate_bad_row;
         DROP TABLE wasmigrate_range; DROP TABLE wasmigrate_transformation; UPDATE wasmigrate_journal SET version = 1",
    );
    place.run(&["status"]).ends_with(0).and_says("migrated");
    place.run(&["verify"]).ends_with(2).and_says("is not known");
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("what run 2 left");
}

/// The steps that a host of the third version has migrated are finalized by this one.
#[test]
fn a_journal_of_the_third_version_gets_what_it_lacks() {
    let place = place();
    place.run(&["migrate"]).ends_with(0);
    place.connect().run(
        "DROP TABLE wasmigrate_order; ALTER TABLE wasmigrate_run DROP COLUMN commanded_by;
         ALTER TABLE wasmigrate_run DROP COLUMN request_key; ALTER TABLE wasmigrate_run DROP COLUMN request;
         DROP TABLE wasmigrate_release;
         ALTER TABLE wasmigrate_run DROP COLUMN release; ALTER TABLE wasmigrate_step DROP COLUMN signer;
         ALTER TABLE wasmigrate_lease DROP COLUMN nonce; ALTER TABLE wasmigrate_step DROP COLUMN revision;
         ALTER TABLE wasmigrate_output DROP COLUMN writer; ALTER TABLE wasmigrate_output DROP COLUMN number;
         ALTER TABLE wasmigrate_pause DROP COLUMN closed_at;
         ALTER TABLE wasmigrate_pause DROP COLUMN cancel_requested_at; UPDATE wasmigrate_journal SET version = 3",
    );
    place.run(&["status"]).ends_with(0).and_says("migrated");
    place.run(&["finalize"]).ends_with(0);
    let states = "SELECT state FROM wasmigrate_step GROUP BY state";
    assert_eq!(place.texts(states), ["finalized"]);
    assert_eq!(place.texts("SELECT version FROM wasmigrate_journal"), ["7"]);
}
