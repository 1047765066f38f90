//! Tenants beside each other.

use super::{ADD, Tenants as _, counting, first, names, register};
use crate::place::Place;

/// Fails for one of the tenants.
const FAILS_FOR_BETA: &str = "CREATE TABLE {schema}.extra (name TEXT CHECK (name <> 'beta'));
     INSERT INTO {schema}.extra VALUES ('{schema}');";

fn with_failure() -> Place {
    let place = counting().with_tenants(&["acme", "beta", "gamma"]);
    place.write_step("tenants/002_extra.sql", FAILS_FOR_BETA.as_bytes());
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place
}

fn sums(place: &Place) -> [String; 3] {
    ["acme", "beta", "gamma"].map(|tenant| place.sum(tenant))
}

#[test]
fn a_tenant_that_fails_leaves_the_others_alone() {
    let place = with_failure();
    place
        .run(&["finalize", "--parallel", "2"])
        .ends_with(1)
        .and_says("1 of 3 tenants failed; the first was `beta`");
    assert_eq!(sums(&place), ["11", "1", "11"]);
    place
        .run(&["status"])
        .and_says("2 up to date, 1 behind, 1 failed")
        .and_says("beta");
    place.write_step("tenants/002_extra.sql", FAILS_FOR_BETA.as_bytes());
    place
        .run(&["history"])
        .and_says("002_extra.sql for beta  migrate failed");
}

#[test]
fn the_settings_say_that_tenants_are_run_beside_each_other() {
    let place = with_failure().with_variable("WASMIGRATE_TENANTS_PARALLEL", "2");
    let run = place.run(&["finalize", "--atomic"]).ends_with(1);
    assert!(!run.stderr.contains("of 3 tenants failed"), "{run:#?}");
    assert_eq!(sums(&place), ["1", "1", "1"]);
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("1 of 3 tenants failed");
    assert_eq!(sums(&place), ["11", "1", "11"]);
}

#[test]
fn only_the_failed_are_run_again() {
    let place = with_failure();
    place.run(&["migrate", "--parallel", "2"]).ends_with(1);
    // Nobody else lacks anything; were they run, they would get it now.
    place.write_step("tenants/004_add.sql", ADD.as_bytes());
    let again = place.run(&["migrate", "--only-failed"]).ends_with(1);
    assert!(!again.stdout.contains("for acme"), "{again:#?}");
    assert_eq!(sums(&place), ["11", "1", "11"]);
    place.run(&["migrate", "--parallel", "2"]).ends_with(1);
    assert_eq!(sums(&place), ["21", "1", "21"]);
}

#[test]
fn no_other_begins_when_a_canary_fails() {
    let place = with_failure();
    place
        .run(&["finalize", "--parallel", "4", "--canary", "beta"])
        .ends_with(1)
        .and_says("canary");
    assert_eq!(sums(&place), ["1", "1", "1"]);
    place
        .run(&["finalize", "--parallel", "4", "--canary", "acme"])
        .ends_with(1);
    assert_eq!(sums(&place), ["11", "1", "11"]);
    place
        .run(&["finalize", "--canary", "nobody"])
        .ends_with(2)
        .and_says("there is no tenant `nobody`");
}

#[test]
fn a_canary_that_nobody_knows_is_told_even_when_there_is_nothing_to_do() {
    let place = counting().with_tenants(&["acme"]);
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["finalize", "--parallel", "1", "--canary", "nobody"])
        .ends_with(2)
        .and_says("there is no tenant `nobody`");
}

#[test]
fn no_further_one_begins_when_too_many_failed() {
    let place = counting();
    let names = names(12);
    register(&place, &names);
    place.run(&["finalize"]).ends_with(0);
    place.write_step(
        "tenants/002_fails.sql",
        b"INSERT INTO {schema}.nowhere VALUES (1);",
    );
    place
        .run(&["finalize", "--parallel", "1", "--stop-after", "3"])
        .ends_with(1)
        .and_says("3 of 12 tenants failed");
    assert_eq!(
        place.one::<u32>("SELECT count(*) FROM wasmigrate_failure"),
        3
    );
}

#[test]
fn all_of_many_tenants_are_served_by_few_workers() {
    let place = counting();
    let names = names(40);
    register(&place, &names);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.run(&["finalize", "--parallel", "3"]).ends_with(0);
    for name in &names {
        assert_eq!(place.sum(name), "11", "{name}");
    }
    place
        .run(&["finalize", "--parallel", "3"])
        .and_says("nothing to do");
}

#[test]
fn a_file_for_the_target_waits_for_all_before_it() {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.write_step("single/003.sql", b"CREATE TABLE here (value INTEGER);");
    place.write_step("tenants/004_add.sql", ADD.as_bytes());
    let said = place.run(&["migrate", "--parallel", "2"]).ends_with(0);
    let at = |text: &str| {
        said.stdout
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {said:#?}"))
    };
    for tenant in ["acme", "beta"] {
        assert!(at(&format!("002_add.sql for {tenant}")) < at("single/003.sql"));
        assert!(at("single/003.sql") < at(&format!("004_add.sql for {tenant}")));
    }
    assert!(place.has_table("here"));
}

mod postgres {
    use super::super::target;
    use super::*;

    #[test]
    fn a_file_outside_a_transaction_is_run_for_each_tenant() {
        let place = counting().with_tenants(&["acme", "beta"]);
        place.write_step(
            "tenants/002_outside.sql",
            b"-- wasmigrate:no-transaction\nCREATE INDEX CONCURRENTLY counted_value ON {schema}.counted (value);",
        );
        place.run(&["finalize", "--parallel", "2"]).ends_with(0);
        let indexes = "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                       WHERE relname = 'counted_value' AND indisvalid";
        assert_eq!(place.one::<u32>(indexes), 2);
        place.run(&["finalize"]).and_says("nothing to do");
    }

    #[test]
    fn a_file_outside_a_transaction_is_tried_again_in_the_same_run() {
        let place = target()
            .with_sql("tenants/001.sql", "CREATE SEQUENCE {schema}.tries;")
            .with_tenants(&["acme"]);
        place.write_step(
            "tenants/002_outside.sql",
            b"-- wasmigrate:no-transaction
DO $$ BEGIN
    IF nextval('{schema}.tries') = 1 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END IF;
END $$;",
        );
        place
            .run(&["finalize", "--parallel", "1"])
            .ends_with(0)
            .and_says("not now");
        assert_eq!(place.one::<i64>("SELECT last_value FROM acme.tries"), 2);
    }

    #[test]
    fn an_invalid_index_that_a_file_left_is_named_and_does_not_pass_for_done() {
        let place = counting().with_tenants(&["acme", "beta", "a-b"]);
        for tenant in ["beta", "a-b"] {
            place
                .of_tenant(tenant)
                .run("INSERT INTO counted VALUES (1, 'again')");
        }
        place.write_step(
            "tenants/002_index.sql",
            b"-- wasmigrate:no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS by_value ON {schema}.counted (value);",
        );
        let finalize = ["finalize", "--parallel", "1"];
        place
            .run(&finalize)
            .ends_with(1)
            .and_says("2 of 3 tenants failed")
            .and_says("it left an invalid index behind")
            .and_says("before the next try: DROP INDEX CONCURRENTLY \"a-b\".by_value");
        // Now it is there already, and the statement passes it over.
        place
            .run(&finalize)
            .ends_with(1)
            .and_says("2 of 3 tenants failed")
            .and_says("it left an invalid index behind");
        for (tenant, schema) in [("beta", "beta"), ("a-b", "\"a-b\"")] {
            let mut application = place.of_tenant(tenant);
            application.run("DELETE FROM counted WHERE who = 'again'");
            application.run(&format!("DROP INDEX CONCURRENTLY {schema}.by_value"));
        }
        place.run(&finalize).ends_with(0);
        let valid = "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                     WHERE relname = 'by_value' AND indisvalid";
        assert_eq!(place.one::<u32>(valid), 3);
    }

    #[test]
    fn what_one_file_sets_in_the_session_is_gone_in_the_next() {
        let place = counting().with_tenants(&["acme"]);
        place.write_step(
            "tenants/002_set.sql",
            b"SET search_path = {schema}; SET work_mem = '77MB'; CREATE TEMP TABLE left_over (value INTEGER);",
        );
        place.write_step(
            "tenants/003_look.sql",
            b"INSERT INTO {schema}.counted SELECT 100, current_setting('search_path') || current_setting('work_mem')
              || coalesce(to_regclass('pg_temp.left_over')::text, '');",
        );
        place.run(&["finalize"]).ends_with(0);
        let seen = first(
            &mut place.of_tenant("acme"),
            "SELECT who FROM counted WHERE value = 100",
        );
        assert!(
            !seen.contains("acme") && !seen.contains("77MB") && !seen.contains("left_over"),
            "{seen}"
        );
    }
}
