//! Several hosts on one database: one works, the others wait, and a host that slept too long can do no harm.

mod broken;
mod clocks;
pub mod host;
mod postgres;
pub mod stopped;
mod while_it_ends;

use std::time::Duration;

use rusqlite::ErrorCode;
use serde_json::Value;

use crate::application::{self, Application, Kind};
use crate::place::{Place, Said};
use crate::service::process::Service;
use host::{Host, until};

/// A lease that does not run out while a test lasts.
const LONG_LEASE: &str = "600";

/// The shortest lease that there is, in seconds.
const SHORT_LEASE: &str = "3";

/// Steps that would not bear being applied twice, on a database that is not there yet.
fn steps() -> Place {
    further_steps(first_step())
}

fn first_step() -> Place {
    Place::new().with_sql(
        "0001_begin.sql",
        "CREATE TABLE counter (value INTEGER NOT NULL);
         INSERT INTO counter VALUES (1);
         CREATE TABLE one (value INTEGER);",
    )
}

fn further_steps(place: Place) -> Place {
    place.with_guest("0002_one.wasm", "one").with_sql(
        "0003_double.sql",
        "-- wasmigrate:migrate
             UPDATE counter SET value = value * 2;
             -- wasmigrate:finalize
             UPDATE counter SET value = value + 5;",
    )
}

/// The same, and then a step that takes a while.
fn slow_steps() -> Place {
    let numbers = Place::in_sql_of(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 10000000)",
        "WITH number AS (SELECT generate_series(1, 10000000))",
    );
    steps().with_sql(
        "0004_slow.sql",
        &format!(
            "UPDATE counter SET value = value + 1;
             UPDATE counter SET value = value + ({numbers} SELECT count(*) FROM number);"
        ),
    )
}

const MIGRATED: &str = "SELECT (SELECT value FROM counter) || ' ' || (SELECT string_agg(CAST(value AS TEXT), ',') FROM one)";

/// A host that was stopped in the middle of its last step: with the file's write lock, or a transaction open.
fn stopped_in_a_step(place: &Place) -> Host {
    let mut host = Host::start(place, &["migrate"]);
    stop_in_slow_step(place, &mut host);
    assert!(is_locked(place));
    host
}

fn stop_in_slow_step(place: &Place, host: &mut Host) {
    while host.until("step_started")["step"] != "0004_slow" {}
    match application::kind() {
        Kind::Sqlite => {
            host.until("progress");
        }
        // The server tells of both statements together.
        Kind::Postgres => until("its transaction is open", || is_locked(place)),
    }
    host.stop();
}

/// A host that was stopped while it compiles: it has the lease, but no lock of the file.
fn stopped_while_it_prepares(place: &Place) -> Host {
    let mut host = Host::start(place, &["migrate", "--cache", "cold"]);
    host.until("loading");
    host.stop();
    assert!(!is_locked(place));
    host
}

/// Whether a process other than this one holds the lock that every writer of a file needs; on a server, whether a host has
/// a transaction open that writes.
pub fn is_locked(place: &Place) -> bool {
    match place.connect() {
        Application::Sqlite(application) => {
            application.busy_timeout(Duration::ZERO).unwrap();
            match application.execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
                Ok(()) => false,
                Err(error) => match error.sqlite_error_code() {
                    Some(ErrorCode::DatabaseBusy | ErrorCode::FileLockingProtocolFailed) => true,
                    _ => panic!("{error}"),
                },
            }
        }
        mut application => {
            let open = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL
                        AND application_name LIKE 'wasmigrate%'";
            !application.rows(open).is_empty()
        }
    }
}

/// On a server, how many processes wait for a lock in the database of this place.
pub fn waiting_for_locks(place: &Place) -> i64 {
    place.one(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
}

/// Every try at a step that the journal knows of, as `0001 migrate done`.
fn attempts(place: &Place) -> Vec<String> {
    place.texts(
        "SELECT '000' || step_index || ' ' || phase || ' ' || outcome FROM wasmigrate_attempt
         ORDER BY run, phase = 'finalize', ended_at, step_index, attempt",
    )
}

/// How the runs ended; none when there is no journal yet.
fn outcomes(place: &Place) -> Vec<String> {
    if !place.has_table("wasmigrate_journal") {
        return Vec::new();
    }
    place.texts("SELECT coalesce(outcome, 'running') FROM wasmigrate_run ORDER BY id")
}

fn has_worked(said: &Said) -> bool {
    said.stdout.contains(r#""event":"run_started""#)
}

/// Starts so many hosts at once, and looks at what they leave.
fn start_together(count: usize) {
    let place = steps();
    let hosts: Vec<Host> = (0..count)
        .map(|_| Host::start(&place, &["finalize"]))
        .collect();
    let said = hosts.into_iter().map(|host| host.end().ends_with(0));
    let (worked, waited): (Vec<Said>, Vec<Said>) = said.partition(has_worked);
    assert_eq!(worked.len(), 1, "{worked:#?}");
    for said in waited {
        assert_eq!(said.json()["event"], "nothing_to_do", "{said:#?}");
        assert_eq!(said.json()["state"], "finalized");
    }
    assert_eq!(place.one::<String>(MIGRATED), "7 1");
    assert_eq!(outcomes(&place), ["done"]);
    assert_eq!(
        attempts(&place),
        [
            "0001 migrate done",
            "0002 migrate done",
            "0003 migrate done",
            "0002 finalize done",
            "0003 finalize done",
        ]
    );
}

#[test]
fn two_hosts_that_start_together_do_everything_once() {
    for _ in 0..10 {
        start_together(2);
    }
}

#[test]
fn ten_hosts_that_start_together_do_everything_once() {
    for _ in 0..3 {
        start_together(10);
    }
}

#[test]
fn who_does_not_want_to_wait_is_told_at_once_who_is_at_work() {
    let place = slow_steps();
    let at_work = stopped_in_a_step(&place);
    place
        .run(&["migrate", "--no-wait"])
        .ends_with(2)
        .and_says(&format!(
            "{} is at work on this target (run 1)",
            at_work.name()
        ));
    at_work.go_on();
    at_work.end().ends_with(0);
}

#[test]
fn a_target_can_be_looked_at_while_a_host_is_at_work() {
    let place = slow_steps();
    let at_work = stopped_in_a_step(&place);
    let status = place.run(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["state"], "migration_running");
    assert_eq!(status["lease"]["holder"], at_work.name());
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("3 migrated, 1 pending")
        .and_says(&format!("host    {}", at_work.name()));
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("run 1  migrate  running")
        .and_says("0003_double  migrate done");
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("1 pending")
        .and_says("0004_slow");
    at_work.go_on();
    at_work.end().ends_with(0);
}

#[test]
fn a_host_that_came_second_to_the_lock_waits_for_the_first() {
    let place = slow_steps()
        .with_data("CREATE TABLE kept (value INTEGER)")
        .with_variable("WASMIGRATE_LOCK_WAIT_SECONDS", "2");
    let mut application = place.connect();
    application.run(Place::in_sql_of(
        "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE",
        "BEGIN; SELECT pg_advisory_xact_lock(hashtext('wasmigrate'), hashtext('wasmigrate'))",
    ));
    // Both have seen that nobody holds the lease when one of them gets the lock.
    let hosts = [(); 2].map(|()| Host::start(&place, &["migrate"]));
    match application::kind() {
        Kind::Sqlite => std::thread::sleep(Duration::from_millis(500)),
        Kind::Postgres => until("both wait for the lock", || waiting_for_locks(&place) == 2),
    }
    application.run("COMMIT");
    until("one has the lease", || !outcomes(&place).is_empty());
    let holder: String = place.one("SELECT holder FROM wasmigrate_lease");
    let (mut first, mut second): (Vec<Host>, Vec<Host>) =
        hosts.into_iter().partition(|host| host.name() == holder);
    let (mut first, mut second) = (first.remove(0), second.remove(0));
    stop_in_slow_step(&place, &mut first);
    assert_eq!(second.until("waiting")["holder"], holder);
    first.go_on();
    first.end().ends_with(0);
    second.end().ends_with(0).and_says("nothing_to_do");
}

#[test]
fn the_next_host_goes_on_at_once_when_the_one_at_work_is_killed() {
    let place = slow_steps().with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE);
    let at_work = stopped_in_a_step(&place);
    let mut waiting = Host::start(&place, &["migrate"]);
    assert_eq!(waiting.until("waiting")["holder"], at_work.name());
    at_work.kill();
    let said = waiting.end().ends_with(0);
    assert!(has_worked(&said));
    assert_eq!(place.one::<String>(MIGRATED), "10000003 1");
    assert_eq!(outcomes(&place), ["interrupted", "done"]);
}

#[test]
fn the_run_of_a_dead_host_is_shown_as_interrupted_before_the_next_one_begins() {
    let place = slow_steps().with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE);
    let at_work = stopped_in_a_step(&place);
    let outcome = |command: &[&str], pointer: &str| {
        let said = place.run(command).ends_with(0).json();
        said.pointer(pointer).unwrap().clone()
    };
    let history = || outcome(&["history", "--json"], "/0/outcome");
    let status = || outcome(&["status", "--json"], "/last_run/outcome");
    assert_eq!([history(), status()], [Value::Null, Value::Null]);
    at_work.kill();
    assert_eq!([history(), status()], ["interrupted", "interrupted"]);
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("run 1  migrate  interrupted");
    let service = Service::start(&place);
    let runs = service.get("/api/v1/runs").json();
    assert_eq!(runs[0]["outcome"], "interrupted");
    // Whoever looks writes nothing.
    assert_eq!(outcomes(&place), ["running"]);
}

#[test]
fn of_several_that_wait_one_takes_over() {
    let place = slow_steps().with_variable("WASMIGRATE_LEASE_SECONDS", LONG_LEASE);
    let at_work = stopped_in_a_step(&place);
    let mut waiting: Vec<Host> = (0..4).map(|_| Host::start(&place, &["migrate"])).collect();
    for host in &mut waiting {
        host.until("waiting");
    }
    at_work.kill();
    let said = waiting.into_iter().map(|host| host.end().ends_with(0));
    assert_eq!(said.filter(has_worked).count(), 1);
    assert_eq!(place.one::<String>(MIGRATED), "10000003 1");
    assert_eq!(outcomes(&place), ["interrupted", "done"]);
    assert_eq!(
        attempts(&place),
        [
            "0001 migrate done",
            "0002 migrate done",
            "0003 migrate done",
            "0004 migrate done",
        ]
    );
}

mod sqlite {
    use std::time::Duration;

    use super::host::Host;
    use super::steps;

    #[test]
    fn whoever_reads_waits_for_an_application_that_commits() {
        let place = steps().with_data("CREATE TABLE kept (value); INSERT INTO kept VALUES (1);");
        let mut application = place.connect();
        // Without WAL, a commit keeps readers out.
        application.run("BEGIN EXCLUSIVE");
        let commands = ["status", "history", "plan", "migrate"];
        let hosts = commands.map(|command| Host::start(&place, &[command]));
        std::thread::sleep(Duration::from_millis(500));
        application.run("COMMIT");
        for host in hosts {
            host.end().ends_with(0);
        }
    }
}
