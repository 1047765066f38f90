//! A run that is one transaction and is tried again begins anew: what the try before did is rolled back first.

use super::{Tenants as _, counting, target};
use crate::hosts::host::Host;
use crate::place::Place;

/// Two tenants, and a file that fails for `beta` as long as somebody reads its table.
fn place() -> Place {
    let place = counting()
        .with_tenants(&["acme", "beta"])
        .with_variable("WASMIGRATE_LOCK_WAIT_SECONDS", "1")
        .with_variable("WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS", "300");
    place.connect().run("CREATE TABLE shared (value INTEGER)");
    place.write_step("single/002_shared.sql", b"INSERT INTO shared VALUES (1);");
    place.write_step(
        "tenants/003_add.sql",
        b"INSERT INTO {schema}.counted VALUES (10, '{schema}'); ALTER TABLE {schema}.counted ADD COLUMN extra INTEGER;",
    );
    place
}

/// A script that always says that it may pass.
const LATER: &[u8] =
    b"export function migrate() { throw Object.assign(new Error('not now'), { retryable: true }); }";

/// Runs all in one transaction, which is tried three times and in vain.
fn fails_three_times(place: &Place) {
    let said = place
        .run(&["migrate", "--atomic"])
        .ends_with(1)
        .and_says("not now");
    let again = (said.stdout.clone() + &said.stderr)
        .matches("is tried again")
        .count();
    assert_eq!(again, 2, "{said:#?}");
}

#[test]
fn whatever_was_done_before_a_lock_was_waited_for_in_vain_is_done_once() {
    for command in ["migrate", "finalize"] {
        let place = place();
        let mut application = place.of_tenant("beta");
        application.run(Place::in_sql_of(
            "BEGIN IMMEDIATE",
            "BEGIN; SELECT * FROM counted",
        ));
        let mut host = Host::start(&place, &[command, "--atomic"]);
        host.until("retrying");
        application.run("COMMIT");
        host.end().ends_with(0);
        assert_eq!(place.texts("SELECT value FROM shared"), ["1"], "{command}");
        for tenant in ["acme", "beta"] {
            assert_eq!(place.sum(tenant), "11", "{command} {tenant}");
        }
    }
}

#[test]
fn a_file_that_says_that_it_may_pass_is_tried_as_often_as_ever_and_leaves_nothing() {
    let place = place();
    place.write_step(
        "tenants/004_later.js",
        b"export function migrate(db) {
            db.execute(\"INSERT INTO counted (value, who) VALUES (100, 'later')\");
            throw Object.assign(new Error('not now'), { retryable: true });
        }",
    );
    fails_three_times(&place);
    assert_eq!(place.sum("acme"), "1");
    let failures = "SELECT count(*) FROM wasmigrate_failure WHERE error LIKE '%not now%'";
    assert_eq!(place.one::<u32>(failures), 3);
}

#[test]
fn a_new_tenant_whose_file_may_pass_is_told_that_and_nothing_of_its_schema() {
    let place = target();
    place.write_step("tenants/001_later.js", LATER);
    let said = place
        .run(&["tenants", "add", "acme"])
        .ends_with(1)
        .and_says("not now");
    assert!(!said.stderr.contains("exists already"), "{said:#?}");
}

#[test]
fn files_without_tenants_in_one_transaction_are_tried_again_from_the_first() {
    let place = Place::new().with_variable("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", "single");
    std::fs::create_dir(place.path().join("migrations/single")).unwrap();
    place.write_step("single/001.sql", b"CREATE TABLE one (value INTEGER);");
    place.write_step("single/002_later.js", LATER);
    fails_three_times(&place);
    assert!(!place.has_table("one"));
}
