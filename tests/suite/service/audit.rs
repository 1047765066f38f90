//! Who commanded what: the history says so, and no step can change it.

use serde_json::{Value, json};

use super::client::Request;
use super::process::Service;
use super::{gated, held_in};
use crate::application::{Kind, kind};
use crate::place::Place;

#[test]
fn a_command_of_this_machine_names_its_user_and_its_machine() {
    let place = gated();
    place.run(&["migrate"]).ends_with(0);
    let run = place.run(&["history", "--json"]).ends_with(0).json()[0].take();
    let by = &run["commanded_by"];
    assert_eq!(by["name"], "root");
    assert_eq!(by["via"], "command-line");
    assert_eq!(by["version"], env!("CARGO_PKG_VERSION"));
    let host = run["host"].as_str().unwrap();
    assert_eq!(by["from"].as_str(), host.split(':').next());
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("commanded by root by the command line, from ");
}

#[test]
fn each_way_in_names_who_came_by_it() {
    let place = gated();
    let service = Service::start(&place);
    let route = Request::post("/internal/migrations", &json!({ "cmd": "migrate" }))
        .with("Authorization", "b3BlbnNsaWRlcw==")
        .with("X-Forwarded-For", "192.0.2.7");
    assert_eq!(route.send(service.address()).status, 200);
    assert_eq!(service.outcome(1), "done");
    let by = service.get("/api/v1/runs/1").json()["commanded_by"].take();
    assert_eq!(by["name"], "password");
    assert_eq!(by["via"], "openslides");
    assert_eq!(by["from"], "127.0.0.1");
    assert_eq!(by["forwarded_for"], "192.0.2.7");
}

#[test]
fn a_cancel_at_the_host_itself_is_written_down_too() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    crate::hosts::host::until("it is written down", || {
        let run = service.get(&format!("/api/v1/runs/{run}")).json();
        run["orders"][0]["commanded_by"]["name"] == "token"
    });
}

#[test]
fn no_step_can_change_it() {
    let schema = match kind() {
        Kind::Sqlite => "",
        Kind::Postgres => "wasmigrate.",
    };
    for statement in [
        format!("UPDATE {schema}wasmigrate_run SET commanded_by = NULL"),
        format!("DELETE FROM {schema}wasmigrate_order"),
        format!("INSERT INTO {schema}wasmigrate_order VALUES (99, 1, 'cancel', 0, '{{}}')"),
    ] {
        let place = Place::new().with_sql("0001_first.sql", "CREATE TABLE first (id INTEGER);");
        place.run(&["migrate"]).ends_with(0);
        let place = place.with_sql("0002_forger.sql", &statement);
        let said = place.run(&["migrate"]);
        assert_ne!(said.status, Some(0), "{statement}: {said:#?}");
        let by = place.run(&["history", "--json"]).json()[1]["commanded_by"].take();
        assert_eq!(by["name"], "root", "{statement}");
        assert_eq!(
            place.one::<i64>("SELECT count(*) FROM wasmigrate_order"),
            0,
            "{statement}"
        );
    }
}
