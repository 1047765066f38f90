//! A service is killed while somebody follows its run from afar, and another begins at the same address.

use std::time::{Duration, Instant};

use super::process::Service;
use super::remote::Desk;
use super::{held_in, outcomes};
use crate::hosts::host::Host;
use crate::place::{Place, Said};

/// Nobody wants to wait for longer.
const SOON: Duration = Duration::from_secs(20);

/// Somebody who follows a run that is in the middle of a step, when its service is killed and another begins; `meanwhile` is
/// done between the two.
fn followed(there: &Place, command: &str, meanwhile: impl FnOnce()) -> (Host, Service) {
    let service = Service::start(there);
    let desk = Desk::of(&service);
    let mut follower = desk.start(&[command]);
    while follower.until("output")["line"] != "ready" {}
    let address = service.address().to_string();
    service.kill();
    meanwhile();
    (follower, Service::start_at(&address, there, &[]))
}

#[track_caller]
fn ends_soon(follower: Host) -> Said {
    let began = Instant::now();
    let said = follower.end();
    assert!(began.elapsed() < SOON, "{said:#?}");
    said
}

/// As if the service had been on another machine: only the time of its lease tells that it is dead.
fn is_of_another_machine(there: &Place) {
    let moved = "UPDATE wasmigrate_lease SET process = 'elsewhere 1 1' WHERE holder IS NOT NULL";
    assert_eq!(there.connect().change(moved), 1);
}

#[test]
fn whoever_follows_a_run_is_told_that_it_was_interrupted() {
    for (command, export) in [
        ("migrate", "migrate"),
        ("finalize", "finalize"),
        ("reset", "reset"),
    ] {
        let there = held_in(export);
        if command == "reset" {
            there.run(&["migrate"]).ends_with(0);
        }
        let (follower, _service) = followed(&there, command, || {});
        let said = ends_soon(follower).ends_with(1);
        let ended = said.json();
        assert_eq!(ended["event"], "run_ended", "{said:#?}");
        assert_eq!(ended["outcome"], "interrupted", "{said:#?}");
        said.and_says("has died or lost its lease; run the command again");
        // Whoever looks writes nothing.
        assert_eq!(outcomes(&there).last().unwrap(), "running");
    }
}

#[test]
fn what_another_machine_had_begun_ends_with_its_lease() {
    let there = held_in("migrate").with_variable("WASMIGRATE_LEASE_SECONDS", "3");
    let (follower, _service) = followed(&there, "migrate", || is_of_another_machine(&there));
    ends_soon(follower)
        .ends_with(1)
        .and_says("has died or lost its lease");
}

#[test]
fn a_signal_is_answered_where_the_run_is_not() {
    let there = held_in("migrate").with_variable("WASMIGRATE_LEASE_SECONDS", "600");
    let (mut follower, _service) = followed(&there, "migrate", || is_of_another_machine(&there));
    let warning = follower.until("warning");
    let message = warning["message"].as_str().unwrap();
    assert!(
        message.contains("run 1 is not one of the host that answers"),
        "{message}"
    );
    follower.interrupt();
    ends_soon(follower)
        .ends_with(1)
        .and_says("run 1 was told to end, and")
        .and_says("is not heard of; run 1 was begun and may go on");
}
