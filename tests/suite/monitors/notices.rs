//! Webhooks: whoever wants to know is told, and nobody who listens badly delays a run.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::receiver::{Answers, Received, Receiver};
use crate::hosts::host::until;
use crate::place::Place;
use crate::service::client::Request;
use crate::service::held_in;
use crate::service::process::Service;

const SECRET: &str = "whsec_bGV0LW1lLWluLWFuZC1sZXQtbWUtc3RheS1hLXdoaWxl";

/// A place with one step, and settings of the file.
fn place(settings: &str) -> Place {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "-- wasmigrate:migrate\nCREATE TABLE a (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE a;",
    );
    std::fs::write(place.path().join("secret"), format!("{SECRET}\n")).unwrap();
    write_settings(&place, settings);
    place
}

fn write_settings(place: &Place, settings: &str) {
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
}

fn webhook(name: &str, url: &str, more: &str) -> String {
    format!("[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}\n")
}

fn events(received: &[Received]) -> Vec<String> {
    received
        .iter()
        .map(|request| request.json()["event"].as_str().unwrap().to_owned())
        .collect()
}

/// How many notices of a receiver ended so.
#[track_caller]
fn counted(service: &Service, name: &str, outcome: &str) -> u64 {
    let answer = Request::get("/metrics").send(service.address());
    let line = format!("wasmigrate_notices_total{{webhook=\"{name}\",outcome=\"{outcome}\"}} ");
    let found = answer
        .body
        .lines()
        .find_map(|found| found.strip_prefix(&line));
    found
        .unwrap_or_else(|| panic!("{line} is not in {}", answer.body))
        .parse()
        .unwrap()
}

#[test]
fn runs_are_told_in_order_and_signed() {
    let receiver = Receiver::new();
    let place = place(&webhook("all", &receiver.url(), "secret_file = \"secret\""));
    let service = Service::start(&place);
    service.does("migrate");
    service.does("finalize");
    place.write_step("0002_b.sql", b"INSERT INTO nowhere VALUES ('\"');");
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    let received = receiver.until_received(7);
    assert_eq!(
        events(&received),
        [
            "started",
            "finished",
            "waiting_for_finalize",
            "started",
            "finished",
            "started",
            "failed"
        ]
    );
    for request in &received {
        request.is_signed_with(SECRET);
        assert_eq!(request.path, "/hook");
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
    let mut ids: Vec<_> = received
        .iter()
        .map(|request| request.header("webhook-id"))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), received.len());
    let waiting = received[2].json();
    assert_eq!(waiting["state"], "finalization_required");
    let failed = received[6].json();
    for (name, value) in [
        ("run", json!(run)),
        ("command", json!("migrate")),
        ("state", json!("migration_failed")),
        ("outcome", json!("failed")),
        ("step", json!("0002_b")),
    ] {
        assert_eq!(failed[name], value, "{failed}");
    }
    assert!(
        failed["error"].as_str().unwrap().contains("nowhere"),
        "{failed}"
    );
    assert!(failed["time"].as_str().unwrap().ends_with('Z'), "{failed}");
    until("all are counted", || {
        counted(&service, "all", "delivered") == 7
    });
    assert_eq!(counted(&service, "all", "failed"), 0);
}

#[test]
fn each_receiver_gets_what_it_wants_in_its_form() {
    let (chat, own) = (Receiver::new(), Receiver::new());
    let template = "template = '{\"content\": \"{{ event }}: {{text}}\", \"run\": {{run}}}'\nevents = [\"failed\"]";
    let settings = webhook(
        "chat",
        &chat.url(),
        "format = \"chat\"\nevents = [\"finished\", \"failed\"]",
    ) + &webhook("own", &own.url(), template);
    let place = place(&settings);
    place.write_step("0001_a.sql", b"INSERT INTO nowhere VALUES ('\"\\\n');");
    // On the command line, too: what is left to tell is told before the process ends.
    place.run(&["migrate"]).ends_with(1);
    let [said] = &chat.received()[..] else {
        panic!("{:?}", chat.received())
    };
    let said = said.json();
    assert_eq!(said.as_object().unwrap().len(), 1);
    let text = said["text"].as_str().unwrap();
    assert!(
        text.contains("migrate of ") && text.contains("0001_a"),
        "{text}"
    );
    let [said] = &own.received()[..] else {
        panic!("{:?}", own.received())
    };
    assert_eq!(said.json()["run"], 1);
    assert!(
        said.json()["content"]
            .as_str()
            .unwrap()
            .starts_with("failed: migrate of ")
    );
    assert_eq!(said.header("webhook-signature"), None);
}

#[test]
fn no_receiver_delays_a_run_or_another_receiver() {
    let good = Receiver::new();
    let slow = Receiver::answering(|_| Answers::Never);
    let failing = Receiver::answering(|_| Answers::With(500, String::new()));
    let elsewhere = Receiver::new();
    let location = format!("Location: {}\r\n", elsewhere.url());
    let redirecting = Receiver::answering(move |_| Answers::With(307, location.clone()));
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings =
        "[notices]\ntimeout_milliseconds = 3600000\nattempts = 2\ndelay_milliseconds = 1\n"
            .to_owned()
            + &webhook("slow", &slow.url(), "")
            + &webhook("failing", &failing.url(), "")
            + &webhook("redirecting", &redirecting.url(), "")
            + &webhook("closed", &format!("http://{closed}/hook"), "")
            + &webhook("good", &good.url(), "");
    let place = place(&settings);
    let service = Service::start(&place);
    service.does("finalize");
    assert_eq!(events(&good.until_received(2)), ["started", "finished"]);
    // It still has the first one in its hands.
    assert_eq!(slow.until_received(1).len(), 1);
    for name in ["failing", "redirecting", "closed"] {
        until(name, || counted(&service, name, "failed") == 2);
        assert_eq!(counted(&service, name, "delivered"), 0);
    }
    assert_eq!(failing.received().len(), 4, "two notices, twice each");
    assert_eq!(redirecting.received().len(), 2, "asking again is no use");
    assert_eq!(elsewhere.received().len(), 0, "redirects are not followed");
    let logs = service.logs().join("\n");
    assert!(logs.contains("notice not delivered"), "{logs}");
    assert!(
        !logs.contains(&redirecting.url()),
        "addresses may be secrets: {logs}"
    );
    assert_eq!(slow.received().len(), 1);
}

#[test]
fn a_receiver_that_recovers_gets_the_same_message_once_more() {
    let receiver = Receiver::answering(|number| match number {
        0 | 1 => Answers::With(503, String::new()),
        _ => Answers::With(200, String::new()),
    });
    let settings = "[notices]\ndelay_milliseconds = 1\n".to_owned()
        + &webhook("shaky", &receiver.url(), "events = [\"finished\"]");
    let place = place(&settings);
    let service = Service::start(&place);
    service.does("finalize");
    let received = receiver.until_received(3);
    let ids: Vec<_> = received
        .iter()
        .map(|request| request.header("webhook-id"))
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(
        received
            .iter()
            .all(|request| request.body == received[0].body)
    );
    until("it is counted", || {
        counted(&service, "shaky", "delivered") == 1
    });
    assert_eq!(counted(&service, "shaky", "failed"), 0);
}

#[test]
fn what_a_stuck_receiver_does_not_take_is_dropped_and_counted() {
    let stuck = Receiver::answering(|_| Answers::Never);
    let settings = "[notices]\ntimeout_milliseconds = 3600000\n".to_owned()
        + &webhook("stuck", &stuck.url(), "");
    let place = place(&settings);
    let service = Service::start(&place);
    // Each tells three things, or two; 100 wait, and one is under way.
    for _ in 0..21 {
        service.does("migrate");
        service.does("reset");
    }
    // The last one is told of after the answer.
    until("the last is counted", || {
        counted(&service, "stuck", "dropped") == 4
    });
    let logs = service.logs().join("\n");
    assert!(logs.contains("notice dropped"), "{logs}");
    assert_eq!(stuck.received().len(), 1);
}

#[test]
fn a_run_that_tells_nothing_for_long_is_stalled() {
    let receiver = Receiver::new();
    let place = held_in("migrate");
    // Longer than a busy machine is silent by itself.
    let settings = "[notices]\nstalled_milliseconds = 1500\n".to_owned()
        + &webhook("all", &receiver.url(), "events = [\"stalled\", \"failed\"]");
    write_settings(&place, &settings);
    let service = Service::start(&place);
    let run = service.run("migrate");
    let stalled = receiver.until_received(1)[0].json();
    assert_eq!(stalled["event"], "stalled");
    assert_eq!(
        (&stalled["run"], &stalled["step"]),
        (&json!(run), &json!("0002_held"))
    );
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    // Once in one silence.
    assert_eq!(events(&receiver.until_received(2)), ["stalled", "failed"]);
    assert_eq!(receiver.received()[1].json()["outcome"], "cancelled");
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let place = place("");
    std::fs::write(place.path().join("short"), "whsec_c2hvcnQ=").unwrap();
    for (more, message) in [
        (
            "template = '{\"text\": \"{{txt}}\"}'",
            "there is no value `txt`",
        ),
        ("template = '{\"text\": {{text}}}'", "is not JSON"),
        (
            "template = '{\"text\": \"{{text\"}'",
            "has no `}}` after it",
        ),
        ("events = [\"finnished\"]", "finnished"),
        (
            "secret_file = \"nowhere\"",
            "cannot read the secret from nowhere",
        ),
        ("secret_file = \"short\"", "fewer than 24"),
        (
            "secret_file = \"wasmigrate.toml\"",
            "openssl rand -base64 32",
        ),
    ] {
        write_settings(&place, &webhook("bad", "http://127.0.0.1:1/", more));
        place.run(&["migrate"]).ends_with(2).and_says(message);
    }
    write_settings(&place, &webhook("bad", "ftp://127.0.0.1/", ""));
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("must with `http:` or `https:`");
    assert!(!place.has_table("a"));
}
