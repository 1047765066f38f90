//! All tenants in one transaction.

use super::{ADD, Tenants as _, counting, first, target};
use crate::place::Place;

#[test]
fn every_tenant_gets_every_file_once() {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.run(&["finalize"]).ends_with(0).and_says("finalized");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("nothing to do");
    for tenant in ["acme", "beta"] {
        assert_eq!(place.sum(tenant), "11");
        let who = first(&mut place.of_tenant(tenant), "SELECT who FROM counted");
        assert_eq!(who, tenant);
    }
}

#[test]
fn what_fails_for_one_is_kept_for_nobody() {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.write_step(
        "tenants/003_fails.sql",
        b"CREATE TABLE {schema}.extra (name TEXT CHECK (name <> 'beta')); INSERT INTO {schema}.extra VALUES ('{schema}');",
    );
    place
        .run(&["finalize", "--atomic"])
        .ends_with(1)
        .and_says("003_fails.sql for beta");
    assert_eq!(
        (place.sum("acme"), place.sum("beta")),
        ("1".to_owned(), "1".to_owned())
    );
    place.run(&["status"]).and_says("0 up to date, 2 behind");
}

#[test]
fn an_older_name_is_applied_although_later_ones_were() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place.run(&["finalize"]).ends_with(0);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("002_add.sql");
    assert_eq!(place.sum("acme"), "21");
}

#[test]
fn files_run_in_the_order_of_their_names_and_scripts_behind_them() {
    let place = target().with_tenants(&["acme"]);
    let say = |name: &str| format!("INSERT INTO said VALUES ('{name}');");
    place.write_step(
        "single/1.sql",
        b"CREATE TABLE said (name TEXT); INSERT INTO said VALUES ('single/1');",
    );
    place.write_step("single/3.sql", say("single/3").as_bytes());
    place.write_step("single/3.down.sql", b"DROP TABLE said;");
    place.write_step("single/4.up.sql", say("single/4").as_bytes());
    place.write_step("single/4.down.sql", b"DROP TABLE said;");
    place.write_step("single/.5.sql", b"DROP TABLE said;");
    place.write_step("scripts/0.sql", say("scripts/0").as_bytes());
    std::fs::remove_file(place.step("single/3.down.sql")).unwrap();
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT name FROM said"),
        ["single/1", "single/3", "single/4", "scripts/0"]
    );
    place.write_step("single/2.sql", say("single/2").as_bytes());
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT name FROM said")[4..],
        ["single/2", "scripts/0"]
    );
}

#[test]
fn a_changed_migration_stops_everything_and_a_changed_script_nothing() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step("views/view.sql", b"SELECT 1;");
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.run(&["finalize"]).ends_with(0);
    place.write_step("views/view.sql", b"SELECT 2;");
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place.run(&["finalize"]).ends_with(0);
    place.write_step("tenants/002_add.sql", b"SELECT 1;");
    place.write_step("tenants/004_add.sql", ADD.as_bytes());
    place
        .run(&["finalize"])
        .ends_with(2)
        .and_says("changed since")
        .and_says("tenants/002_add.sql");
    place
        .run(&["verify"])
        .ends_with(2)
        .and_says("tenants/002_add.sql");
    assert_eq!(place.sum("acme"), "21");
}

#[test]
fn a_base_that_moves_has_the_same_files() {
    let place = counting().with_tenants(&["acme"]);
    let moved = place.path().join("moved");
    std::fs::rename(place.path().join("migrations"), &moved).unwrap();
    let place = place.with_variable("WASMIGRATE_SOURCES_BASE", moved.to_str().unwrap());
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(place.sum("acme"), "1");
}

#[test]
fn a_component_works_in_the_schema_of_its_tenant() {
    let place = target().with_tenants(&["acme", "beta"]);
    place.write_step(
        "tenants/001.sql",
        b"CREATE TABLE {schema}.one (value INTEGER);",
    );
    let place = place.with_guest("tenants/002.wasm", "one");
    place.write_step("tenants/003.sql", b"INSERT INTO {schema}.one VALUES (5);");
    place.run(&["finalize"]).ends_with(0);
    for tenant in ["acme", "beta"] {
        let count = first(&mut place.of_tenant(tenant), "SELECT count(*) FROM one");
        assert_eq!(count, "2", "{tenant}");
    }
}

#[test]
fn a_rehearsal_runs_everything_and_keeps_nothing() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("002_add.sql");
    assert_eq!(place.sum("acme"), "1");
    place.write_step(
        "tenants/003_fails.sql",
        b"INSERT INTO {schema}.nowhere VALUES (1);",
    );
    place
        .run(&["plan", "--dry-run"])
        .ends_with(1)
        .and_says("nowhere");
}

#[test]
fn what_cannot_be_in_a_transaction_is_refused_with_the_way_out() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step(
        "tenants/002_outside.sql",
        Place::in_sql_of(
            "-- wasmigrate:no-transaction\nVACUUM;",
            "-- wasmigrate:no-transaction\nCREATE INDEX counted_value ON {schema}.counted (value);",
        )
        .as_bytes(),
    );
    place
        .run(&["finalize", "--atomic"])
        .ends_with(2)
        .and_says("tenants/002_outside.sql")
        .and_says("--parallel");
    assert_eq!(place.sum("acme"), "1");
}

#[test]
fn a_directory_that_is_missing_is_named_with_its_setting() {
    Place::new()
        .with_variable("WASMIGRATE_SOURCES_TENANT_MIGRATIONS", "nowhere")
        .run(&["status"])
        .ends_with(2)
        .and_says("sources.tenant_migrations")
        .and_says("nowhere");
}
