//! Bodies: what is a command, and what the host says of everything else.

use serde_json::{Value, json};

use super::client::{Answer, Request};
use super::service::Service;
use super::{AT_ONCE, CURRENT, DIALECTS, FULL_OUTPUT, obedient};

const NO_OBJECT: &str =
    "The browser (or proxy) sent a request that this server could not understand.";

fn send(service: &Service, body: impl AsRef<[u8]>) -> Answer {
    service.send(Request::post("/internal/migrations/", body))
}

#[test]
fn what_is_no_json_is_refused_with_line_and_column() {
    let place = obedient();
    let mut service = Service::start(&place, AT_ONCE);
    let deep = "[".repeat(100_000);
    let deep_object = "{\"cmd\":".repeat(10_000) + "1" + &"}".repeat(10_000);
    for (body, place) in [
        (&b""[..], "line 1 column 0"),
        (b" ", "line 1 column 1"),
        (b"{", "line 1 column 1"),
        (b"{\"cmd\": \"stats\"", "line 1 column 15"),
        (b"{\n\"cmd\": stats}", "line 2 column 8"),
        (b"{\"cmd\": \"stats\"} {}", "line 1 column 18"),
        (b"{'cmd': 'stats'}", "line 1 column 2"),
        (b"cmd=stats", "line 1 column 1"),
        (b"[1,", "line 1 column 3"),
        (b"\"", "line 1 column 1"),
        (b"nul", "line 1 column 3"),
        (b"NaN", "line 1 column 1"),
        (b"1e999", "line 1 column"),
        (b"\xef\xbb\xbf{}", "line 1 column 1"),
        (b"{\"cmd\": \"\xff\xfe\"}", "line 1 column"),
        (b"{\"cmd\": \"\\ud800\"}", "line 1 column"),
        (b"\0", "line 1 column 1"),
        (deep.as_bytes(), "line 1 column 128"),
        (deep_object.as_bytes(), "line 1 column"),
    ] {
        let answer = send(&service, body);
        let message = answer.refusal();
        assert_eq!(answer.status, 400, "{answer:#?}");
        assert!(
            message.starts_with("Failed to decode JSON object: "),
            "{message}"
        );
        assert!(message.contains(place), "{body:?}: {message}");
    }
    assert!(service.is_alive());
}

#[test]
fn only_an_object_is_a_command() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    for body in [
        "null",
        "[]",
        "\"stats\"",
        "7",
        "\"\"",
        "true",
        "[{\"cmd\": \"stats\"}]",
        "-0.5e3",
    ] {
        send(&service, body).refuses(400, NO_OBJECT);
    }
}

#[test]
fn a_command_is_a_string_that_is_not_empty() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    for command in [
        json!(""),
        json!(null),
        json!(7),
        json!(["stats"]),
        json!({ "cmd": "stats" }),
        json!(true),
    ] {
        send(&service, json!({ "cmd": command }).to_string()).refuses(400, "No command provided");
    }
    for body in ["{}", r#"{"command": "stats"}"#, r#"{"CMD": "stats"}"#] {
        send(&service, body).refuses(400, "No command provided");
    }
}

#[test]
fn commands_are_known_by_their_exact_names() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    for command in [
        "Stats",
        "STATS",
        " stats",
        "stats ",
        "rollback",
        "0",
        "\"",
        "<b>é</b>",
        "stats\0",
    ] {
        for dialect in DIALECTS {
            let answer = service.command(dialect, command);
            answer.refuses(400, &format!("Unknown command: {command}"));
        }
    }
    // Its time went by with the oldest dialect.
    for dialect in [CURRENT, FULL_OUTPUT] {
        let answer = service.command(dialect, "clear-collectionfield-tables");
        answer.refuses(400, "Unknown command: clear-collectionfield-tables");
    }
}

#[test]
fn other_keys_are_ignored_and_verbose_is_of_any_type() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    for verbose in [
        json!(true),
        json!(false),
        json!(null),
        json!("yes"),
        json!(1),
        json!([]),
        json!({}),
    ] {
        let body = json!({ "cmd": "stats", "verbose": verbose, "action": [1, { "cmd": "reset" }] });
        for dialect in DIALECTS {
            let path = format!("/internal/migrations/dialects/{dialect}/");
            service
                .send(Request::post(&path, body.to_string()))
                .succeeds();
        }
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_in_json() {
    let place = obedient();
    let mut service = Service::start(&place, AT_ONCE);
    let most = json!({ "cmd": "stats", "padding": " ".repeat(1_000_000) }).to_string();
    send(&service, most).succeeds();
    let answer = send(&service, vec![b' '; 2 << 20]);
    assert_eq!(answer.status, 413, "{answer:#?}");
    assert_ne!(answer.refusal(), "");
    assert!(service.is_alive());
}

#[test]
fn a_command_is_read_whole_before_it_is_obeyed() {
    let place = obedient();
    let service = Service::start(&place, AT_ONCE);
    let before: Value = service.native("GET", "runs");
    send(&service, r#"{"cmd": "migrate""#);
    send(&service, r#"{"cmd": "migrate"} x"#);
    send(&service, r#"["migrate"]"#);
    assert_eq!(service.native("GET", "runs"), before);
    assert_eq!(service.state(), "migration_required");
}
