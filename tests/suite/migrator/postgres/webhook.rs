//! The webhook: told after each command that did, whoever listens how badly.

use std::time::{Duration, Instant};

use super::{APPLY, Fleet, add, apply, post};
use crate::hosts::host::until;
use crate::monitors::receiver::{Answers, Receiver};

#[test]
fn each_command_that_did_is_told_and_no_other() {
    let receiver = Receiver::new();
    let fleet = Fleet::new().with_files();
    fleet.configure(&format!("webHookURL: {}\n", receiver.url()));
    let service = fleet.serve();
    let results = apply(&service);
    add(&service, "one");
    post(
        &service,
        "/v1/migrations",
        r#"{"mode":"dry-run","response":"list"}"#,
    );
    assert_eq!(post(&service, "/v1/migrations", "{}").status, 400);
    fleet.write("ref/203.sql", "nonsense;\n");
    assert_eq!(post(&service, "/v1/migrations", APPLY).status, 500);
    fleet.write("ref/203.sql", "select 1;\n");
    apply(&service);
    let received = receiver.until_received(4);
    assert_eq!(received[0].json(), results);
    let first = received[0].text();
    assert!(first.starts_with(r#"{"startedAt":""#), "{first}");
    assert_eq!(received[0].header("content-type"), Some("application/json"));
    assert_eq!(received[1].json()["tenants"], 1);
    assert_eq!(received[3].json()["singleMigrations"], 1);
    assert_eq!(receiver.received().len(), 4);
    until("it is logged", || {
        service.logs().join("\n").contains("notice delivered")
    });
}

#[test]
fn a_template_and_headers_are_sent_as_they_are_given() {
    let receiver = Receiver::new();
    let fleet = Fleet::new().with_files();
    fleet.configure(&format!(
        "webHookURL: {}\n\
         webHookHeaders:\n- 'Authorization: Basic ${{SECRET}}'\n- 'Content-Type: application/vnd.chat+json'\n- 'X-Custom: a,b'\n\
         webHookTemplate: '{{\"text\": \"${{summary.singleMigrations}} at ${{summary.startedAt}}, ${{SECRET}}: ${{summary}}\"}}'\n",
        receiver.url()
    ));
    let fleet = Fleet {
        place: fleet.place.with_variable("SECRET", "c2VjcmV0"),
    };
    let service = fleet.serve();
    let results = apply(&service);
    let received = &receiver.until_received(1)[0];
    assert_eq!(received.header("authorization"), Some("Basic c2VjcmV0"));
    assert_eq!(
        received.header("content-type"),
        Some("application/vnd.chat+json")
    );
    assert_eq!(received.header("x-custom"), Some("a,b"));
    let text = received.json()["text"].as_str().unwrap().to_owned();
    let started_at = results["startedAt"].as_str().unwrap();
    let head = format!("2 at {started_at}, c2VjcmV0: ");
    let summary: serde_json::Value =
        serde_json::from_str(text.strip_prefix(&head).unwrap()).unwrap();
    assert_eq!(summary, results);
}

#[test]
fn no_receiver_delays_or_fails_the_answer() {
    let elsewhere = Receiver::new();
    let location = format!("Location: {}\r\n", elsewhere.url());
    let failing = Receiver::answering(|number| match number {
        0 => Answers::With(503, String::new()),
        _ => Answers::With(200, String::new()),
    });
    for (receiver, requests, outcome) in [
        (
            Receiver::answering(|_| Answers::Never),
            1,
            "notice not delivered",
        ),
        (failing, 2, "notice delivered"),
        (
            Receiver::answering(move |_| Answers::With(307, location.clone())),
            1,
            "notice not delivered",
        ),
    ] {
        let fleet = Fleet::new().with_files();
        fleet.configure(&format!("webHookURL: {}\n", receiver.url()));
        let place = fleet
            .place
            .with_variable("WASMIGRATE_NOTICES_TIMEOUT_MILLISECONDS", "3000")
            .with_variable(
                "WASMIGRATE_NOTICES_ATTEMPTS",
                if requests == 1 { "1" } else { "2" },
            )
            .with_variable("WASMIGRATE_NOTICES_DELAY_MILLISECONDS", "1");
        let fleet = Fleet { place };
        let service = fleet.serve();
        let began = Instant::now();
        apply(&service);
        assert!(
            began.elapsed() < Duration::from_millis(2_500),
            "{:?}",
            began.elapsed()
        );
        receiver.until_received(requests);
        until(outcome, || service.logs().join("\n").contains(outcome));
        assert_eq!(receiver.received().len(), requests);
        let logs = service.logs().join("\n");
        assert!(
            !logs.contains(&receiver.url()),
            "addresses may be secrets: {logs}"
        );
    }
    assert_eq!(elsewhere.received().len(), 0, "redirects are not followed");
}
