//! `wait`: the exit status says how it ended.

use std::process::Child;

use crate::hosts::host::until;
use crate::place::{Place, Said};
use crate::service::process::Service;

fn place() -> Place {
    Place::new().with_sql("0001_a.sql", "CREATE TABLE a (id INTEGER);")
}

fn end(waiting: Child) -> Said {
    Said::from(waiting.wait_with_output().unwrap())
}

#[test]
fn it_ends_when_what_is_waited_for_has_come() {
    let place = place();
    let service = Service::start(&place);
    let host = format!("http://{}", service.address());
    let there = [
        "wait",
        "--for",
        "migrated",
        "--host",
        &host,
        "--token-file",
        "token",
    ];
    let mut waiting = [
        place.start(&["wait", "--for", "migrated", "--timeout", "5m"]),
        place.start(&there),
    ];
    let finalized = place.start(&["wait", "--json"]);
    service.does("migrate");
    for waiting in &mut waiting {
        until("it ends", || waiting.try_wait().unwrap().is_some());
    }
    for waiting in waiting {
        end(waiting).ends_with(0).and_says("finalization_required");
    }
    service.does("finalize");
    assert_eq!(end(finalized).ends_with(0).json()["state"], "finalized");
}

#[test]
fn it_says_what_failed_and_what_took_too_long() {
    let place = place();
    place
        .run(&["wait", "--timeout", "0s"])
        .ends_with(3)
        .and_says("the state is migration_required");
    place.write_step("0001_a.sql", b"INSERT INTO nowhere VALUES (1);");
    place.run(&["migrate"]).ends_with(1);
    place.run(&["wait"]).ends_with(1).and_says("nowhere");
    for (arguments, message) in [
        (
            ["wait", "--timeout", "soon"],
            "write it as 90s, 30m or 1h30m",
        ),
        (
            ["wait", "--for", "luck"],
            "possible values: migrated, finalized",
        ),
    ] {
        place.run(&arguments).ends_with(2).and_says(message);
    }
}

#[test]
fn what_is_not_there_yet_is_waited_for() {
    let place = place();
    let service = Service::start(&place);
    let address = service.address();
    let host = format!("http://{address}");
    let with_token = |token: &str, timeout: &str| {
        place.start(&[
            "wait",
            "--host",
            &host,
            "--token-file",
            token,
            "--timeout",
            timeout,
        ])
    };
    std::fs::write(place.path().join("wrong"), "wrong").unwrap();
    // What asking again does not change ends it.
    end(with_token("wrong", "5m"))
        .ends_with(2)
        .and_says("it does not accept this token or password");
    drop(service);
    let said = end(with_token("token", "1s")).ends_with(3);
    assert!(said.stderr.contains("gave up after 1s"), "{said:?}");
    let waiting = with_token("token", "5m");
    let listen = address.to_string();
    let mut service = place.start(&["serve", "--listen", &listen, "--token-file", "token"]);
    place.run(&["finalize"]).ends_with(0);
    end(waiting).ends_with(0);
    service.kill().unwrap();
    service.wait().unwrap();
}
