//! A host sleeps longer than its lease: others take over or wait, and nothing that it does afterwards counts.

use std::path::Path;

use super::host::{self, Host};
use super::{
    LONG_LEASE, MIGRATED, SHORT_LEASE, attempts, first_step, further_steps, has_worked, is_locked,
    outcomes, slow_steps, steps, stopped_in_a_step, stopped_while_it_prepares,
};
use crate::application::{self, Kind};
use crate::place::Place;

const TAKEN: &str = "its lease was taken or broken";

#[test]
fn a_host_that_slept_through_its_lease_cannot_commit_anything() {
    let place = steps().with_variable("WASMIGRATE_LEASE_SECONDS", SHORT_LEASE);
    let asleep = stopped_while_it_prepares(&place);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says(&format!("waiting for {} (run 1)", asleep.name()))
        .and_says("0003_double migrated");
    let content = place.content();
    asleep.go_on();
    asleep
        .end()
        .ends_with(1)
        .and_says(TAKEN)
        .and_says(r#""outcome":"interrupted""#);
    assert_eq!(place.content(), content);
    assert_eq!(place.one::<String>(MIGRATED), "2 1");
    assert_eq!(outcomes(&place), ["interrupted", "done"]);
    assert_eq!(
        attempts(&place),
        [
            "0001 migrate done",
            "0002 migrate done",
            "0003 migrate done"
        ]
    );
}

#[test]
fn a_host_that_wakes_up_while_the_next_one_works_cannot_disturb_it() {
    let place = slow_steps().with_variable("WASMIGRATE_LEASE_SECONDS", SHORT_LEASE);
    let asleep = stopped_while_it_prepares(&place);
    let mut next = Host::start(&place, &["migrate"]);
    while next.until("step_started")["step"] != "0004_slow" {}
    asleep.go_on();
    next.end().ends_with(0);
    asleep.end().ends_with(1).and_says(TAKEN);
    assert_eq!(place.one::<String>(MIGRATED), "10000003 1");
    assert_eq!(outcomes(&place), ["interrupted", "done"]);
}

/// Stops the host at many of its calls, most of which lie between two transactions: on a file, every third of those to
/// SQLite's file locks; on a server, before every word to it.
#[test]
fn wherever_a_host_falls_asleep_every_effect_happens_once() {
    let before = first_step().with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE);
    before.run(&["migrate"]).ends_with(0);
    let before = further_steps(before);
    let (call, step) = match application::kind() {
        Kind::Sqlite => ("fcntl", 3),
        Kind::Postgres => ("sendto", 1),
    };
    let mut fenced = 0;
    for number in (1..).step_by(step) {
        let place = before.copy();
        let Some(was_fenced) = sleeps_at(call, number, &place) else {
            break;
        };
        fenced += usize::from(was_fenced);
        assert_eq!(place.one::<String>(MIGRATED), "2 1", "{call} {number}");
        assert_eq!(
            attempts(&place),
            [
                "0001 migrate done",
                "0002 migrate done",
                "0003 migrate done"
            ],
            "{call} {number}"
        );
        place.is_whole();
    }
    println!("{fenced} lost their lease");
    assert!(fenced > 3, "only {fenced} lost their lease");
}

/// Returns whether the host lost its lease meanwhile; none when it came to its end without so many calls.
fn sleeps_at(call: &str, number: usize, place: &Place) -> Option<bool> {
    let (mut asleep, process) = falls_asleep_at(call, number, place, &["migrate"])?;
    let was_fenced = can_be_taken_over(place) && {
        // As if its lease had run out.
        let taken_from = place
            .connect()
            .change("UPDATE wasmigrate_lease SET expires_at = 0 WHERE holder IS NOT NULL");
        place.run(&["migrate"]).ends_with(0);
        taken_from == 1
    };
    // One that was about to exit does not fall asleep any more.
    if !asleep.has_ended() {
        host::signal(process, "CONT");
    }
    let said = asleep.end();
    match said.status {
        // Its last commit was done, or it had not begun.
        Some(0) => Some(false),
        _ => {
            assert!(was_fenced, "{call} {number}: {said:#?}");
            said.ends_with(1).and_says(TAKEN);
            Some(true)
        }
    }
}

/// Whether the sleeping host has nothing open that keeps others out. On a server, that is only so while it takes the lease.
fn can_be_taken_over(place: &Place) -> bool {
    let is_held = "SELECT token FROM wasmigrate_lease WHERE holder IS NOT NULL";
    match application::kind() {
        Kind::Sqlite => !is_locked(place),
        Kind::Postgres => !is_locked(place) || !place.texts(is_held).is_empty(),
    }
}

/// Starts a host that is stopped at this call of its main thread, and returns it with its number; none when it came to its
/// end without so many.
pub fn falls_asleep_at(
    call: &str,
    number: usize,
    place: &Place,
    arguments: &[&str],
) -> Option<(Host, u32)> {
    let trace = place.path().join("trace");
    let (calls, inject) = (
        format!("trace={call}"),
        format!("inject={call}:signal=STOP:when={number}"),
    );
    let options = [
        "-f",
        "-qq",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        &calls,
        "-e",
        &inject,
    ];
    let mut asleep = Host::start_under_strace(place, &options, arguments);
    host::until("it sleeps", || {
        asleep.has_ended() || sleeper(&trace).is_some()
    });
    match sleeper(&trace) {
        Some(process) => Some((asleep, process)),
        None => {
            asleep.end().ends_with(0);
            None
        }
    }
}

/// The process that strace says was stopped.
fn sleeper(trace: &Path) -> Option<u32> {
    let trace = std::fs::read_to_string(trace).unwrap_or_default();
    let line = trace
        .lines()
        .find(|line| line.contains("--- stopped by SIGSTOP ---"))?;
    line.split(' ').next()?.parse().ok()
}

mod sqlite {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn others_wait_for_a_host_that_sleeps_in_the_middle_of_a_transaction() {
        let place = slow_steps()
            .with_variable("WASMIGRATE_LEASE_SECONDS", SHORT_LEASE)
            .with_variable("WASMIGRATE_LOCK_WAIT_SECONDS", "3");
        let asleep = stopped_in_a_step(&place);
        let mut waiting = [(); 2].map(|()| Host::start(&place, &["migrate"]));
        host::until("its lease is over", || lease_is_over(&place));
        for host in &mut waiting {
            // Nobody can take the lease, because it holds the lock that this needs.
            assert_eq!(host.until_from_now("waiting")["holder"], asleep.name());
        }
        place
            .run(&["migrate", "--no-wait"])
            .ends_with(2)
            .and_says(&format!("{} is at work on this target", asleep.name()));
        asleep.go_on();
        asleep.end().ends_with(0);
        for host in waiting {
            let said = host.end().ends_with(0);
            assert!(!has_worked(&said), "{said:#?}");
        }
        assert_eq!(place.one::<String>(MIGRATED), "10000003 1");
        assert_eq!(outcomes(&place), ["done"]);
    }

    #[test]
    fn a_host_that_sleeps_with_the_lock_of_the_file_is_named_to_whom_it_keeps_out() {
        let place = slow_steps().with_variable("WASMIGRATE_LOCK_WAIT_SECONDS", "1");
        let asleep = stopped_in_a_step(&place);
        let name = asleep.name();
        let process = name.rsplit_once(':').unwrap().1;
        place.run(&["lease"]).ends_with(0).and_says(&format!(
            "process {process} (wasmigrate) has the lock of the target, and does nothing with it"
        ));
        place
            .run(&["lease", "break", "--reason", "it sleeps"])
            .ends_with(1)
            .and_says(&format!("process {process} (wasmigrate), which is stopped"));
        asleep.go_on();
        asleep.end().ends_with(0);
        let mut application = place.connect();
        application.run("BEGIN IMMEDIATE");
        place.write_step("0005_more.sql", b"CREATE TABLE more (id INTEGER);");
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says(&format!("it is process {} (", std::process::id()));
    }

    fn lease_is_over(place: &Place) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expires_at: i64 = place.one("SELECT expires_at FROM wasmigrate_lease");
        u128::try_from(expires_at).unwrap() < now.as_millis()
    }
}

mod postgres {
    use super::*;

    /// What it hears first may be that its connection was ended or that its lease was taken.
    const INTERRUPTED: &str = r#""outcome":"interrupted""#;

    #[test]
    fn the_next_host_ends_the_transaction_that_a_sleeping_one_has_open() {
        let place = slow_steps().with_variable("WASMIGRATE_LEASE_SECONDS", SHORT_LEASE);
        let asleep = stopped_in_a_step(&place);
        let open =
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'wasmigrate run 1 in public'
                    AND datname = current_database()";
        assert_eq!(place.texts(open).len(), 1);
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says(&format!("waiting for {} (run 1)", asleep.name()))
            .and_says("0004_slow migrated");
        assert_eq!(place.texts(open), [""; 0]);
        let before = place.everything();
        asleep.go_on();
        asleep.end().ends_with(1).and_says(INTERRUPTED);
        assert_eq!(place.everything(), before);
        assert_eq!(place.one::<String>(MIGRATED), "10000003 1");
        assert_eq!(outcomes(&place), ["interrupted", "done"]);
        assert_eq!(
            attempts(&place),
            [
                "0001 migrate done",
                "0002 migrate done",
                "0003 migrate done",
                "0004 migrate done"
            ]
        );
    }

    /// What a session is called is for people: a step can change it, and the host's own look before a commit takes it away.
    #[test]
    fn the_next_host_ends_it_whatever_the_step_has_called_it() {
        let place = slow_steps().with_variable("WASMIGRATE_LEASE_SECONDS", SHORT_LEASE);
        let slow = std::fs::read_to_string(place.step("0004_slow.sql")).unwrap();
        let renamed = format!("SET application_name = 'wasmigrate no more';\n{slow}");
        place.write_step("0004_slow.sql", renamed.as_bytes());
        let asleep = stopped_in_a_step(&place);
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("0004_slow migrated");
        asleep.go_on();
        asleep.end().ends_with(1).and_says(INTERRUPTED);
        assert_eq!(place.one::<String>(MIGRATED), "10000003 1");
    }

    #[test]
    fn a_host_asleep_in_the_middle_of_a_transaction_does_not_keep_the_application_waiting_for_ever()
    {
        let place = slow_steps().with_variable("WASMIGRATE_LEASE_SECONDS", SHORT_LEASE);
        let asleep = stopped_in_a_step(&place);
        let mut application = place.connect();
        application.run("SET lock_timeout = '60s'");
        let next = Host::start(&place, &["migrate"]);
        // The step has changed this row.
        application.run("UPDATE counter SET value = value + 1000000000");
        next.end().ends_with(0);
        asleep.go_on();
        asleep.end().ends_with(1).and_says(INTERRUPTED);
        assert_eq!(place.one::<String>(MIGRATED), "1010000003 1");
    }
}
