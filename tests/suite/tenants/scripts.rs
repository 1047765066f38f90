//! Scripts run with every run that migrates something: also for whom they failed in it, or were cut off.

use super::{ADD, Tenants as _, counting};
use crate::hosts::host::Host;
use crate::place::Place;
use crate::service::process::Service;

/// A script that counts, and fails for a tenant whose table `extra` does not take its name.
const COUNTS: &str = "INSERT INTO {schema}.extra VALUES ('{schema}');
     INSERT INTO {schema}.counted VALUES (100, '{schema}');";

/// Three tenants, and a migration after which the script fails for `beta`.
fn place() -> Place {
    let place = counting().with_tenants(&["acme", "beta", "gamma"]);
    place.write_step(
        "tenants/002_extra.sql",
        b"-- wasmigrate:migrate
          CREATE TABLE {schema}.extra (name TEXT CHECK (name <> 'beta'));
          -- wasmigrate:finalize
          INSERT INTO {schema}.counted VALUES (1000, '{schema}');",
    );
    place.write_step("views/view.sql", COUNTS.as_bytes());
    place
}

/// The same, where the run with this command has failed.
fn failed(command: &str) -> Place {
    let place = place();
    place
        .run(&[command, "--parallel", "2"])
        .ends_with(1)
        .and_says("views/view.sql for beta");
    place
        .run(&["status"])
        .and_says("migration_failed")
        .and_says("2 up to date, 1 behind, 1 failed")
        .and_says("due for 1 tenant");
    place.run(&["plan"]).ends_with(0).and_says("views/view.sql");
    place
}

fn fix(place: &Place) {
    let mut application = place.of_tenant("beta");
    application.run("DROP TABLE extra");
    application.run("CREATE TABLE extra (name TEXT)");
}

fn sums(place: &Place) -> [String; 3] {
    ["acme", "beta", "gamma"].map(|tenant| place.sum(tenant))
}

fn has_nothing_to_do(place: &Place) {
    place
        .run(&["migrate", "--parallel", "2"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn a_script_that_failed_is_due_until_it_has_run() {
    for how in [
        &["migrate", "--parallel", "2"][..],
        &["migrate", "--parallel", "2", "--only-failed"],
        &["migrate", "--atomic"],
    ] {
        let place = failed("migrate");
        assert_eq!(sums(&place), ["101", "1", "101"]);
        place.run(how).ends_with(1);
        place.run(&["tenants", "add", "delta"]).ends_with(0);
        fix(&place);
        place.run(&["migrate", "--parallel", "2"]).ends_with(0);
        assert_eq!(sums(&place), ["101", "101", "101"], "{how:?}");
        assert_eq!(place.sum("delta"), "101");
        has_nothing_to_do(&place);
        // One that is new then runs with the next run that migrates something.
        place.write_step("views/new.sql", COUNTS.as_bytes());
        has_nothing_to_do(&place);
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(sums(&place), ["1101", "1101", "1101"], "{how:?}");
    }
}

#[test]
fn a_finalize_runs_what_is_due_first() {
    for how in [
        &["--parallel", "2"][..],
        &["--parallel", "2", "--only-failed"],
        &["--atomic"],
    ] {
        let place = failed("finalize");
        assert_eq!(sums(&place), ["1101", "1", "1101"]);
        fix(&place);
        place
            .run(&[&["finalize"], how].concat())
            .ends_with(0)
            .and_says("the state is finalized");
        assert_eq!(sums(&place), ["1101", "1101", "1101"], "{how:?}");
        has_nothing_to_do(&place);
    }
}

#[test]
fn the_service_runs_what_is_due() {
    let place = failed("migrate");
    fix(&place);
    let service = Service::start(&place);
    assert_eq!(service.state(), "migration_failed");
    service.does("finalize");
    assert_eq!(service.state(), "finalized");
    assert_eq!(sums(&place), ["1101", "1101", "1101"]);
}

#[test]
fn a_script_for_the_target_is_due_until_it_has_run() {
    for how in [&["--parallel", "2"][..], &["--atomic"]] {
        let place = place();
        std::fs::remove_file(place.step("views/view.sql")).unwrap();
        place.write_step("scripts/fails.sql", b"INSERT INTO late VALUES (1);");
        place.run(&["migrate", "--parallel", "2"]).ends_with(1);
        place.run(&["status"]).and_says("migration_failed");
        place.connect().run("CREATE TABLE late (id INTEGER)");
        place.run(&[&["migrate"], how].concat()).ends_with(0);
        assert_eq!(place.one::<u32>("SELECT count(*) FROM late"), 1, "{how:?}");
        has_nothing_to_do(&place);
    }
}

#[test]
fn a_script_of_a_target_without_tenants_is_due_until_it_has_run() {
    let place = Place::new()
        .with_variable("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", "single")
        .with_variable("WASMIGRATE_SOURCES_SINGLE_SCRIPTS", "scripts");
    for directory in ["single", "scripts"] {
        std::fs::create_dir_all(place.step(directory)).unwrap();
    }
    let place = place
        .with_sql("single/001.sql", "CREATE TABLE here (id INTEGER);")
        .with_sql("scripts/a.sql", "INSERT INTO here VALUES (1);")
        .with_sql("scripts/b.sql", "INSERT INTO late VALUES (1);");
    place.run(&["migrate"]).ends_with(1);
    place.connect().run("CREATE TABLE late (id INTEGER)");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("scripts/b.sql");
    assert_eq!(place.one::<u32>("SELECT count(*) FROM late"), 1);
    assert_eq!(place.one::<u32>("SELECT count(*) FROM here"), 1);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("nothing to do");
}

/// Two of three tenants have not had the script when the host ends.
fn cut_off(end: impl FnOnce(Host)) {
    let place = place();
    let slow = Place::in_sql_of(
        "INSERT INTO {schema}.counted WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000)
         SELECT 100, max(x) FROM n;",
        "INSERT INTO {schema}.counted SELECT 100, 'slept' FROM pg_sleep(1);",
    );
    place.write_step("views/view.sql", slow.as_bytes());
    // After which all scripts for tenants run.
    place.write_step("scripts/here.sql", b"SELECT 1;");
    let mut host = Host::start(&place, &["migrate", "--parallel", "1"]);
    for _ in 0..6 {
        host.until("step_started");
    }
    end(host);
    assert_eq!(sums(&place), ["101", "1", "1"]);
    place
        .run(&["status"])
        .and_says("migration_required")
        .and_says("due for 2 tenants");
    place.run(&["finalize", "--parallel", "2"]).ends_with(0);
    assert_eq!(sums(&place), ["1101", "1101", "1101"]);
    has_nothing_to_do(&place);
}

#[test]
fn a_script_that_a_killed_host_left_is_due() {
    cut_off(Host::kill);
}

#[test]
fn a_script_that_a_cancelled_run_left_is_due() {
    cut_off(|host| {
        host.interrupt();
        host.end().ends_with(1);
    });
}

/// Those who had it do not get it once more, and a run that came to its end leaves nothing.
#[test]
fn no_script_is_due_after_a_run_that_was_done() {
    let place = place();
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place.write_step("views/view.sql", b"SELECT 1;");
    place.run(&["migrate", "--parallel", "2"]).ends_with(0);
    place.write_step("views/view.sql", COUNTS.as_bytes());
    place.write_step("views/other.sql", COUNTS.as_bytes());
    has_nothing_to_do(&place);
    place.run(&["status"]).and_says("finalization_required");
}
