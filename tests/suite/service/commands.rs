//! The native protocol: starting runs, once, and cancelling them.

use std::io::Write as _;
use std::sync::Barrier;

use serde_json::{Value, json};

use super::client::{self, Answer, Request};
use super::process::Service;
use super::{applied, gated, held_in, hold_runs, open_gate, outcomes};
use crate::application::{Kind, kind};

/// A request to start a command, under a key.
fn keyed(command: &str, key: &str) -> Request {
    Request::post("/api/v1/runs", &json!({ "command": command })).with("Idempotency-Key", key)
}

#[track_caller]
fn is_accepted(answer: &Answer, run: i64) {
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json(), json!({ "run": run }));
    let location = format!("/api/v1/runs/{run}");
    assert_eq!(answer.header("location"), Some(location.as_str()));
}

#[test]
fn a_command_that_is_repeated_under_its_key_is_done_once() {
    let place = gated();
    let service = Service::start(&place);
    let send = |command: &str, key: &str| keyed(command, key).send(service.address());
    is_accepted(&send("migrate", "k1"), 1);
    assert_eq!(service.outcome(1), "done");
    is_accepted(&send("migrate", "k1"), 1);
    send("reset", "k1").is_problem(422, "the idempotency key was used for `migrate`");
    for (option, value) in [
        ("steps", json!(1)),
        ("out_of_order", json!(true)),
        ("allow_missing", json!(true)),
        ("allow_changed", json!(true)),
        ("replacement", json!("restart")),
        ("verbose", json!(true)),
    ] {
        let other = json!({ "command": "migrate", option: value });
        Request::post("/api/v1/runs", &other)
            .with("Idempotency-Key", "k1")
            .send(service.address())
            .is_problem(422, "was used for `migrate` with other options");
    }
    is_accepted(&send("reset", "k2"), 2);
    assert_eq!(service.outcome(2), "done");
    // The first answer again, not another run.
    is_accepted(&send("migrate", "k1"), 1);
    is_accepted(&send("migrate", "k3"), 3);
    assert_eq!(service.outcome(3), "done");
    let nothing = send("migrate", "k4");
    assert_eq!(
        (nothing.status, nothing.json()),
        (200, json!({ "run": null }))
    );
    // That answer, too, is given again, whatever there is to do by now.
    place.write_step(
        "0002_more.sql",
        b"INSERT INTO applied (note) VALUES ('more');",
    );
    let again = send("migrate", "k4");
    assert_eq!((again.status, again.json()), (200, json!({ "run": null })));
    for key in ["", &"k".repeat(201), "naïve"] {
        send("migrate", key).is_problem(400, "`Idempotency-Key` must be 1 to 200");
    }
    assert_eq!(outcomes(&place).len(), 3);
}

#[test]
fn clients_that_share_a_key_share_a_run() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let start = Barrier::new(20);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                start.wait();
                is_accepted(&keyed("migrate", "same").send(service.address()), 1);
            });
        }
    });
    assert_eq!(outcomes(&place), ["running"]);
}

#[test]
fn a_client_that_hangs_up_finds_its_run_again() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    // Held here, so that the client is gone before the run is accepted.
    let mut application = hold_runs(&place);
    let mut connection = client::connect(service.address()).unwrap();
    let request = keyed("migrate", "lost");
    // Of a connection that is to be closed anyway, the service would not notice the end.
    let bytes = String::from_utf8(request.bytes()).unwrap();
    let bytes = bytes.replace("Connection: close\r\n", "");
    connection.write_all(bytes.as_bytes()).unwrap();
    service.until_a_run_waits();
    drop(connection);
    // Answered behind the end of that connection.
    assert_eq!(service.get("/healthz").status, 200);
    application.run("ROLLBACK");
    service.until_output(1, "ready");
    is_accepted(&request.send(service.address()), 1);
    assert_eq!(outcomes(&place), ["running"]);
}

#[test]
fn a_run_is_cancelled() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    service
        .post("/api/v1/runs", &json!({ "command": "migrate" }))
        .is_problem(409, "a run is in progress");
    let path = format!("/api/v1/runs/{run}/cancel");
    // Nobody else can write to the file meanwhile.
    if kind() == Kind::Sqlite {
        let other = Service::start(&place);
        other
            .post(&path, &Value::Null)
            .is_problem(409, "cancel it there");
    }
    let answer = service.post(&path, &Value::Null);
    assert_eq!((answer.status, answer.json()), (202, json!({ "run": run })));
    assert_eq!(service.outcome(run), "cancelled");
    assert_eq!(service.state(), "migration_required");
    assert_eq!(applied(&place), ["first"]);
    service
        .post(&path, &Value::Null)
        .is_problem(409, "run 1 has ended: cancelled");
    service
        .post("/api/v1/runs/9/cancel", &Value::Null)
        .is_problem(404, "there is no run 9");
    open_gate(&place);
    service.does("migrate");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
}

#[test]
fn a_command_that_cannot_be_understood_starts_nothing() {
    let place = gated();
    let service = Service::start(&place);
    for (body, status) in [
        (json!({ "command": "explode" }), 422),
        (json!({ "command": "Migrate" }), 422),
        (json!({}), 422),
        (json!({ "command": "migrate", "force": true }), 422),
        (json!({ "command": "migrate", "verbose": "yes" }), 422),
        (json!([]), 422),
        (Value::Null, 422),
    ] {
        service.post("/api/v1/runs", &body).is_problem(status, "");
    }
    let request = Request::post("/api/v1/runs", &json!({ "command": "migrate" }));
    let typed = request.clone().with("Content-Type", "text/plain");
    typed
        .send(service.address())
        .is_problem(415, "application/json");
    let mut cut = request;
    cut.body.pop();
    cut.send(service.address()).is_problem(400, "JSON");
    cut.body = "[".repeat(100_000).into_bytes();
    cut.send(service.address()).is_problem(400, "JSON");
    assert_eq!(service.get("/api/v1/runs").json(), json!([]));
}

#[test]
fn files_that_do_not_fit_are_named() {
    let place = gated();
    let service = Service::start(&place);
    service.does("finalize");
    place.write_step("0001_first.wasm", b"\0asm, but another one");
    service
        .post("/api/v1/runs", &json!({ "command": "migrate" }))
        .is_problem(409, "0001_first");
    place.write_step("0001_again.sql", b"SELECT 1;");
    service
        .post("/api/v1/runs", &json!({ "command": "migrate" }))
        .is_problem(409, "0001");
    service.get("/api/v1/status").is_problem(409, "0001");
    // The service is up all the same, and says that it is not ready.
    assert_eq!(service.get("/healthz").status, 200);
    assert_eq!(service.get("/readyz").status, 503);
}
