//! The service dies in the middle of something, and another takes over.

use serde_json::Value;

use super::process::Service;
use super::{READY, applied, gated, held_in, note, open_gate, outcomes};
use crate::hostile::component::{Component, must};
use crate::place::Place;

/// Starts a run, kills the service when the run is at the point where it waits, and starts another.
fn killed_in(place: &Place, command: &str, state: &str) -> Service {
    let service = Service::start(place);
    let run = service.run(command);
    service.until_output(run, "ready");
    assert_eq!(service.state(), state);
    service.kill();
    let service = Service::start(place);
    assert!(
        !service.state().ends_with("_running"),
        "{}",
        service.state()
    );
    service
        .post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null)
        .is_problem(409, "died");
    service
}

/// The next run does what was not done, and all is there once.
fn goes_on(service: &Service, place: &Place, command: &str, expected: &[&str]) {
    open_gate(place);
    service.does(command);
    assert_eq!(applied(place), expected);
    assert_eq!(outcomes(place).last().unwrap(), "done");
}

#[test]
fn while_it_prepares() {
    let place = held_in("check");
    let service = killed_in(&place, "migrate", "migration_preparing");
    assert_eq!(service.state(), "migration_required");
    assert!(applied(&place).is_empty());
    goes_on(&service, &place, "migrate", &["first"]);
    assert_eq!(outcomes(&place), ["interrupted", "done"]);
}

#[test]
fn while_a_step_migrates() {
    let place = held_in("migrate");
    let service = killed_in(&place, "migrate", "migration_running");
    assert_eq!(service.state(), "migration_required");
    assert_eq!(service.output(1), ["first is done"]);
    let stats = service.command("stats").json();
    assert_eq!(stats["stats"]["output"], "first is done\n", "{stats}");
    assert_eq!(applied(&place), ["first"]);
    goes_on(&service, &place, "migrate", &["first", "begun", "done"]);
    assert_eq!(outcomes(&place), ["interrupted", "done"]);
    // The earlier run's output is still there.
    assert_eq!(service.output(1), ["first is done"]);
}

#[test]
fn while_a_step_migrates_behind_a_checkpoint() {
    let place = gated();
    let resumed = format!(
        "(if (local.get 0) (then {} (return (i32.const 512))))",
        note("resumed")
    );
    let body = resumed
        + &note("kept")
        + "(call $output (i32.const 1) {{kept}})"
        + &must("$checkpoint")
        + &note("undone")
        + READY
        + "(loop $again (br $again))";
    place.write_step("0002_long.wasm", &Component::migrating(body).build());
    let service = killed_in(&place, "migrate", "migration_running");
    assert_eq!(service.state(), "migration_required");
    assert_eq!(service.output(1), ["first is done", "kept"]);
    let steps = service.get("/api/v1/steps").json();
    assert_eq!(steps[1]["progress"], "started", "{steps}");
    goes_on(&service, &place, "migrate", &["first", "kept", "resumed"]);
}

#[test]
fn while_it_finalizes() {
    let place = held_in("finalize");
    let service = killed_in(&place, "finalize", "finalization_running");
    assert_eq!(service.state(), "finalization_required");
    assert_eq!(service.output(1), ["first is done"]);
    assert_eq!(applied(&place), ["first"]);
    goes_on(&service, &place, "finalize", &["first", "begun", "done"]);
    assert_eq!(service.state(), "finalized");
}

#[test]
fn while_it_resets() {
    let place = held_in("reset");
    let service = Service::start(&place);
    service.does("migrate");
    service.kill();
    let service = killed_in(&place, "reset", "migration_running");
    assert_eq!(service.state(), "finalization_required");
    goes_on(&service, &place, "reset", &["first", "begun", "done"]);
    assert_eq!(service.state(), "migration_required");
}

#[test]
fn after_a_failure() {
    let place = gated();
    let body = note("half")
        + "(call $output (i32.const 1) {{before the storm}})"
        + "(return (call $fail {{the well is dry}} (i32.const 0)))";
    place.write_step("0002_dry.wasm", &Component::migrating(body).build());
    let service = Service::start(&place);
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    let before = remembered(&service);
    service.kill();
    let service = Service::start(&place);
    assert_eq!(remembered(&service), before);
    assert_eq!(service.output(run), ["first is done", "before the storm"]);
    service
        .command("migrate")
        .is_refusal(400, "Migration in a failed state");
    service.does("reset");
    let stats = service.command("stats").json();
    assert_eq!(stats["stats"]["status"], "migration_required", "{stats}");
    assert_eq!(stats["stats"]["exception"], Value::Null, "{stats}");
}

/// What a failed run leaves for those who ask later.
fn remembered(service: &Service) -> (String, Value, Value) {
    let status = service.get("/api/v1/status").json();
    let stats = service.command("stats").json();
    let exception = stats["stats"]["exception"].clone();
    let text = exception.as_str().unwrap();
    assert!(text.contains("the well is dry"), "{stats}");
    assert_eq!(service.state(), "migration_failed");
    (service.state(), status["failure"].clone(), exception)
}
