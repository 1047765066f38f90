//! The host is killed, or falls asleep, while it goes through a table: no row is done twice, none is forgotten.
//!
//! A trigger of the application's counts how often each row is written. Its table is a part of the content that is compared
//! with that of an undisturbed run.

use super::{Customer, customers};
use crate::crash::point::Seed;
use crate::crash::scenario::Scenario;
use crate::hosts::host::{Host, until};
use crate::place::{Place, Said};

/// Enough for more than a dozen ranges and two dozen chunks.
const ROWS: i64 = 3_000;

fn place() -> Place {
    on(Place::new())
}

fn on(place: Place) -> Place {
    customers::audited(customers::on(place, ROWS))
        .with_variable("WASMIGRATE_TRANSFORM_WORKERS", "3")
}

/// A place whose table is gone through, with changes that were captured since.
fn migrated() -> Place {
    let place = place();
    place.run(&["migrate"]).ends_with(0);
    place.with_data(
        "UPDATE customer SET name = 'New Name' || id WHERE id % 10 = 0;
         INSERT INTO customer (id, name, email, debit, credit) SELECT id + 10000, name, email, 1, 2 FROM customer WHERE id % 50 = 0;
         DELETE FROM customer WHERE id % 40 = 0;",
    )
}

#[test]
fn set_up_and_backfill_are_killed_at_every_word_to_the_database() {
    let seed = Seed::new();
    let scenario = Scenario::new(place(), &[], &["migrate"]);
    scenario.survives_some(&seed, scenario.decisive_calls_of_all_threads(), 36);
}

#[test]
fn the_backfill_is_killed_at_any_moment() {
    let seed = Seed::new();
    let scenario = Scenario::new(place(), &[], &["finalize"]);
    scenario.survives_some(&seed, seed.moments(scenario.duration(), 200), 20);
}

#[test]
fn drain_and_cut_over_are_killed_at_every_word_to_the_database() {
    let seed = Seed::new();
    let scenario = Scenario::new(migrated(), &[], &["finalize"]);
    scenario.survives_some(&seed, scenario.decisive_calls_of_all_threads(), 36);
}

#[test]
fn reset_is_killed_at_every_word_to_the_database() {
    let seed = Seed::new();
    let scenario = Scenario::new(migrated(), &[], &["reset"]);
    scenario.survives_some(&seed, scenario.decisive_calls_of_all_threads(), 20);
}

#[test]
fn an_undisturbed_run_writes_each_row_once() {
    let place = place();
    place.run(&["migrate"]).ends_with(0);
    let done = "SELECT sum(rows_done) FROM wasmigrate_range";
    assert_eq!(place.one::<i64>(done), ROWS);
    customers::each_is_written_once(&place, ROWS);
    place.run(&["finalize"]).ends_with(0);
    customers::each_is_written_once(&place, ROWS);
    let originals = (1..=ROWS).map(|id| (id, Customer::original(id)));
    customers::are_exact(&place, customers::FINALIZED, originals);
    customers::no_capture_is_left(&place);
}

#[test]
fn a_migration_that_was_killed_is_reset_to_the_very_schema_and_rows_of_before() {
    let seed = Seed::new();
    let before = customers::place(ROWS);
    let content = before.content();
    let scenario = Scenario::new(before.copy(), &[], &["migrate"]);
    let mut points = seed.moments(scenario.duration(), 100);
    points.extend(seed.choose(scenario.decisive_calls_of_all_threads(), 100));
    let mut begun = 0;
    // Many of them are before the first change: as many are tried as it takes.
    for point in seed.choose(points, usize::MAX) {
        if begun == 8 {
            break;
        }
        let place = before.copy();
        if point.kill(&place, &["migrate", "--json"]).is_none() {
            continue;
        }
        begun += usize::from(place.content() != content);
        place.run(&["reset"]).ends_with(0);
        assert_eq!(place.content(), content, "{point}");
        // And everything can begin anew.
        place.run(&["finalize"]).ends_with(0);
        let originals = (1..=ROWS).map(|id| (id, Customer::original(id)));
        customers::are_exact(&place, customers::FINALIZED, originals);
    }
    assert_eq!(begun, 8);
}

#[test]
fn two_hosts_that_start_together_write_each_row_once() {
    for _ in 0..3 {
        let place = place();
        let hosts = [(); 2].map(|()| Host::start(&place, &["finalize"]));
        let said = hosts.map(|host| host.end().ends_with(0));
        let worked = said
            .iter()
            .filter(|said| said.stdout.contains(r#""event":"run_started""#));
        assert_eq!(worked.count(), 1, "{said:#?}");
        customers::each_is_written_once(&place, ROWS);
    }
}

/// A place whose table takes far longer than a lease of three seconds.
fn slow() -> Place {
    place()
        .with_variable("WASMIGRATE_LEASE_SECONDS", "3")
        .with_variable("WASMIGRATE_TRANSFORM_MAX_ROWS_PER_SECOND", "100")
}

/// A host that was stopped between two chunks, or within one that keeps nobody out.
fn stopped_in_the_backfill(place: &Place) -> Host {
    let host = Host::start(place, &["migrate"]);
    let done = "SELECT coalesce(sum(rows_done), 0) FROM wasmigrate_range";
    until("some chunks are done", || {
        place.has_table("wasmigrate_range") && place.one::<i64>(done) > 100
    });
    loop {
        host.stop();
        if !crate::hosts::is_locked(place) {
            return host;
        }
        host.go_on();
    }
}

#[test]
fn who_does_not_want_to_wait_for_a_backfill_is_told_who_is_at_work() {
    let place = slow().with_variable("WASMIGRATE_LEASE_SECONDS", "600");
    let at_work = stopped_in_the_backfill(&place);
    place
        .run(&["migrate", "--no-wait"])
        .ends_with(2)
        .and_says(&format!("{} is at work on this target", at_work.name()));
    place.run(&["reset", "--no-wait"]).ends_with(2);
    at_work.kill();
    place
        .run(&["migrate", "--max-rows-per-second", "0"])
        .ends_with(0);
    customers::each_is_written_once(&place, ROWS);
}

#[test]
fn the_late_chunks_of_a_host_that_slept_through_its_lease_are_refused() {
    let place = slow();
    let asleep = stopped_in_the_backfill(&place);
    let begun = place.one::<i64>("SELECT sum(rows_done) FROM wasmigrate_range");
    place
        .run(&["migrate", "--max-rows-per-second", "0"])
        .ends_with(0)
        .and_says(&format!("waiting for {} (run 1)", asleep.name()))
        .and_says("0001_normalize migrated");
    let content = place.content();
    asleep.go_on();
    asleep
        .end()
        .ends_with(1)
        .and_says("its lease was taken or broken");
    assert!(begun < ROWS, "the sleeper had done everything");
    assert_eq!(place.content(), content);
    customers::each_is_written_once(&place, ROWS);
    let outcomes = "SELECT coalesce(outcome, 'running') FROM wasmigrate_run ORDER BY id";
    assert_eq!(place.texts(outcomes), ["interrupted", "done"]);
}

#[test]
fn a_host_that_wakes_up_while_the_next_one_goes_through_the_table_cannot_disturb_it() {
    let place = slow();
    let asleep = stopped_in_the_backfill(&place);
    let next = Host::start(&place, &["migrate", "--max-rows-per-second", "1000"]);
    let taken = "SELECT count(*) FROM wasmigrate_run";
    let done = "SELECT sum(rows_done) FROM wasmigrate_range";
    let before = place.one::<i64>(done);
    until("the next host has taken over and works", || {
        place.one::<i64>(taken) == 2 && place.one::<i64>(done) > before
    });
    asleep.go_on();
    asleep.end().ends_with(1);
    next.end().ends_with(0);
    customers::each_is_written_once(&place, ROWS);
}

mod postgres {
    use wasmigrate_test_server::{Cluster, Durability};

    use super::*;
    use crate::server::postgres::killed::kill_server;

    #[test]
    fn a_server_that_is_killed_anywhere_leaves_each_row_to_be_written_once() {
        let mut cluster = Cluster::start(Durability::None).unwrap();
        let before = on(Place::on(&cluster));
        kill_server(&mut cluster, &before, 18);
    }
}

#[test]
fn a_range_that_is_not_where_the_worker_left_it_is_not_moved_on() {
    let place = on(Place::new());
    let run = place.start(&["migrate", "--max-rows-per-second", "1000"]);
    let done = "SELECT coalesce(sum(rows_done), 0) FROM wasmigrate_range";
    until("the first rows are done", || {
        place.has_table("wasmigrate_range") && place.one::<i64>(done) > 0
    });
    place
        .connect()
        .run("UPDATE wasmigrate_range SET rows_done = rows_done + 1 WHERE is_done = 0");
    Said::from(run.wait_with_output().unwrap())
        .ends_with(1)
        .and_says("the journal does not say any more of the transformation 0001");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
}
