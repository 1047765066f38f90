//! An operator takes the lease from a host, and says why.

use std::io::{BufRead as _, BufReader};

use super::host::{Host, signal};
use super::{LONG_LEASE, MIGRATED, outcomes, steps, stopped_while_it_prepares};
use crate::place::{Place, Said};

const TAKEN: &str = "its lease was taken or broken";

#[test]
fn nobody_holds_the_lease_of_a_target_at_rest() {
    let place = steps();
    place
        .run(&["lease"])
        .ends_with(0)
        .and_says("nobody holds the lease");
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["lease"])
        .ends_with(0)
        .and_says("nobody holds the lease");
    place
        .run(&["lease", "break", "--reason", "to be sure"])
        .ends_with(0)
        .and_says("nobody holds the lease");
    assert_eq!(outcomes(&place), ["done"]);
}

#[test]
fn whoever_holds_it_is_shown() {
    let place = steps();
    let asleep = stopped_while_it_prepares(&place);
    let shown = place.run(&["lease", "--json"]).ends_with(0).json();
    assert_eq!(shown["lease"]["holder"], asleep.name());
    assert_eq!(shown["lease"]["run"], 1);
    assert_eq!(shown["is_live"], true);
    place
        .run(&["lease"])
        .ends_with(0)
        .and_says(&asleep.name())
        .and_says("last heartbeat")
        .and_says("live");
    asleep.kill();
    place
        .run(&["lease"])
        .ends_with(0)
        .and_says("its process has ended; the next run takes over");
}

#[test]
fn a_broken_lease_lets_the_next_host_begin_and_the_history_knows_why() {
    let place = steps().with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE);
    let asleep = stopped_while_it_prepares(&place);
    place.run(&["migrate", "--no-wait"]).ends_with(2);
    place
        .run(&["lease", "break"])
        .ends_with(2)
        .and_says("--reason");
    place
        .run(&["lease", "break", "--reason", "its machine does not answer"])
        .ends_with(0)
        .and_says(&format!("the lease of {} (run 1) is broken", asleep.name()));
    place.run(&["migrate", "--no-wait"]).ends_with(0);
    let content = place.content();
    asleep.go_on();
    asleep.end().ends_with(1).and_says(TAKEN);
    assert_eq!(place.content(), content);
    assert_eq!(place.one::<String>(MIGRATED), "2 1");
    assert_eq!(outcomes(&place), ["interrupted", "done"]);
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("broke its lease: its machine does not answer");
}

#[test]
fn a_host_whose_lease_was_broken_says_so_in_the_words_of_the_history() {
    let place = steps().with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE);
    let mut asleep = place.start(&["migrate", "--cache", "cold"]);
    let mut lines = BufReader::new(asleep.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("compiling 0002_one")));
    signal(asleep.id(), "STOP");
    place
        .run(&["lease", "break", "--reason", "to see"])
        .ends_with(0)
        .and_says("is broken");
    signal(asleep.id(), "CONT");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let rest = rest.join("\n");
    assert!(
        rest.contains("interrupted; what was committed stays, the state is migration_required"),
        "{rest}"
    );
    Said::from(asleep.wait_with_output().unwrap())
        .ends_with(1)
        .and_says(TAKEN);
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("run 1  migrate  interrupted");
}

/// A host that waits for the lease goes on when it is broken.
#[test]
fn whoever_waits_takes_over_when_it_is_broken() {
    let place = steps().with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE);
    let asleep = stopped_while_it_prepares(&place);
    let mut waiting = Host::start(&place, &["migrate"]);
    assert_eq!(waiting.until("waiting")["holder"], asleep.name());
    place
        .run(&["lease", "break", "--reason", "enough"])
        .ends_with(0);
    waiting.end().ends_with(0);
    asleep.kill();
    let place: &Place = &place;
    assert_eq!(outcomes(place), ["interrupted", "done"]);
}
