//! Which tenants have failed is known as long as nobody has brought them further, whatever runs there were since.

use super::{ADD, Tenants as _, counting};
use crate::hosts::host::Host;
use crate::place::Place;

const ONLY_FAILED: [&str; 4] = ["finalize", "--parallel", "2", "--only-failed"];

/// Three tenants, and a file whose finalize has failed for `bravo` and `charlie`, who have a table of its name.
fn failed() -> Place {
    let place = counting().with_tenants(&["acme", "bravo", "charlie"]);
    for tenant in ["bravo", "charlie"] {
        place
            .of_tenant(tenant)
            .run("CREATE TABLE extra (id INTEGER)");
    }
    place.write_step(
        "tenants/002_extra.sql",
        format!(
            "-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\nCREATE TABLE {{schema}}.extra (id INTEGER);\n{ADD}"
        )
        .as_bytes(),
    );
    let said = place.run(&["finalize", "--parallel", "2"]).ends_with(1);
    said.and_says("2 of 3 tenants failed");
    place
}

fn fix(place: &Place) {
    for tenant in ["bravo", "charlie"] {
        place.of_tenant(tenant).run("DROP TABLE IF EXISTS extra");
    }
}

fn is_failed(place: &Place, failed: u64) {
    let status = place.run(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["state"], "finalization_failed", "{status}");
    assert_eq!(status["tenants"]["failed"], failed, "{status}");
    let listed = status["tenant_list"].as_array().unwrap();
    let reasons = listed.iter().filter(|tenant| !tenant["failure"].is_null());
    assert_eq!(reasons.count() as u64, failed, "{status}");
    let migrate = place.run(&["migrate", "--parallel", "2"]).ends_with(2);
    migrate.and_says("the last finalize failed");
}

#[test]
fn a_tenant_that_was_reset_has_not_failed_though_the_reset_of_another_has() {
    let place = counting().with_tenants(&["acme", "bravo"]);
    let first = |undo: &str| {
        let sql = format!("-- wasmigrate:migrate\n{ADD}\n-- wasmigrate:reset\n{undo}");
        place.write_step("tenants/002_add.sql", sql.as_bytes());
    };
    // It can be undone for one of them.
    first("INSERT INTO {schema}.counted SELECT -10, NULLIF('{schema}', 'bravo');");
    place.write_step(
        "tenants/003_fails.sql",
        b"INSERT INTO {schema}.counted VALUES (1, NULL);",
    );
    place.run(&["migrate", "--parallel", "2"]).ends_with(1);
    place.run(&["status"]).and_says("2 failed");
    place.run(&["reset", "--parallel", "2"]).ends_with(1);
    assert_eq!(
        (place.sum("acme"), place.sum("bravo")),
        ("1".to_owned(), "11".to_owned())
    );
    place.run(&["status"]).and_says("1 failed");
}

#[test]
fn they_are_known_after_a_tenant_came_or_went() {
    let place = failed();
    place.run(&["tenants", "add", "zoe"]).ends_with(0);
    is_failed(&place, 2);
    place.run(&["tenants", "remove", "charlie"]).ends_with(0);
    is_failed(&place, 1);
    fix(&place);
    place.run(&ONLY_FAILED).ends_with(0).and_says("for bravo");
    assert_eq!(place.sum("bravo"), "11");
    place
        .run(&ONLY_FAILED)
        .ends_with(0)
        .and_says("nothing to do");
    let status = place.run(&["status", "--json"]).json();
    assert_eq!(status["state"], "finalized");
}

#[test]
fn they_are_known_after_a_run_that_did_not_come_to_them() {
    let place = failed();
    place
        .run(&[&ONLY_FAILED[..], &["--stop-after", "1"]].concat())
        .ends_with(1);
    let mut host = Host::start(&place, &ONLY_FAILED);
    host.until("run_started");
    host.kill();
    fix(&place);
    place.run(&ONLY_FAILED).ends_with(0);
    for tenant in ["acme", "bravo", "charlie"] {
        assert_eq!(place.sum(tenant), "11", "{tenant}");
    }
    place.run(&["status"]).and_says("state   finalized");
}

#[test]
fn what_was_cancelled_has_not_failed() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step(
        "tenants/002_endless.js",
        b"export function migrate() { for (;;); }",
    );
    let mut host = Host::start(&place, &["migrate", "--parallel", "1"]);
    host.until("step_started");
    host.interrupt();
    host.end().ends_with(1);
    let status = place.run(&["status", "--json"]).json();
    assert_eq!(status["tenants"]["failed"], 0, "{status}");
    assert!(status["tenant_list"][0]["failure"].is_null(), "{status}");
}

mod postgres {
    use super::*;

    #[test]
    fn they_are_known_after_a_run_that_was_refused() {
        let place = counting().with_tenants(&["acme", "bravo"]);
        place.write_step(
            "tenants/002_outside.sql",
            b"-- wasmigrate:no-transaction\nCREATE INDEX by_extra ON {schema}.counted (extra);",
        );
        place
            .of_tenant("acme")
            .run("ALTER TABLE counted ADD COLUMN extra INTEGER");
        place.run(&["migrate", "--parallel", "2"]).ends_with(1);
        place.run(&["migrate"]).ends_with(2).and_says("--parallel");
        place
            .of_tenant("bravo")
            .run("ALTER TABLE counted ADD COLUMN extra INTEGER");
        place
            .run(&["migrate", "--parallel", "1", "--only-failed"])
            .ends_with(0)
            .and_says("for bravo");
        place.run(&["migrate"]).and_says("nothing to do");
    }
}
