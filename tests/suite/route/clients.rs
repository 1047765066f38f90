//! The two real clients, as they are: they send a command, and follow it until it is done.

use std::time::Duration;

use serde_json::Value;

use super::service::Service;
use super::steps::{obeyed, obeys, says, speaker};
use super::{AT_ONCE, CURRENT, FULL_OUTPUT};
use crate::hostile::component::Component;
use crate::place::Place;

/// How often the clients ask; the real ones wait a second.
const PAUSE: Duration = Duration::from_millis(50);

/// Long enough for a preparation on a slow machine: the newest client does not know that state, and stops there.
const WAIT: u64 = 1_500;

/// Steps that talk in all phases. One waits in the middle of the migration; the finalize, all of which is tried again
/// when a part of it fails, waits at its beginning.
fn talkative() -> Place {
    let first = speaker(&["one", "two"])
        .with("check", says("checked"))
        .with("finalize", obeys("finalize") + &says("one finalized"));
    let gate = Component::migrating(obeys("migrate") + &says("behind the gate"));
    let place = obeyed(Place::new())
        .with_component("0001_first.wasm", first)
        .with_component("0002_gate.wasm", gate)
        .with_component("0003_last.wasm", speaker(&["three"]));
    place.close("migrate");
    place.close("finalize");
    place
}

const MIGRATED: &str = "checked\none\ntwo\nbehind the gate\nthree\n";
const FINALIZED: &str = "one finalized\nthree finalized\n";

/// Looks at an answer as the clients do, and says whether there is more to come.
#[track_caller]
fn is_running(answer: &Value) -> bool {
    let status = answer["status"].as_str().unwrap();
    assert_eq!(answer["exception"].as_str().unwrap_or_default(), "");
    assert!(!status.ends_with("_failed"), "{answer}");
    status == "migration_running" || status == "finalization_running"
}

/// Sends a command and follows it to its end. `read` is called with the output of each answer, and the state.
fn follow(
    service: &Service,
    dialect: &str,
    command: &str,
    mut read: impl FnMut(&str, &str),
) -> String {
    let mut answer = service.ask(dialect, command);
    loop {
        let status = answer["status"].as_str().unwrap();
        read(answer["output"].as_str().unwrap_or_default(), status);
        if !is_running(&answer) {
            return answer["status"].as_str().unwrap().to_owned();
        }
        std::thread::sleep(PAUSE);
        answer = service.ask(dialect, "progress");
    }
}

/// Follows a command, and opens its gate when all was read that comes before it.
fn follow_through(
    place: &Place,
    service: &Service,
    dialect: &str,
    command: &str,
    mut read: impl FnMut(&str),
) -> String {
    let mut is_closed = true;
    follow(service, dialect, command, |output, status| {
        read(output);
        let is_there = output.contains("two") || status == "finalization_running";
        if is_closed && is_there {
            place.open(command);
            is_closed = false;
        }
    })
}

/// Client A prints what each answer holds, and wants each line once.
#[test]
fn the_newest_client_prints_each_line_once() {
    let place = talkative();
    let service = Service::start(&place, WAIT);
    for (command, end, lines) in [
        ("migrate", "finalization_required", MIGRATED),
        ("finalize", "finalized", FINALIZED),
    ] {
        let mut printed = String::new();
        let status = follow_through(&place, &service, CURRENT, command, |output| {
            printed += output
        });
        assert_eq!(status, end);
        assert_eq!(printed, lines);
    }
}

/// Client B prints what is new of an output that only grows.
#[test]
fn the_older_client_sees_output_that_never_shrinks() {
    let place = talkative();
    let service = Service::start(&place, AT_ONCE);
    for (command, end, lines) in [
        ("migrate", "finalization_required", MIGRATED),
        ("finalize", "finalized", FINALIZED),
    ] {
        let mut known = String::new();
        let status = follow_through(&place, &service, FULL_OUTPUT, command, |output| {
            assert!(output.starts_with(&known), "{known:?} became {output:?}");
            known = output.to_owned();
        });
        assert_eq!(status, end);
        assert_eq!(known, lines);
    }
}
