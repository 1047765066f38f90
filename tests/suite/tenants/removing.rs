//! A tenant is removed, and may come back: what the journal knows of it holds as long as its data is there.

use serde_json::Value;

use super::{ADD, Tenants as _, counting};
use crate::application::{self, Kind};
use crate::hosts::host::Host;
use crate::place::Place;
use crate::service::process::Service;
use crate::service::remote::Desk;

/// Two tenants, of whom the first is removed.
fn removed() -> Place {
    let place = counting().with_tenants(&["acme", "beta"]);
    place
        .run(&["tenants", "remove", "acme"])
        .ends_with(0)
        .and_says("removed the tenant acme: its data stays where it is");
    place
}

/// Takes away the data of a tenant, as its operator would.
fn drop_data(place: &Place, tenant: &str) {
    match application::kind() {
        Kind::Sqlite => {
            let directory = place.path().join("wasmigrate.db.tenants");
            for file in [format!("{tenant}.db"), format!("{tenant}.db-wal")] {
                _ = std::fs::remove_file(directory.join(file));
            }
        }
        Kind::Postgres => place
            .connect()
            .run(&format!("DROP SCHEMA \"{tenant}\" CASCADE")),
    }
}

/// Puts another, empty one in its place.
fn make_empty(place: &Place, tenant: &str) {
    match application::kind() {
        Kind::Sqlite => place.of_tenant(tenant).run("PRAGMA user_version = 7"),
        Kind::Postgres => place.connect().run(&format!("CREATE SCHEMA \"{tenant}\"")),
    }
}

/// For how many tenants a run of the history has migrated and finalized its files.
fn told(place: &Place, run: u64) -> Vec<(String, u64, u64, u64)> {
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    let entries = history.as_array().unwrap().iter();
    let mut entries = entries.filter(|entry| entry["id"].as_u64() == Some(run));
    let files = entries.next().unwrap()["files"].as_array().unwrap().clone();
    let count = |file: &Value, phase: &str| file[phase].as_u64().unwrap();
    let told = files.iter().map(|file| {
        (
            file["name"].as_str().unwrap().to_owned(),
            count(file, "migrated"),
            count(file, "finalized"),
            count(file, "reset"),
        )
    });
    told.collect()
}

fn first_file() -> Vec<(String, u64, u64, u64)> {
    vec![("tenants/001_begin.sql".to_owned(), 1, 1, 0)]
}

#[test]
fn no_run_serves_a_tenant_that_was_removed() {
    for how in ["--atomic", "--parallel=2"] {
        let place = removed();
        place.run(&["verify"]).ends_with(0);
        place.write_step("tenants/002_add.sql", ADD.as_bytes());
        place.run(&["finalize", how]).ends_with(0);
        assert_eq!((&*place.sum("acme"), &*place.sum("beta")), ("1", "11"));
        let status = place.run(&["status", "--json"]).ends_with(0).json();
        assert_eq!(status["state"], "finalized");
        assert_eq!(status["tenants"]["tenants"], 1);
        assert_eq!(status["steps"][0]["tenants"]["applied"], 1, "{status}");
        let said = place.run(&["tenants"]).ends_with(0);
        assert!(!said.stdout.contains("acme"), "{said:#?}");
        // What was done for it stays true.
        assert_eq!(told(&place, 1), first_file());
        place
            .run(&["history", "--output"])
            .and_says("remove-tenant")
            .and_says("the tenant acme was removed");
        // Nobody minds what becomes of its data.
        place.run(&["verify"]).ends_with(0);
        drop_data(&place, "acme");
        place.run(&["verify"]).ends_with(0);
        place.run(&["finalize", how]).ends_with(0);
        place
            .run(&["tenants", "remove", "acme"])
            .ends_with(2)
            .and_says("there is no tenant `acme`");
    }
}

#[test]
fn a_tenant_that_comes_back_with_its_data_gets_what_it_lacks() {
    let place = removed();
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["tenants", "add", "acme"])
        .ends_with(0)
        .and_says("`acme` was a tenant before, and its data is still there")
        .and_says("applied 1 file to it; it had 1 file already");
    assert_eq!((&*place.sum("acme"), &*place.sum("beta")), ("11", "11"));
    assert_eq!(told(&place, 1), first_file());
    place.run(&["status"]).ends_with(0).and_says("finalized");
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place.run(&["finalize"]).ends_with(0);
    assert_eq!((&*place.sum("acme"), &*place.sum("beta")), ("21", "21"));
    place.run(&["verify"]).ends_with(0);
    // It may go again, and come back with nothing to do.
    place.run(&["tenants", "remove", "acme"]).ends_with(0);
    place
        .run(&["tenants", "add", "acme"])
        .ends_with(0)
        .and_says("applied 0 files to it; it had 3 files already");
    assert_eq!(place.sum("acme"), "21");
}

#[test]
fn a_tenant_whose_data_is_gone_begins_anew() {
    let place = removed();
    place.write_step("tenants/R__view.sql", ADD.as_bytes());
    place.run(&["finalize"]).ends_with(0);
    drop_data(&place, "acme");
    place
        .run(&["tenants", "add", "acme"])
        .ends_with(0)
        .and_says("nothing of its data is left: it begins anew")
        .and_says("applied 2 files to it\n");
    assert_eq!((&*place.sum("acme"), &*place.sum("beta")), ("11", "11"));
    // A file takes its history with it.
    if application::kind() == Kind::Postgres {
        assert_eq!(told(&place, 1), first_file());
    }
    place.run(&["verify"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    place.run(&["status"]).ends_with(0).and_says("finalized");
}

#[test]
fn history_is_not_believed_of_another_place_that_is_empty() {
    let place = removed();
    drop_data(&place, "acme");
    make_empty(&place, "acme");
    for _ in 0..2 {
        place
            .run(&["tenants", "add", "acme"])
            .ends_with(2)
            .and_says("`acme` was a tenant before, ")
            .and_says("wasmigrate tenants add acme --adopt");
    }
    assert_eq!(place.sum("acme"), "");
    place
        .run(&["tenants", "add", "acme", "--adopt"])
        .ends_with(0);
    assert_eq!(place.sum("acme"), "1");
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn what_waits_for_its_finalize_gets_it_when_the_tenant_is_back() {
    let place = counting().with_tenants(&["acme", "beta"]);
    let phases = format!("-- wasmigrate:migrate\n{ADD}\n-- wasmigrate:finalize\n{ADD}");
    place.write_step("tenants/002_add.sql", phases.as_bytes());
    place.run(&["migrate"]).ends_with(0);
    place.run(&["tenants", "remove", "beta"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!((&*place.sum("acme"), &*place.sum("beta")), ("21", "11"));
    place.run(&["status"]).ends_with(0).and_says("finalized");
    place.run(&["tenants", "add", "beta"]).ends_with(0);
    assert_eq!((&*place.sum("acme"), &*place.sum("beta")), ("21", "21"));
    place.run(&["status"]).ends_with(0).and_says("finalized");
}

#[test]
fn nobody_is_removed_while_a_run_serves_them() {
    let place = counting().with_tenants(&["acme", "beta"]);
    let slow = Place::in_sql_of(
        "INSERT INTO counted WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000000)
         SELECT count(*), 'slow' FROM n;",
        "SELECT pg_sleep(60);",
    );
    place.write_step("tenants/002_slow.sql", slow.as_bytes());
    let mut host = Host::start(&place, &["migrate", "--parallel=1"]);
    host.until("step_started");
    place
        .run(&["tenants", "remove", "beta"])
        .ends_with(2)
        .and_says("is at work on this target (run 3)");
    host.kill();
    place.run(&["tenants", "remove", "beta"]).ends_with(0);
    assert_eq!(place.sum("beta"), "1");
}

/// Those that failed in the last run are still they.
#[test]
fn what_failed_is_not_forgotten_for_a_tenant_that_goes() {
    let place = counting().with_tenants(&["acme", "beta", "gamma"]);
    let fails = Place::in_sql_of(
        "INSERT INTO counted SELECT 10, '{schema}' WHERE '{schema}' <> 'gamma' UNION ALL SELECT abs(-9223372036854775807 - 1), 'x' WHERE '{schema}' <> 'acme';",
        "INSERT INTO {schema}.counted SELECT 10 / CASE '{schema}' WHEN 'acme' THEN 1 ELSE 0 END, '{schema}';",
    );
    place.write_step("tenants/002_add.sql", fails.as_bytes());
    place.run(&["migrate", "--parallel=1"]).ends_with(1);
    place.run(&["tenants", "remove", "gamma"]).ends_with(0);
    let list = place.run(&["tenants", "--json"]).ends_with(0).json();
    assert!(!list[1]["failure"].is_null(), "{list}");
    let status = place.run(&["status", "--json"]).json();
    assert_eq!(status["tenants"]["failed"], 1);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place
        .run(&[
            "migrate",
            "--parallel=1",
            "--only-failed",
            "--allow-changed",
        ])
        .ends_with(0);
    assert_eq!(place.sum("beta"), "11");
}

#[test]
fn a_row_of_the_application_s_own_list_that_names_nobody_is_refused() {
    let place = counting()
        .with_data(
            "CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('acme'), (NULL);",
        )
        .with_variable(
            "WASMIGRATE_TENANTS_SELECT",
            "SELECT name FROM customer ORDER BY name IS NULL",
        );
    for command in ["migrate", "status"] {
        place
            .run(&[command])
            .ends_with(2)
            .and_says("`tenants.select`")
            .and_says("its row 2 is NULL");
    }
    assert!(!place.has_table("wasmigrate_applied"));
}

#[test]
fn the_application_s_own_list_says_who_is_a_tenant() {
    let place = counting()
        .with_data(
            "CREATE TABLE customer (name TEXT PRIMARY KEY); INSERT INTO customer VALUES ('beta');",
        )
        .with_variable("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer")
        .with_variable(
            "WASMIGRATE_TENANTS_INSERT",
            "INSERT INTO customer VALUES ($1)",
        );
    if application::kind() == Kind::Postgres {
        place.connect().run("CREATE SCHEMA beta");
    }
    place.run(&["finalize"]).ends_with(0);
    place.run(&["tenants", "add", "acme"]).ends_with(0);
    place
        .run(&["tenants", "remove", "acme"])
        .ends_with(2)
        .and_says("`tenants.select`");
    let leave = || {
        place
            .connect()
            .run("DELETE FROM customer WHERE name = 'acme'")
    };
    leave();
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.run(&["finalize"]).ends_with(0);
    // It left without a word, and comes back.
    place.run(&["tenants", "add", "acme"]).ends_with(0);
    assert_eq!((&*place.sum("acme"), &*place.sum("beta")), ("11", "11"));
    leave();
    place.run(&["tenants", "remove", "acme"]).ends_with(0);
    drop_data(&place, "acme");
    place.run(&["verify"]).ends_with(0);
    place.run(&["tenants", "add", "acme"]).ends_with(0);
    assert_eq!((&*place.sum("acme"), &*place.sum("beta")), ("11", "11"));
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_service_removes_tenants_too() {
    let place = counting().with_tenants(&["acme", "müller"]);
    let service = Service::start(&place);
    let desk = Desk::of(&service);
    let removed = desk.run(&["tenants", "remove", "müller", "--json"]);
    let removed = removed.ends_with(0).json();
    assert_eq!(removed["name"], "müller");
    desk.run(&["tenants", "remove", "müller"])
        .ends_with(2)
        .and_says("there is no tenant `müller`");
    assert_eq!(place.sum("müller"), "1");
    let added = desk.run(&["tenants", "add", "müller", "--json"]);
    let added = added.ends_with(0).json();
    assert_eq!((&added["files"], &added["had"]), (&0.into(), &1.into()));
}

/// A file that was edited while nobody had it is another one for whoever had it.
mod postgres {
    use super::*;

    #[test]
    fn a_file_that_a_removed_tenant_has_is_not_another_one_in_silence() {
        let place = counting().with_tenants(&["acme"]);
        place.run(&["tenants", "remove", "acme"]).ends_with(0);
        place.write_step("tenants/001_begin.sql", b"SELECT 1;");
        place
            .run(&["tenants", "add", "beta"])
            .ends_with(2)
            .and_says("tenants/001_begin.sql");
    }

    /// SQLite runs nothing outside a transaction that could fail halfway.
    #[test]
    fn a_tenant_for_which_something_is_half_done_stays() {
        let place = counting().with_tenants(&["acme", "beta"]);
        let write = |script: &str| {
            let script = format!("-- wasmigrate:no-transaction\n{script}");
            place.write_step("tenants/002_fails.sql", script.as_bytes());
        };
        write("INSERT INTO {schema}.counted VALUES (NULL, '{schema}');");
        place.run(&["migrate", "--parallel=1"]).ends_with(1);
        place
            .run(&["tenants", "remove", "acme"])
            .ends_with(2)
            .and_says("`tenants/002_fails.sql` was begun for `acme`")
            .and_says("nothing was changed");
        write("VACUUM;");
        place
            .run(&["migrate", "--parallel=1", "--allow-changed"])
            .ends_with(0);
        place.run(&["tenants", "remove", "acme"]).ends_with(0);
    }
}
