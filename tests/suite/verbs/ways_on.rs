//! From every failed state there is a way to a good one, over every route, also where a reset is impossible.

use serde_json::json;

use super::irreversible::one_way;
use crate::hostile::component::{Component, sql};
use crate::place::Place;
use crate::route::service::Service as Route;
use crate::route::steps::{obeyed, obeys};
use crate::service::process::Service as Native;

/// How a target comes into trouble: the commands that lead there, and the phases in which its step is broken meanwhile.
const TROUBLES: [(&[&str], &[&str]); 6] = [
    (&["migrate"], &["migrate"]),
    (&["finalize"], &["finalize"]),
    (&["migrate", "reset"], &["reset"]),
    (&["migrate", "reset", "reset"], &["migrate", "reset"]),
    (&["finalize", "reset"], &["finalize", "reset"]),
    (&["migrate", "finalize", "reset"], &["check", "reset"]),
];

/// The step before the one in trouble: whether it can be reset.
fn places() -> [Place; 2] {
    let reversible = one_way().with("reset", sql("DROP TABLE kept"));
    [one_way(), reversible].map(|first| {
        let obedient = Component::new()
            .with("check", obeys("check"))
            .with(
                "migrate",
                obeys("migrate") + &sql("CREATE TABLE work (id INTEGER)"),
            )
            .with("finalize", obeys("finalize"))
            .with("reset", obeys("reset") + &sql("DROP TABLE work"));
        obeyed(Place::new())
            .with_component("0001_first.wasm", first)
            .with_component("0002_work.wasm", obedient)
    })
}

/// What an operator tries who knows nothing but the three commands: `finalize` where it works, else a reset first.
fn walk(what: &str, command: impl Fn(&str), state: impl Fn() -> String) {
    for _ in 0..2 {
        for asked in ["migrate", "finalize", "reset", "finalize"] {
            command(asked);
            if state() == "finalized" {
                return;
            }
        }
    }
    panic!("no way on: {what}: {}", state());
}

/// Leads a place into trouble and back, where `act` gives one command and does not wait for it to succeed. A broken reset
/// stays broken.
fn there_and_back(
    route: &str,
    place: &Place,
    index: usize,
    act: impl Fn(&str),
    state: impl Fn() -> String,
) {
    let (commands, broken) = TROUBLES[index];
    for phase in broken {
        place.break_down(phase);
    }
    for command in commands {
        act(command);
    }
    for phase in broken.iter().filter(|phase| **phase != "reset") {
        place.fix(phase);
    }
    walk(&format!("{route}, {commands:?}"), act, state);
    assert!(place.has_table("kept") && place.has_table("work"));
}

#[test]
fn over_the_route_of_openslides() {
    for index in 0..TROUBLES.len() {
        for place in places() {
            for dialect in ["current", "progress"] {
                let place = place.copy();
                let service = Route::start(&place, 60_000);
                let act = |command: &str| {
                    service.command(dialect, command);
                    service.ask(dialect, "progress");
                };
                there_and_back(dialect, &place, index, act, || service.state());
            }
        }
    }
}

#[test]
fn over_the_native_route() {
    for index in 0..TROUBLES.len() {
        for place in places() {
            let service = Native::start(&place);
            let act = |command: &str| {
                let answer = service.post("/api/v1/runs", &json!({ "command": command }));
                if let Some(run) = answer.json()["run"].as_i64() {
                    service.outcome(run);
                }
            };
            there_and_back("native", &place, index, act, || service.state());
        }
    }
}

#[test]
fn over_the_command_line() {
    for index in 0..TROUBLES.len() {
        for place in places() {
            let act = |command: &str| _ = place.run(&[command]);
            let state = || {
                let status = place.run(&["status", "--json"]).ends_with(0).json();
                status["state"].as_str().unwrap().to_owned()
            };
            there_and_back("command line", &place, index, act, state);
        }
    }
}
