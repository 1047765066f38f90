//! The gate before a finalize.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::receiver::{Answers, Receiver};
use crate::hosts::host::until;
use crate::place::{Place, Said};
use crate::service::process::Service;
use crate::transform::pause::wait_for;

fn place(gate: &Receiver) -> Place {
    Place::new()
        .with_sql(
            "0001_a.sql",
            "-- wasmigrate:migrate\nCREATE TABLE a (id INTEGER);\n-- wasmigrate:finalize\nCREATE TABLE b (id INTEGER);
             -- wasmigrate:reset\nDROP TABLE a;",
        )
        .with_variable("WASMIGRATE_GATE_BEFORE_FINALIZE", &gate.url())
}

#[test]
fn a_finalize_begins_only_when_the_gate_opens() {
    let gate = Receiver::answering(|number| match number {
        0 => Answers::With(403, String::new()),
        1 => Answers::With(307, "Location: /open\r\n".to_owned()),
        _ => Answers::With(200, String::new()),
    });
    let place = place(&gate);
    for (status, exit, left) in [
        (
            "403",
            1,
            "failed; what was migrated stays, and nothing was finalized",
        ),
        ("307", 2, "nothing was changed"),
    ] {
        place
            .run(&["finalize"])
            .ends_with(exit)
            .and_says("the gate before the finalize did not open")
            .and_says(status)
            .and_says(left)
            .and_says("the state is finalization_required");
        // What the run has left is what is looked for.
        place.run(&["verify"]).ends_with(0);
    }
    assert!(place.has_table("a") && !place.has_table("b"));
    let service = Service::start(&place);
    service.does("finalize");
    assert!(place.has_table("b"));
    let asked = gate.received()[2].json();
    assert_eq!(asked["event"], "before_finalize");
    assert_eq!(
        (&asked["run"], &asked["steps"]),
        (&json!(3), &json!(["0001_a"]))
    );
    // Migrating and resetting need no leave.
    assert_eq!(gate.received().len(), 3);
}

/// A failure that the next run has repaired is none any more, though that run was not allowed to finalize.
#[test]
fn a_closed_gate_brings_no_earlier_failure_back() {
    let gate = Receiver::answering(|_| Answers::With(403, String::new()));
    let place = place(&gate).with_sql("0002_b.sql", "CREATE TABLE c (id INTEGER) nonsense;");
    place.run(&["migrate"]).ends_with(1);
    place.write_step(
        "0002_b.sql",
        b"-- wasmigrate:migrate\nCREATE TABLE c (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE c;",
    );
    for exit in [1, 2] {
        place
            .run(&["finalize"])
            .ends_with(exit)
            .and_says("the state is finalization_required");
    }
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["finalize", "--to", "1"]).ends_with(2);
    place.run(&["reset"]).ends_with(0);
    place
        .run(&["finalize", "--to", "1"])
        .ends_with(1)
        .and_says("the state is migration_required");
}

#[test]
fn a_gate_that_does_not_answer_is_waited_for_no_longer_than_its_time_or_the_operator_wants() {
    let gate = Receiver::answering(|_| Answers::Never);
    let quick = place(&gate).with_variable("WASMIGRATE_GATE_TIMEOUT_MILLISECONDS", "100");
    quick
        .run(&["finalize"])
        .ends_with(1)
        .and_says("did not open")
        .and_says("timeout");
    let patient = place(&gate).with_variable("WASMIGRATE_GATE_TIMEOUT_MILLISECONDS", "3600000");
    let service = Service::start(&patient);
    let run = service.run("finalize");
    gate.until_received(2);
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    assert_eq!(service.state(), "finalization_required");
}

#[test]
fn who_cancels_a_run_while_the_gate_is_asked_rolls_no_step_back() {
    let gate = Receiver::answering(|_| Answers::Never);
    let place = place(&gate).with_variable("WASMIGRATE_GATE_TIMEOUT_MILLISECONDS", "3600000");
    for (asked, left) in [
        (
            1,
            "cancelled; no step was running, and what was done before stays, the state is",
        ),
        (2, "cancelled; no step was running, the state is"),
    ] {
        let run = place.start(&["finalize"]);
        gate.until_received(asked);
        let interrupt = ["-INT", &run.id().to_string()];
        let sent = std::process::Command::new("kill").args(interrupt).status();
        assert!(sent.unwrap().success());
        Said::from(run.wait_with_output().unwrap())
            .ends_with(1)
            .and_says(left);
    }
}

#[test]
fn who_pauses_a_run_while_the_gate_is_asked_keeps_everything_as_it_is() {
    let is_open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&is_open);
    let gate = Receiver::answering(move |_| {
        until("the gate may open", || opened.load(Ordering::Relaxed));
        Answers::With(204, String::new())
    });
    let place = place(&gate).with_sql(
        "0002_once.sql",
        "-- wasmigrate:migrate\nCREATE TABLE once (value INTEGER);\n-- wasmigrate:finalize\nINSERT INTO once VALUES (1);",
    );
    let run = place.start(&["finalize"]);
    gate.until_received(1);
    place.run(&["pause"]).ends_with(0);
    is_open.store(true, Ordering::Relaxed);
    wait_for(&place, &["status"], "on hold paused by");
    let done = "SELECT count(*) FROM once";
    assert_eq!(place.one::<i64>(done), 0);
    place.run(&["resume"]).ends_with(0);
    Said::from(run.wait_with_output().unwrap()).ends_with(0);
    assert_eq!(place.one::<i64>(done), 1);
}
