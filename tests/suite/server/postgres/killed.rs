//! The server goes away in the middle of a run: all of its processes at once, or the run's own.

use std::time::{Duration, Instant};

use wasmigrate_test_server::{Cluster, Durability};

use super::{cluster, done};
use crate::crash::point::Seed;
use crate::crash::{example_steps, sql_steps};
use crate::hosts::host::{Host, until};
use crate::place::{Place, Said};
use crate::service::process::Service;

/// What an undisturbed run leaves, and how long it takes.
struct Undisturbed {
    content: String,
    done: Vec<String>,
    duration: Duration,
}

impl Undisturbed {
    fn of(before: &Place) -> Self {
        // The first one fills the cache of compiled components.
        before.copy().run(&["finalize"]).ends_with(0);
        let timed = |place: &Place| {
            let began = Instant::now();
            place.run(&["finalize"]).ends_with(0);
            began.elapsed()
        };
        let place = before.copy();
        Self {
            // The shorter one: what held up a run here will not hold up those that are disturbed.
            duration: timed(&place).min(timed(&before.copy())),
            content: place.content(),
            done: done(&place),
        }
    }

    /// A moment in the run.
    fn moment(&self, seed: &Seed) -> Duration {
        let nanos = u64::try_from(self.duration.as_nanos()).unwrap();
        Duration::from_nanos(seed.next() % nanos)
    }

    /// Demands that a further run brings the place to the same end.
    fn is_reached_by(&self, place: &Place, moment: Duration, disturbed: &Said) {
        let again = place.run(&["finalize"]);
        let told = format!("after {moment:?}\n{disturbed:#?}\n{again:#?}");
        assert_eq!(again.status, Some(0), "{told}");
        assert!(
            place.content() == self.content,
            "the content differs {told}"
        );
        assert_eq!(done(place), self.done, "{told}");
        place.is_whole();
        let open = "SELECT id FROM wasmigrate_run WHERE outcome IS NULL";
        assert_eq!(place.texts(open), [""; 0], "{told}");
    }
}

/// Kills the whole server, each time in another run, until so many runs noticed.
pub fn kill_server(cluster: &mut Cluster, before: &Place, kills: usize) {
    let seed = Seed::new();
    let undisturbed = Undisturbed::of(before);
    let mut noticed = 0;
    for tried in 0.. {
        if noticed == kills {
            break;
        }
        assert!(tried < 5 * kills, "{noticed} of {tried} runs noticed");
        let place = before.copy();
        let moment = undisturbed.moment(&seed);
        let host = place.start(&["finalize", "--json"]);
        std::thread::sleep(moment);
        cluster.kill().unwrap();
        cluster.start_again().unwrap();
        let disturbed = Said::from(host.wait_with_output().unwrap());
        noticed += usize::from(disturbed.status != Some(0));
        undisturbed.is_reached_by(&place, moment, &disturbed);
    }
}

#[test]
fn a_server_that_is_killed_leaves_each_step_done_or_undone() {
    let mut cluster = cluster();
    let before = sql_steps(Place::on(&cluster));
    kill_server(&mut cluster, &before, 8);
}

#[test]
fn a_server_that_is_killed_between_checkpoints_leaves_all_up_to_the_last() {
    let mut cluster = cluster();
    let before = example_steps(Place::on(&cluster));
    kill_server(&mut cluster, &before, 5);
}

/// The commits of a run wait for no disk but for the last one; so a server that goes down forgets the newest ones.
#[test]
fn no_step_is_done_behind_one_that_the_server_has_forgotten() {
    let mut cluster = Cluster::start_forgetful().unwrap();
    let asleep = |place: &Place| {
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        until("a step sleeps", || place.one::<i64>(asleep) > 0);
    };
    let place = Place::on(&cluster)
        .with_variable("WASMIGRATE_RETRY_ATTEMPTS", "9")
        .with_sql("0001_begin.sql", "SELECT pg_sleep(1);");
    let place = (2..=9).fold(place, |place, number| {
        let sql = format!("SELECT pg_sleep(0); CREATE TABLE table_{number} (id BIGINT)");
        place.with_sql(&format!("000{number}_table.sql"), &sql)
    });
    let place = place.with_sql(
        "0010_last.sql",
        "SELECT pg_sleep(2); CREATE TABLE last (id BIGINT);",
    );
    let service = Service::start(&place);
    service.run("migrate");
    asleep(&place);
    until("the step before the last is done", || {
        place.has_table("table_9")
    });
    asleep(&place);
    cluster.kill().unwrap();
    cluster.start_again().unwrap();
    until("the run has ended", || {
        service.state() == "migration_failed" || service.state() == "finalization_required"
    });
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'table_%'";
    let is_behind_a_gap = place.has_table("last") && place.one::<i64>(tables) < 8;
    assert!(!is_behind_a_gap, "{:#?}", service.logs());
    service.does("migrate");
    assert_eq!(place.one::<i64>(tables), 8);
    assert!(place.has_table("last"));
}

/// A server that forgot who took the lease would give the same run, under the same token, to the next host.
#[test]
fn the_beginning_of_a_run_outlives_the_server() {
    let mut cluster = Cluster::start_forgetful().unwrap();
    let place = Place::on(&cluster).with_sql("0001_slow.sql", "SELECT pg_sleep(600);");
    let mut host = Host::start(&place, &["migrate"]);
    host.until("step_started");
    cluster.kill().unwrap();
    cluster.start_again().unwrap();
    assert_eq!(place.texts("SELECT id FROM wasmigrate_run"), ["1"]);
    assert_eq!(place.texts("SELECT token FROM wasmigrate_lease"), ["1"]);
    drop(host);
    place.write_step("0001_slow.sql", b"CREATE TABLE made (id BIGINT);");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT token FROM wasmigrate_lease"), ["2"]);
    let outcomes = "SELECT outcome FROM wasmigrate_run ORDER BY id";
    assert_eq!(place.texts(outcomes), ["interrupted", "done"]);
}

/// The last steps are committed, and not on the disk, when the server goes down before the end of the run is written.
#[test]
fn a_run_whose_last_commits_the_server_has_forgotten_is_not_done() {
    let mut cluster = Cluster::start_forgetful().unwrap();
    let place = Place::on(&cluster)
        .with_variable("WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS", "60000")
        .with_sql("0001_first.sql", "CREATE TABLE first (id BIGINT);");
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0002_last.sql", b"CREATE TABLE last (id BIGINT);");
    let mut application = place.connect_as_superuser();
    application.run("BEGIN; LOCK TABLE wasmigrate_schema IN SHARE MODE");
    let mut host = Host::start(&place, &["migrate"]);
    host.until("step_ended");
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'wasmigrate_schema'::regclass AND NOT granted";
    until("the run is about to end", || place.one::<i64>(waiting) > 0);
    cluster.kill().unwrap();
    drop(application);
    cluster.start_again().unwrap();
    assert!(!place.has_table("last"), "the server has forgotten nothing");
    host.end()
        .ends_with(1)
        .and_says("has lost the last commits of this run, from step 0002 on");
    let outcomes = "SELECT outcome FROM wasmigrate_run ORDER BY id";
    assert_eq!(place.texts(outcomes), ["done", "failed"]);
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("last"));
}

/// With a disk that is waited for as in a fresh installation: what the host called done is there.
#[test]
fn what_a_run_called_done_outlives_the_server() {
    let mut cluster = Cluster::start(Durability::Default).unwrap();
    for _ in 0..3 {
        let place = sql_steps(Place::on(&cluster));
        place.run(&["finalize"]).ends_with(0);
        cluster.kill().unwrap();
        cluster.start_again().unwrap();
        place
            .run(&["status"])
            .ends_with(0)
            .and_says("3 finalized, 0 migrated, 0 pending");
    }
}

/// A role or database whose commits do not wait for the disk by default: the last commit of a run waits all the same.
#[test]
fn what_a_run_called_done_outlives_the_server_whatever_its_role_does_about_the_disk() {
    let mut cluster = Cluster::start(Durability::Default).unwrap();
    for statement in [
        "ALTER SYSTEM SET wal_writer_delay = '10s'",
        "ALTER SYSTEM SET wal_writer_flush_after = '1GB'",
        "ALTER ROLE app SET synchronous_commit = off",
    ] {
        cluster.run_sql("postgres", statement).unwrap();
    }
    cluster.stop().unwrap();
    cluster.start_again().unwrap();
    let place = Place::on(&cluster).with_sql("0001_table.sql", "CREATE TABLE made (id BIGINT);");
    place.run(&["migrate"]).ends_with(0);
    cluster.kill().unwrap();
    cluster.start_again().unwrap();
    let outcomes = place.texts("SELECT coalesce(outcome, 'forgotten') FROM wasmigrate_run");
    assert_eq!(outcomes, ["done"]);
}

#[test]
fn a_run_whose_processes_are_terminated_is_made_up_for_by_the_next() {
    let seed = Seed::new();
    for (before, times) in [
        (sql_steps(Place::new()), 12),
        (example_steps(Place::new()), 8),
    ] {
        let undisturbed = Undisturbed::of(&before);
        let (mut tried, mut noticed) = (0, 0);
        // A machine that was busy during the undisturbed run lets many moments come after the end of the others.
        while tried < times || (noticed <= times / 3 && tried < times * 4) {
            tried += 1;
            let place = before.copy();
            let moment = undisturbed.moment(&seed);
            let mut superuser = place.connect_as_superuser();
            let host = place.start(&["finalize", "--json"]);
            std::thread::sleep(moment);
            superuser.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name LIKE 'wasmigrate%'",
            );
            let disturbed = Said::from(host.wait_with_output().unwrap());
            noticed += usize::from(disturbed.status != Some(0));
            undisturbed.is_reached_by(&place, moment, &disturbed);
        }
        println!("{noticed} of {tried} runs noticed");
        assert!(
            noticed > times / 3,
            "only {noticed} of {tried} runs noticed"
        );
    }
}

#[test]
fn a_run_that_lost_its_connection_says_so_and_ends() {
    let place = Place::new().with_sql(
        "0001_slow.sql",
        "CREATE TABLE a (b INTEGER); SELECT pg_sleep(60);",
    );
    let host = place.start(&["migrate"]);
    let sleeping = "SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until("the step sleeps", || !place.texts(sleeping).is_empty());
    place
        .connect_as_superuser()
        .run(&sleeping.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"));
    Said::from(host.wait_with_output().unwrap())
        .ends_with(1)
        .and_says("0001_slow, migrate: the connection to postgres://app@")
        .and_says("was lost: terminating connection due to administrator command; what was not committed is rolled back")
        .and_says("the state is migration_failed");
    assert_eq!(place.content(), "");
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("0001_slow  migrate failed");
}

#[test]
fn a_service_that_was_idle_while_the_server_was_restarted_goes_on() {
    let mut cluster = cluster();
    let place = Place::on(&cluster).with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    let service = Service::start(&place);
    assert_eq!(service.state(), "migration_required");
    service.does("migrate");
    for end in [Cluster::stop, Cluster::kill] {
        end(&mut cluster).unwrap();
        service
            .get("/api/v1/status")
            .is_problem(503, "cannot connect to postgres://app@");
        cluster.start_again().unwrap();
        assert_eq!(service.state(), "finalization_required");
        // And without a look in between.
        end(&mut cluster).unwrap();
        cluster.start_again().unwrap();
        assert_eq!(service.state(), "finalization_required");
    }
    service.does("finalize");
    assert_eq!(service.state(), "finalized");
}
