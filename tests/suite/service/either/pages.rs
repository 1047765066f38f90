//! The native protocol: what can be looked at, page by page.

use serde_json::{Value, json};

use crate::hostile::component::Component;
use crate::place::Place;
use crate::service::client::Request;
use crate::service::gated;
use crate::service::process::Service;

fn ids(runs: &Value) -> Vec<i64> {
    let runs = runs.as_array().unwrap().iter();
    runs.map(|run| run["id"].as_i64().unwrap()).collect()
}

#[test]
fn a_target_that_is_not_there_yet_can_be_looked_at() {
    let place = Place::new().with_sql("0001_begin.sql", "CREATE TABLE begin (id INTEGER);");
    let mut service = Service::start(&place);
    let status = service.get("/api/v1/status").json();
    assert_eq!(status["state"], "migration_required", "{status}");
    assert_eq!(status["target_index"], 1, "{status}");
    assert_eq!(service.get("/api/v1/runs").json(), json!([]));
    service
        .get("/api/v1/runs/1")
        .is_problem(404, "there is no run 1");
    service
        .get("/api/v1/runs/1/output")
        .is_problem(404, "there is no run 1");
    service
        .post("/api/v1/runs/1/cancel", &Value::Null)
        .is_problem(404, "there is no run 1");
    assert!(
        service
            .get("/metrics")
            .body
            .contains("wasmigrate_target_up 1")
    );
    assert!(place.is_untouched(), "looking made something");
    service.is_well();
}

#[test]
fn steps_and_status_say_how_far_all_is() {
    let place = gated();
    let service = Service::start(&place);
    let digest = service.get("/api/v1/steps").json()[0]["digest"].clone();
    assert_eq!(digest.as_str().unwrap().len(), 64);
    let pending = json!([{
        "index": 1, "name": "first", "kind": "wasm", "progress": "pending",
        "migrated_at": null, "finalized_at": null, "rows_done": null, "bad_rows": 0, "digest": digest,
    }]);
    assert_eq!(service.get("/api/v1/steps").json(), pending);
    service.does("migrate");
    let steps = service.get("/api/v1/steps").json();
    assert_eq!(steps[0]["progress"], "migrated", "{steps}");
    assert!(steps[0]["migrated_at"].is_i64(), "{steps}");
    service.does("finalize");
    let status = service.get("/api/v1/status").json();
    assert_eq!(status["state"], "finalized", "{status}");
    assert_eq!(status["current_index"], 1, "{status}");
    assert_eq!(status["steps"][0]["progress"], "finalized", "{status}");
    assert_eq!(status["lease"], Value::Null, "{status}");
    assert_eq!(status["last_run"]["id"], 2, "{status}");
}

#[test]
fn runs_come_in_pages_the_newest_first() {
    let place = gated();
    let service = Service::start(&place);
    for command in ["migrate", "reset", "migrate", "reset", "finalize"] {
        service.does(command);
    }
    assert_eq!(ids(&service.get("/api/v1/runs").json()), [5, 4, 3, 2, 1]);
    assert_eq!(ids(&service.get("/api/v1/runs?most=2").json()), [5, 4]);
    assert_eq!(
        ids(&service.get("/api/v1/runs?most=2&before=4").json()),
        [3, 2]
    );
    assert_eq!(ids(&service.get("/api/v1/runs?before=2").json()), [1]);
    assert_eq!(service.get("/api/v1/runs?before=1").json(), json!([]));
    assert_eq!(service.get("/api/v1/runs?most=0").json(), json!([]));
    assert_eq!(service.get("/api/v1/runs?before=-5").json(), json!([]));
    let everything = service
        .get("/api/v1/runs?most=4000000000&output=true")
        .json();
    assert_eq!(everything[4]["output"][0]["line"], "first is done");
    assert_eq!(
        everything[0]["attempts"].as_array().unwrap().len(),
        2,
        "{everything}"
    );

    let run = service.get("/api/v1/runs/2").json();
    assert_eq!((&run["id"], &run["command"]), (&json!(2), &json!("reset")));
    assert_eq!(run["outcome"], "done");
    for missing in [
        "6",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
    ] {
        let path = format!("/api/v1/runs/{missing}");
        service
            .get(&path)
            .is_problem(404, &format!("there is no run {missing}"));
    }
}

#[test]
fn output_comes_in_pages() {
    let place = gated();
    let lines = (1..=25).fold(String::new(), |body, line| {
        body + &format!("(call $output (i32.const 1) {{{{line {line}}}}})\n")
    });
    place.write_step("0001_first.wasm", &Component::migrating(lines).build());
    let service = Service::start(&place);
    let run = service.does("migrate");
    let (mut after, mut read, mut pages) = (0, Vec::new(), Vec::new());
    loop {
        let path = format!("/api/v1/runs/{run}/output?after={after}&most=10");
        let page = service.get(&path).json();
        let lines = page["lines"].as_array().unwrap();
        after = page["next"].as_i64().unwrap();
        if lines.is_empty() {
            break;
        }
        pages.push(lines.len());
        read.extend(
            lines
                .iter()
                .map(|line| line["line"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(pages, [10, 10, 5]);
    assert_eq!(
        read,
        (1..=25)
            .map(|line| format!("line {line}"))
            .collect::<Vec<_>>()
    );
    // The end stays where it is.
    assert_eq!(after, 25);
    let all = service.get(&format!("/api/v1/runs/{run}/output")).json();
    assert_eq!(all["lines"].as_array().unwrap().len(), 25);
    assert_eq!(all["next"], 25);
    let none = service
        .get(&format!("/api/v1/runs/{run}/output?most=0"))
        .json();
    assert_eq!(none, json!({ "lines": [], "next": 0 }));
}

#[test]
fn what_cannot_be_understood_is_a_problem() {
    let place = gated();
    let service = Service::start(&place);
    for path in [
        "/api/v1/runs?before=yesterday",
        "/api/v1/runs?most=-1",
        "/api/v1/runs?output=perhaps",
        "/api/v1/runs/first",
        "/api/v1/runs/%ff",
        "/api/v1/runs/99999999999999999999",
        "/api/v1/runs/1/output?after=x",
    ] {
        service.get(path).is_problem(400, "");
    }
    for path in [
        "/api/v1/nowhere",
        "/api/v1/",
        "/api/v1",
        "/api/v1/runs/1/nothing",
    ] {
        service.get(path).is_problem(404, "");
    }
    let mut delete = Request::get("/api/v1/runs/1");
    delete.method = "DELETE".to_owned();
    let answer = delete.send(service.address());
    answer.is_problem(405, "Allow");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[test]
fn nobody_asks_without_a_secret() {
    let place = gated();
    let service = Service::start(&place);
    let password = "b3BlbnNsaWRlcw==";
    for accepted in ["Bearer let-me-in", "bearer  let-me-in", password] {
        let request = Request::get("/api/v1/status").with("Authorization", accepted);
        assert_eq!(request.send(service.address()).status, 200, "{accepted}");
    }
    let start = Request::post("/api/v1/runs", &json!({ "command": "migrate" }));
    for path in [
        "status",
        "steps",
        "runs",
        "runs/1",
        "runs/1/output",
        "events",
    ] {
        let request = Request::get(&format!("/api/v1/{path}"));
        for wrong in [
            "Bearer let-me-out",
            "Bearer",
            "let-me-in",
            "openslides",
            "Basic eDp5",
            "",
        ] {
            let answer = request
                .clone()
                .with("Authorization", wrong)
                .send(service.address());
            answer.is_problem(401, "Bearer");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer"),
                "{path} {wrong}"
            );
        }
        let answer = request.without("Authorization").send(service.address());
        answer.is_problem(401, "Bearer");
    }
    let answer = start.without("Authorization").send(service.address());
    answer.is_problem(401, "Bearer");
    assert_eq!(service.get("/api/v1/runs").json(), json!([]));
}
