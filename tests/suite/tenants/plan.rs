//! What is said before a run, and the commands that pause a run or take its lease.

use super::{ADD, Tenants as _, counting, names, register, target};
use crate::hosts::host::{Host, until};
use crate::place::Place;

#[test]
fn the_plan_tells_what_migrate_would_run() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step("views/view.sql", b"SELECT 1;");
    // Scripts run with migrations, and none is pending.
    place.run(&["plan"]).and_says("nothing is pending");
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("nothing is pending");
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("2 pending")
        .and_says("0002_tenants/002_add.sql")
        .and_says("0003_views/view.sql");
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("2 steps ran and were rolled back");
    place.run(&["finalize"]).ends_with(0);
    place.run(&["plan"]).and_says("nothing is pending");
    assert_eq!(place.sum("acme"), "11");
}

#[test]
fn a_number_of_steps_counts_no_file_that_nobody_lacks() {
    let place = target()
        .with_sql("single/001_a.sql", "CREATE TABLE a (id INTEGER);")
        .with_sql("tenants/002_b.sql", "CREATE TABLE {schema}.b (id INTEGER);")
        .with_sql("single/003_c.sql", "CREATE TABLE c (id INTEGER);");
    place.run(&["migrate", "--steps", "1"]).ends_with(0);
    let shown = place.run(&["plan", "--steps", "1"]).ends_with(0);
    shown.and_says("single/003_c.sql");
    place
        .run(&["plan", "--dry-run", "--steps", "1"])
        .ends_with(0)
        .and_says("1 step ran");
    place
        .run(&["migrate", "--steps", "1"])
        .ends_with(0)
        .and_says("single/003_c.sql migrated");
    assert!(place.has_table("c"));
    place
        .run(&["finalize", "--to", "tenants/002_b.sql"])
        .ends_with(0);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
}

/// Counts as `status` does, and as the next run does.
#[test]
fn a_part_that_is_left_is_counted_in_one_way() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place.write_step("views/view.sql", b"SELECT 1;");
    place
        .run(&["migrate", "--steps", "1"])
        .ends_with(0)
        .and_says("2 steps are pending");
    place.run(&["status"]).and_says("2 pending");
    place.run(&["plan"]).and_says("2 pending");
    place.run(&["migrate"]).ends_with(0).and_says(", 2 steps");
}

#[test]
fn a_rehearsal_leaves_what_only_waits_for_its_finalize() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("nothing is pending");
}

#[test]
fn verify_reads_every_file_for_tenants() {
    let place = counting().with_tenants(&["acme", "beta"]);
    let verified = place.run(&["verify", "--json"]).ends_with(0).json();
    assert_eq!(verified["verified"], 1);
    place.write_step("tenants/001_begin.sql", b"SELECT 1;");
    place
        .run(&["verify"])
        .ends_with(2)
        .and_says("tenants/001_begin.sql");
}

const TENANTS: usize = 80;

/// A run that takes seconds, so that it is met at work.
fn long() -> Place {
    let place = counting();
    register(&place, &names(TENANTS));
    let slow = Place::in_sql_of(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n;",
        "SELECT pg_sleep(0.03);",
    );
    place.write_step("tenants/002_slow.sql", slow.as_bytes());
    place
}

const ONE_BY_ONE: [&str; 3] = ["migrate", "--parallel", "1"];

#[test]
fn a_run_over_tenants_pauses_and_continues() {
    let place = long();
    let mut host = Host::start(&place, &ONE_BY_ONE);
    host.until("step_ended");
    place.run(&["pause"]).ends_with(0);
    host.until("paused");
    place.run(&["status"]).and_says("on hold paused by");
    let applied = || {
        let tenants = place.run(&["tenants", "--json"]).ends_with(0).json();
        let all = tenants.as_array().unwrap().iter();
        all.filter(|tenant| tenant["applied"] == 2).count()
    };
    let before = applied();
    assert!(before < TENANTS);
    assert_eq!(applied(), before, "nothing is done while the run is paused");
    let waiting = Host::start(&place, &ONE_BY_ONE).until("waiting");
    assert_eq!(waiting["message"], "it is paused until `wasmigrate resume`");
    place.run(&["resume"]).ends_with(0);
    host.until("run_ended");
    assert_eq!(applied(), TENANTS);
}

#[test]
fn the_lease_of_a_run_over_tenants_is_shown_and_can_be_broken() {
    let place = long();
    let mut host = Host::start(&place, &ONE_BY_ONE);
    host.until("step_ended");
    place.run(&["lease"]).ends_with(0).and_says(&host.name());
    place
        .run(&["lease", "break", "--reason", "it hangs"])
        .ends_with(0)
        .and_says("is broken");
    place.run(&["lease"]).and_says("nobody holds the lease");
    until("the host has ended", || host.has_ended());
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["history"])
        .and_says("broke its lease: it hangs");
    for name in names(TENANTS) {
        assert_eq!(place.sum(&name), "1", "{name}");
    }
}

#[test]
fn a_rehearsal_that_fails_at_once_does_not_say_that_nothing_is_pending() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step("tenants/002_fails.sql", b"SELECT * FROM nowhere;");
    let said = place.run(&["plan", "--dry-run"]).ends_with(1);
    assert!(!said.stdout.contains("nothing is pending"), "{said:#?}");
    said.and_says("nothing was changed");
}

mod postgres {
    use super::*;

    #[test]
    fn the_time_of_a_file_is_its_own_although_nobody_waits_for_it() {
        let place = counting().with_tenants(&["acme"]);
        place.write_step("tenants/002_quick.sql", b"SELECT 1;");
        place.write_step("tenants/003_slow.sql", b"SELECT pg_sleep(0.5);");
        let mut host = Host::start(&place, &["migrate", "--atomic"]);
        let times = ["step_ran", "step_ran"]
            .map(|event| host.until(event)["milliseconds"].as_i64().unwrap());
        assert!(times[0] < 400 && times[1] >= 500, "{times:?}");
    }

    #[test]
    fn the_plan_warns_of_what_is_pending_alone() {
        let place = counting().with_tenants(&["acme", "beta"]);
        place.write_step(
            "tenants/002_index.sql",
            b"SELECT 1;\nCREATE INDEX by_value ON {schema}.counted (value);",
        );
        place
            .run(&["plan"])
            .ends_with(0)
            .and_says("warning: 0002_tenants/002_index.sql, line 2: nobody can write to `counted`")
            .and_says("statement: CREATE INDEX by_value ON {schema}.counted (value)");
        place
            .run(&["finalize", "--strict"])
            .ends_with(2)
            .and_says("nobody can write to `counted`")
            .and_says("nothing was changed");
        place.run(&["finalize"]).ends_with(0);
        place
            .run(&["plan", "--strict"])
            .ends_with(0)
            .and_says("nothing is pending");
        place.run(&["finalize", "--strict"]).ends_with(0);
        // Nobody uses a new tenant yet.
        let place = place.with_variable("WASMIGRATE_STRICT", "true");
        place.run(&["tenants", "add", "gamma"]).ends_with(0);
    }
}
