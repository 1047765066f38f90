//! An operator's word that comes while the run ends: it waits for the database, and then there is no run any more.

use super::host::Host;
use super::{LONG_LEASE, steps, stopped_while_it_prepares, waiting_for_locks};
use crate::application::{self, Kind};
use crate::hosts::host::until;
use crate::place::{Place, Said};

/// Gives a command while a run is in progress, and lets the run end when the command waits for the database.
fn says_while_the_run_ends(arguments: &[&str]) -> Said {
    let place = steps().with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE);
    let asleep = stopped_while_it_prepares(&place);
    let mut ending = place.connect();
    ending.run(Place::in_sql_of(
        "BEGIN IMMEDIATE",
        "BEGIN; LOCK TABLE wasmigrate_pause, wasmigrate_run, wasmigrate_lease IN EXCLUSIVE MODE",
    ));
    let trace = place.path().join("trace");
    let waiting = match application::kind() {
        Kind::Sqlite => {
            let sleeps = ["-f", "-qq", "-e", "trace=nanosleep,clock_nanosleep", "-o"];
            let options = [&sleeps[..], &[trace.to_str().unwrap()]].concat();
            let waiting = Host::start_under_strace(&place, &options, arguments);
            // SQLite sleeps between its looks at the lock.
            until("it waits", || {
                std::fs::read_to_string(&trace).is_ok_and(|calls| calls.contains("nanosleep("))
            });
            waiting
        }
        Kind::Postgres => {
            let waiting = Host::start(&place, arguments);
            until("it waits", || waiting_for_locks(&place) == 1);
            waiting
        }
    };
    ending.run("UPDATE wasmigrate_run SET outcome = 'done', ended_at = started_at");
    ending.run(
        "UPDATE wasmigrate_lease SET holder = NULL, process = NULL, run = NULL, nonce = NULL, expires_at = NULL",
    );
    ending.run("COMMIT");
    let said = waiting.end();
    asleep.kill();
    said
}

#[test]
fn nothing_is_there_to_pause_or_to_resume() {
    for command in ["pause", "resume"] {
        says_while_the_run_ends(&[command])
            .ends_with(2)
            .and_says("no run is in progress: there is nothing to pause or to resume");
    }
}

#[test]
fn nobody_holds_the_lease_that_is_to_be_broken() {
    let said = says_while_the_run_ends(&["lease", "break", "--reason", "it takes long"]);
    let answer = said.ends_with(0).json();
    assert_eq!(answer["is_broken"], false, "{answer}");
}
