//! `GET /migrate/result` in every state.

use serde_json::json;

use super::clients::{Dashboard, End, automate, monitor};
use super::{four_fields, monitored, result};
use crate::application::{Kind, kind};
use crate::place::Place;
use crate::service::client::{Answer, Request};
use crate::service::process::Service;
use crate::service::{held_in, open_gate};

fn ask(service: &Service, method: &str, path: &str) -> Answer {
    let mut request = Request::get(path).without("Authorization");
    request.method = method.to_owned();
    request.send(service.address())
}

#[test]
fn a_migration_that_goes_well_is_seen_from_queue_to_end() {
    let place = monitored();
    let service = Service::start(&place);
    assert_eq!(
        result(&service),
        json!({ "status": "running", "step": "user", "last_err": null, "try_count": 0 })
    );
    let address = service.address();
    let watching = std::thread::spawn(move || Dashboard::watch(address));
    service.does("migrate");
    let (shown, end) = watching.join().unwrap();
    assert_eq!(end, End::Success);
    assert!(shown.has_bar);
    assert_eq!(shown.states, ["running", "completed"]);
    assert!(shown.positions.is_sorted(), "{shown:?}");
    assert_eq!(
        (shown.positions.first(), shown.positions.last()),
        (Some(&0), Some(&4))
    );
    let done =
        json!({ "status": "completed", "step": "cleanup", "last_err": null, "try_count": 1 });
    assert_eq!(result(&service), done);
    service.does("finalize");
    assert_eq!(result(&service), done);
}

#[test]
fn a_target_with_nothing_to_do_is_migrated_also_after_a_restart() {
    let place = monitored();
    place.run(&["migrate"]).ends_with(0);
    for command in ["finalize", "status"] {
        let service = Service::start(&place);
        let (shown, end) = Dashboard::watch(service.address());
        assert_eq!(end, End::Success);
        assert!(!shown.has_bar, "{shown:?}");
        assert_eq!(
            result(&service),
            json!({ "status": "migrated", "step": "cleanup", "last_err": null, "try_count": 1 })
        );
        drop(service);
        place.run(&[command]).ends_with(0);
    }
    let empty = Place::new().with_variable("WASMIGRATE_MIGRATE_RESULT_ENABLED", "true");
    assert_eq!(
        result(&Service::start(&empty)),
        json!({ "status": "migrated", "step": "", "last_err": null, "try_count": 0 })
    );
}

#[test]
fn a_step_that_keeps_failing_is_given_up_after_the_third_try() {
    let place = monitored();
    place.write_step("0003_message.sql", b"INSERT INTO nowhere VALUES (1);");
    let service = Service::start(&place);
    let address = service.address();
    let watching = std::thread::spawn(move || {
        let mut seen = Vec::new();
        let end = monitor(address, |result| seen.push(result.clone()));
        (seen, end)
    });
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    let (seen, end) = watching.join().unwrap();
    let End::GivenUp(error) = end else {
        panic!("{seen:#?}")
    };
    assert!(error.contains("nowhere"), "{error}");
    // It did not give up while there was hope.
    let last = seen.last().unwrap();
    assert_eq!(
        (&last["status"], &last["step"]),
        (&json!("failed"), &json!("message"))
    );
    assert_eq!(last["try_count"], 3);
    let waited = |seen: &serde_json::Value| {
        seen["status"] == "running" && seen["last_err"].is_string() && seen["try_count"] == 2
    };
    assert!(seen.iter().any(waited), "{seen:#?}");
    let tries = "SELECT attempt || ' ' || outcome FROM wasmigrate_attempt WHERE step_index = 3 ORDER BY attempt";
    assert_eq!(place.texts(tries), ["1 failed", "2 failed", "3 failed"]);
    // Another process says the same.
    drop(service);
    assert_eq!(&result(&Service::start(&place)), last);
}

#[test]
fn whoever_starts_it_anew_sees_the_mended_migration_succeed() {
    let place = monitored();
    place.write_step("0003_message.sql", b"INSERT INTO nowhere VALUES (1);");
    let service = Service::start(&place);
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    let started = automate(
        service.address(),
        || {
            place.connect().run("CREATE TABLE nowhere (id INTEGER)");
            service.run("migrate");
        },
        || place.run(&["verify"]).status == Some(0),
    );
    assert_eq!(started, Ok(1));
    assert_eq!(place.one::<i64>("SELECT count(*) FROM nowhere"), 1);
}

#[test]
fn a_run_of_another_host_is_seen() {
    let place = held_in("migrate").with_variable("WASMIGRATE_MIGRATE_RESULT_ENABLED", "true");
    let (worker, watcher) = (Service::start(&place), Service::start(&place));
    let run = worker.run("migrate");
    worker.until_output(run, "ready");
    for service in [&worker, &watcher] {
        assert_eq!(
            result(service),
            json!({ "status": "running", "step": "held", "last_err": null, "try_count": 1 })
        );
    }
    let cancel = format!("/api/v1/runs/{run}/cancel");
    worker.post(&cancel, &serde_json::Value::Null);
    assert_eq!(worker.outcome(run), "cancelled");
    for service in [&worker, &watcher] {
        let seen = result(service);
        assert_eq!(
            (&seen["status"], &seen["step"]),
            (&json!("failed"), &json!("held"))
        );
        assert!(monitor(service.address(), |_| {}) != End::Success);
    }
    open_gate(&place);
    worker.does("migrate");
    for service in [&worker, &watcher] {
        assert_eq!(result(service)["status"], "completed");
    }
}

#[test]
fn whatever_is_asked_is_answered_with_the_four_fields() {
    let place = monitored()
        .with_variable("WASMIGRATE_MIGRATE_RESULT_TOKEN_FILE", "manager")
        .with_variable("WASMIGRATE_MIGRATE_RESULT_ALLOW_ORIGIN", "*");
    std::fs::write(place.path().join("manager"), "of-the-manager\n").unwrap();
    let service = Service::start(&place);
    for (method, path, status) in [
        ("GET", "/migrate/result", 401),
        ("GET", "/migrate/nowhere", 404),
        ("GET", "/migrate/", 404),
        ("GET", "/migrate", 404),
        ("GET", "/migrate/result/", 404),
        ("POST", "/migrate/result", 405),
    ] {
        let answer = ask(&service, method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/json; charset=utf-8"),
            "{method} {path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let result = four_fields(&answer.body);
        assert_eq!(result["status"], "failed");
        assert!(result["try_count"].as_u64().unwrap() >= 3, "{result}");
    }
    let refused = monitor(service.address(), |_| {});
    assert!(matches!(refused, End::GivenUp(_)), "{refused:?}");
    let with = |token: &str| {
        Request::get("/migrate/result")
            .with("token", token)
            .send(service.address())
    };
    assert_eq!(with("of-the-manager").status, 200);
    assert_eq!(with("of-the-manager2").status, 401);
    let asked = ask(&service, "OPTIONS", "/migrate/result");
    assert_eq!((asked.status, asked.body.as_str()), (204, ""));
    assert_eq!(asked.header("access-control-allow-origin"), Some("*"));
    assert!(
        asked
            .header("access-control-allow-headers")
            .unwrap()
            .contains("token")
    );
}

#[test]
fn it_is_not_there_unless_it_is_enabled() {
    let service = Service::start(&Place::new());
    assert_eq!(ask(&service, "GET", "/migrate/result").status, 404);
    let strict = Place::new().with_variable("WASMIGRATE_MIGRATE_RESULT_ENABLED", "true");
    let strict = Service::start(&strict);
    let answer = ask(&strict, "OPTIONS", "/migrate/result");
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (204, None)
    );
}

#[test]
fn a_target_that_cannot_be_read_is_given_up_after_three_looks() {
    let place = match kind() {
        Kind::Sqlite => {
            let place = monitored();
            std::fs::write(place.database(), "no database at all".repeat(100)).unwrap();
            place
        }
        // Nobody listens on port 1.
        Kind::Postgres => {
            monitored().with_variable("WASMIGRATE_DATABASE", "postgres://app@127.0.0.1:1/none")
        }
    };
    let service = Service::start(&place);
    let mut tries = Vec::new();
    let end = monitor(service.address(), |result| {
        assert_eq!(result["status"], "failed");
        tries.push(result["try_count"].as_u64().unwrap());
    });
    assert_eq!(end, End::GivenUp("the target cannot be read".to_owned()));
    assert_eq!(tries, [1, 2, 3]);
    assert_eq!(ask(&service, "GET", "/migrate/result").status, 500);
}
