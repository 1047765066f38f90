//! A host is about to take the lease from one that seems dead and is not: what that commits meanwhile counts once.

use super::host::{self, Host};
use super::stopped::falls_asleep_at;
use super::{
    LONG_LEASE, MIGRATED, attempts, has_worked, steps, stopped_in_a_step, waiting_for_locks,
};
use crate::place::Place;

/// Stops the next host before each word to the server until it has the lease, wakes the one that slept too long, and lets that get as far as it can.
#[test]
fn what_the_last_host_commits_while_it_is_taken_over_happens_once() {
    let before = steps()
        .with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE)
        .with_sql(
            "0004_slow.sql",
            "UPDATE counter SET value = value + 1; SELECT pg_sleep(0.5);",
        );
    let (mut went_on, mut was_ended) = (0, 0);
    for number in 1.. {
        let place = before.copy();
        let mut last = stopped_in_a_step(&place);
        place
            .connect()
            .run("UPDATE wasmigrate_lease SET expires_at = 0");
        let (next, process) =
            falls_asleep_at("sendto", number, &place, &["migrate"]).expect("the next one works");
        let is_taken = is_taken_from(&last.name(), &place);
        last.go_on();
        host::until("the last one is as far as it gets", || {
            last.has_ended() || waiting_for_locks(&place) > 0
        });
        host::signal(process, "CONT");
        let next = next.end().ends_with(0);
        let last = last.end();
        match last.status {
            Some(0) => {
                went_on += 1;
                assert!(!has_worked(&next), "{number}: {next:#?}");
            }
            _ => was_ended += 1,
        }
        assert_eq!(
            place.one::<String>(MIGRATED),
            "3 1",
            "{number}: {last:#?} {next:#?}"
        );
        let mut done = attempts(&place);
        // Whose transaction was ended before its lease was taken may still say so.
        done.retain(|attempt| attempt != "0004 migrate failed");
        assert_eq!(
            done,
            [
                "0001 migrate done",
                "0002 migrate done",
                "0003 migrate done",
                "0004 migrate done"
            ],
            "{number}: {last:#?} {next:#?}"
        );
        if is_taken {
            break;
        }
    }
    println!("{went_on} went on, {was_ended} were ended");
    assert!(went_on > 3 && was_ended > 0);
}

fn is_taken_from(holder: &str, place: &Place) -> bool {
    let holders = place.texts("SELECT holder FROM wasmigrate_lease WHERE holder IS NOT NULL");
    holders.iter().any(|other| other != holder)
}

/// A host that was stopped before a word to the server while it has the target's lock, and its process; the first such word
/// after this many. None when it has the lease by then.
fn asleep_with_the_lock(before: &Place, after: usize) -> Option<(Place, Host, u32, usize)> {
    let locks = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE locktype = 'advisory' AND granted AND datname = current_database()";
    for number in after + 1.. {
        let place = before.copy();
        let (asleep, process) =
            falls_asleep_at("sendto", number, &place, &["migrate"]).expect("it takes the lease");
        if place.one::<i64>(locks) == 1 {
            return Some((place, asleep, process, number));
        }
        let has_lease = place.has_table("wasmigrate_lease");
        host::signal(process, "CONT");
        asleep.end().ends_with(0);
        if has_lease {
            return None;
        }
    }
    None
}

#[test]
fn a_host_that_falls_asleep_while_it_takes_the_lease_does_not_keep_others_out() {
    let before = steps();
    before.run(&["plan"]).ends_with(0);
    let (mut last, mut tried) = (0, 0);
    // Each of them keeps the next one waiting for some seconds.
    while tried < 3
        && let Some((place, asleep, process, number)) = asleep_with_the_lock(&before, last)
    {
        (last, tried) = (number, tried + 1);
        let mut next = Host::start(&place, &["migrate"]);
        let waiting = next.until("waiting")["message"].to_string();
        let ended = format!(":{process}, which has stopped and was ended,");
        assert!(waiting.contains(&ended), "{number}: {waiting}");
        next.end().ends_with(0);
        let everything = place.everything();
        host::signal(process, "CONT");
        asleep
            .end()
            .ends_with(2)
            .and_says("terminating connection due to administrator command");
        assert_eq!(place.everything(), everything, "{number}");
        assert_eq!(place.one::<String>(MIGRATED), "2 1", "{number}");
    }
    assert!(tried > 0);
}

#[test]
fn who_breaks_the_lease_ends_a_host_that_sleeps_while_it_takes_it() {
    let before = steps();
    before.run(&["plan"]).ends_with(0);
    let (place, asleep, process, _) =
        asleep_with_the_lock(&before, 0).expect("it sleeps with the lock");
    place
        .run(&["lease"])
        .ends_with(0)
        .and_says(&format!(":{process} has the lock of the target"))
        .and_says("nobody holds the lease");
    place
        .run(&["lease", "break", "--reason", "it sleeps"])
        .ends_with(0)
        .and_says(&format!(
            ":{process} was about to begin a run and has lost the lock of the target"
        ));
    let next = Host::start(&place, &["migrate"]).end().ends_with(0);
    assert!(!next.stdout.contains("waiting"), "{next:#?}");
    host::signal(process, "CONT");
    asleep.end().ends_with(2);
    assert_eq!(place.one::<String>(MIGRATED), "2 1");
}
