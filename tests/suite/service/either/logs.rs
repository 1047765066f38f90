//! What the service logs, and how requests are named.

use serde_json::Value;

use crate::hostile::component::{Component, must};
use crate::hosts::host::until;
use crate::place::Place;
use crate::service::client::Request;
use crate::service::process::Service;
use crate::service::{gated, held_in, open_gate};

/// Every line of the log as JSON.
fn json_lines(service: &Service) -> Vec<Value> {
    let parse = |line: &String| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    service.logs().iter().map(parse).collect()
}

/// Waits until it is logged that this many runs ended, and returns every line.
fn until_runs_ended(service: &Service, runs: usize) -> Vec<Value> {
    let mut lines = Vec::new();
    until("the end of the run is logged", || {
        lines = json_lines(service);
        let ends = lines.iter().filter(|line| line["message"] == "run ended");
        ends.count() == runs
    });
    lines
}

#[test]
fn what_steps_do_is_logged_with_run_and_step() {
    let place = gated();
    let service = Service::start_with(&place, &["--log-format", "json"]);
    let runs: Vec<i64> = (1..=4)
        .map(|run| service.does(if run % 2 == 1 { "migrate" } else { "reset" }))
        .collect();
    let lines = until_runs_ended(&service, runs.len());
    for line in &lines {
        assert!(
            line["timestamp"].is_string() && line["level"].is_string(),
            "{line}"
        );
    }
    let about = |message: &str, step: &Value| -> Vec<i64> {
        let matching = lines
            .iter()
            .filter(|line| line["message"] == message && line["step"] == *step);
        matching.map(|line| line["run"].as_i64().unwrap()).collect()
    };
    let step = Value::from("0001_first");
    let migrating: Vec<i64> = runs.iter().copied().step_by(2).collect();
    assert_eq!(about("first is done", &step), migrating);
    assert_eq!(about("step started", &step), runs);
    assert_eq!(about("step ended", &step), runs);
    assert_eq!(about("run started", &Value::Null), runs);
    assert_eq!(about("run ended", &Value::Null), runs);
}

#[test]
fn lines_that_are_logged_late_keep_their_run() {
    let place = gated();
    // More than a pipe holds, and few enough for none to go by.
    let lines = "(local.set $i (i32.const 1500)) (loop $again
         (call $output (i32.const 1) {{a line}})
         (local.set $i (i32.sub (local.get $i) (i32.const 1)))
         (br_if $again (local.get $i)))";
    place.write_step("0002_wordy.wasm", &Component::migrating(lines).build());
    let service = Service::start_with(&place, &["--log-format", "json"]);
    let unread = service.stop_reading_logs();
    // Nor does the run wait for them.
    service.does("migrate");
    drop(unread);
    let lines = until_runs_ended(&service, 1);
    let about: Vec<&Value> = lines
        .iter()
        .filter(|line| line["step"] == "0002_wordy")
        .collect();
    assert!(about.len() > 1_500, "{}", about.len());
    for line in about {
        assert_eq!(line["run"], 1, "{line}");
    }
}

#[test]
fn a_failure_is_logged_as_an_error() {
    let place = Place::new().with_sql("0001_wrong.sql", "INSERT INTO nowhere VALUES (1);");
    let service = Service::start_with(&place, &["--log-format", "json"]);
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    let lines = until_runs_ended(&service, 1);
    let end = lines.last().unwrap();
    assert_eq!(end["level"], "ERROR", "{end}");
    assert_eq!(end["state"], "migration_failed", "{end}");
    assert!(
        end["failure"].as_str().unwrap().contains("nowhere"),
        "{end}"
    );
}

#[test]
fn nobody_else_writes_a_line_of_the_log() {
    let forged = "2031-01-01T00:00:00.000000Z ERROR forged";
    let text = format!("all is lost\n{forged}\r{forged}\u{2028}");
    let place = gated();
    let steps = [
        // In its own words, and in a statement that fails.
        format!("(return (call $fail {{{{{text}}}}} (i32.const 0)))"),
        must(&format!("$sql {{{{SELECT nothing\n{forged}\n}}}}")),
        format!(
            "(call $output (i32.const 2) {{{{{text}}}}}) (return (call $fail {{{{ }}}} (i32.const 0)))"
        ),
    ];
    let service = Service::start(&place);
    service.does("migrate");
    for (number, body) in (1..).zip(steps) {
        place.write_step("0002_forger.wasm", &Component::migrating(body).build());
        let run = service.run("migrate");
        assert_eq!(service.outcome(run), "failed");
        until("the end of the run is logged", || {
            let logs = service.logs();
            let ends = logs.iter().filter(|line| line.contains("ERROR run ended"));
            ends.count() == number
        });
    }
    // What a database says, it says in its lines.
    std::fs::remove_file(place.step("0002_forger.wasm")).unwrap();
    let script = format!("SELECT * FROM \"all\\n{forged}\";");
    let place = place.with_sql("0002_forger.sql", &script.replace("\\n", "\n"));
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    until("the end of the run is logged", || {
        let logs = service.logs();
        logs.iter()
            .filter(|line| line.contains("ERROR run ended"))
            .count()
            == 4
    });
    drop(place);
    let logs = service.logs();
    assert!(logs.join("\n").contains("ERROR forged"), "{logs:#?}");
    for line in logs {
        assert!(!line.starts_with("2031"), "{line}");
        assert!(!line.contains(['\r', '\u{1b}']), "{line}");
    }
}

#[test]
fn logs_never_hold_a_secret() {
    let place = gated().with_variable("RUST_LOG", "trace");
    let service = Service::start(&place);
    service.does("migrate");
    service.get("/api/v1/status?token=let-me-in-2");
    until("the requests are logged", || {
        service
            .logs()
            .iter()
            .any(|line| line.contains("/api/v1/status"))
    });
    assert!(!service.logs().join("\n").contains("let-me-in"));
}

#[test]
fn a_request_keeps_its_name_or_gets_one() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let named = |id: &str| {
        let request = Request::get("/healthz").with("X-Request-Id", id);
        let answer = request.send(service.address());
        answer.header("x-request-id").unwrap().to_owned()
    };
    for sane in ["7", "a-b_c.d/42", &"x".repeat(64)] {
        assert_eq!(named(sane), sane);
    }
    let insane = ["", "two words", &"x".repeat(65), "tab\there", "naïve"];
    let mut made: Vec<String> = insane.iter().map(|id| named(id)).collect();
    for path in ["/healthz", "/nowhere", "/api/v1/status", "/api/v1/runs/77"] {
        let answer = service.get(path);
        made.push(answer.header("x-request-id").unwrap().to_owned());
    }
    for id in &made {
        assert!(
            id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }
    let count = made.len();
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), count, "a name was given twice: {made:?}");
    open_gate(&place);
}
