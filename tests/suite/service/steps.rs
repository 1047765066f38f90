//! The native protocol: what each step is and may do, and what a run is doing.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{self, Request};
use super::process::Service;
use super::{READY, gated, held_in, open_gate};
use crate::hostile::component::{Component, sql};

#[test]
fn a_step_tells_what_it_is_and_may_do() {
    let place = gated()
        .with_sql(
            "0002_more.sql",
            "-- adds more\nCREATE TABLE more (id INTEGER PRIMARY KEY);",
        )
        .with_sql(
            "0003_broken.sql",
            "SELECT 1;\n-- wasmigrate:reset\nSELECT 2;",
        );
    place.write_step("0004_no_component.wasm", b"\0asm");
    let service = Service::start(&place);
    let component = service.get("/api/v1/steps/1").json();
    assert_eq!(component["file_name"], "0001_first.wasm", "{component}");
    assert_eq!(component["progress"], "pending", "{component}");
    assert_eq!(component["transactional"], true, "{component}");
    let abilities = component["abilities"].to_string();
    assert!(
        abilities.contains("read and change the database"),
        "{component}"
    );
    let imports = component["imports"].to_string();
    assert!(
        imports.contains("wasmigrate:migration/database@0.1.0"),
        "{component}"
    );
    let steps = service.get("/api/v1/steps").json();
    assert_eq!(component["digest"], steps[0]["digest"]);
    let script = service.get("/api/v1/steps/2").json();
    assert_eq!(script["summary"], "adds more", "{script}");
    assert_eq!(
        script["abilities"],
        json!(["run its statements for migrate, inside the transaction that the host opens"])
    );
    let broken = service.get("/api/v1/steps/3").json();
    assert!(
        broken["problem"]
            .as_str()
            .unwrap()
            .contains("before the first section"),
        "{broken}"
    );
    assert!(service.get("/api/v1/steps/4").json()["problem"].is_string());
    service
        .get("/api/v1/steps/5")
        .is_problem(404, "there is no step 5");
    service.get("/api/v1/steps/x").is_problem(400, "");
    // Looking leaves no trace.
    assert!(!place.has_table("wasmigrate_run"));
}

#[test]
fn describing_itself_a_step_changes_nothing() {
    let place = gated();
    let describe = sql("INSERT INTO applied (note) VALUES ('described')");
    place.write_step(
        "0002_sly.wasm",
        &Component::new().with("describe", describe).build(),
    );
    let service = Service::start(&place);
    assert_eq!(service.get("/api/v1/steps/2").status, 200);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM applied"), 0);
}

#[test]
fn describing_itself_a_step_sees_nothing_of_the_target() {
    let place = gated();
    // It breaks down when it is told something.
    let peep = "(if (i32.eqz (call $query_rows {{SELECT is_open FROM gate}})) (then unreachable))";
    let step = Component::new().with("describe", peep);
    place.write_step("0002_curious.wasm", &step.build());
    let file = place.path().join("read-token");
    std::fs::write(&file, "only-looking").unwrap();
    let service = Service::start_with(&place, &["--read-token-file", "read-token"]);
    let request = Request::get("/api/v1/steps/2").with("Authorization", "Bearer only-looking");
    let seen = request.send(service.address()).json();
    assert_eq!(seen["problem"], Value::Null, "{seen}");
    assert_eq!(seen["transactional"], true, "{seen}");
    // Where it is there to see, it is seen.
    let step = Component::new().with("check", peep);
    place.write_step("0002_curious.wasm", &step.build());
    place.run(&["migrate"]).ends_with(2).and_says("unreachable");
}

#[test]
fn steps_that_never_describe_themselves_hold_up_no_other_question() {
    let place = gated();
    let endless = Component::new().with("describe", "(loop $again (br $again))");
    place.write_step("0002_endless.wasm", &endless.build());
    let service = Service::start(&place);
    let asked: Vec<TcpStream> = (0..12)
        .map(|_| {
            let mut connection = client::connect(service.address()).unwrap();
            let request = Request::get("/api/v1/steps/2");
            connection.write_all(&request.bytes()).unwrap();
            connection
        })
        .collect();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        assert_eq!(service.get("/api/v1/status").status, 200);
        assert_eq!(service.get("/readyz").status, 200);
        // They wait for other questions of their kind at most, not for a description.
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
    let first = asked.into_iter().next().unwrap();
    let answer = client::read_answer(first).unwrap().unwrap().json();
    let problem = answer["problem"].as_str().unwrap();
    assert!(problem.contains("does not end within 10 s"), "{answer}");
}

#[test]
fn the_status_says_which_commands_are_possible_and_what_a_run_does() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let status = || service.get("/api/v1/status").json();
    assert_eq!(status()["commands"], json!(["migrate", "finalize"]));
    assert_eq!(status()["running"], Value::Null);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    let running = status();
    assert_eq!(running["commands"], json!([]), "{running}");
    let step = &running["running"]["step"];
    assert_eq!(step["step"], "0002_held", "{running}");
    assert_eq!(step["phase"], "migrate", "{running}");
    assert_eq!(
        (&step["number"], &step["of"]),
        (&json!(2), &json!(2)),
        "{running}"
    );
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    assert_eq!(
        status()["commands"],
        json!(["migrate", "finalize", "reset"])
    );
    open_gate(&place);
    place.write_step("0002_held.wasm", &Component::migrating(READY).build());
    service.does("migrate");
    assert_eq!(status()["commands"], json!(["finalize", "reset"]));
    service.does("finalize");
    assert_eq!(status()["commands"], json!([]));
}
