//! Tenants that come while files wait for their finalize: the order of the files is the same for them.

use super::{Tenants as _, counting};
use crate::place::Place;

/// A file for the target that has migrated 1 and finalizes 2, and one for tenants after it whose finalize counts what it finds. On
/// SQLite a tenant cannot read the target: there a file after it counts 2.
fn migrated() -> Place {
    let place = counting().with_tenants(&["acme"]);
    place.write_step(
        "single/002_shared.sql",
        b"-- wasmigrate:migrate
CREATE TABLE shared (value INTEGER); INSERT INTO shared VALUES (1);
-- wasmigrate:finalize
UPDATE shared SET value = 2;
-- wasmigrate:reset
DROP TABLE shared;",
    );
    let finalize = Place::in_sql_of(
        "INSERT INTO counted VALUES (2, 'late');",
        "INSERT INTO {schema}.counted SELECT value, 'late' FROM shared;",
    );
    place.write_step(
        "tenants/003_reads.sql",
        format!(
            "-- wasmigrate:migrate\nINSERT INTO {{schema}}.counted VALUES (10, 'x');\n-- wasmigrate:finalize\n{finalize}\n\
             -- wasmigrate:reset\nDELETE FROM {{schema}}.counted WHERE value = 10;\n"
        )
        .as_bytes(),
    );
    place.run(&["migrate"]).ends_with(0);
    place
}

#[test]
fn what_waits_for_a_file_for_the_target_is_migrated_for_a_new_tenant_and_not_finalized() {
    let place = migrated().with_tenants(&["late"]);
    let status = place.run(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["state"], "finalization_required", "{status}");
    let tenants = place.run(&["tenants", "--json"]).json();
    let unfinalized = |number: usize| &tenants[number]["unfinalized"];
    assert_eq!((unfinalized(0), unfinalized(1)), (&1.into(), &1.into()));
    assert_eq!(
        (place.sum("acme"), place.sum("late")),
        ("11".to_owned(), "11".to_owned())
    );
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        (place.sum("acme"), place.sum("late")),
        ("13".to_owned(), "13".to_owned())
    );
}

#[test]
fn a_reset_undoes_the_same_for_a_new_tenant() {
    let place = migrated().with_tenants(&["late"]);
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("shared"));
    assert_eq!(
        (place.sum("acme"), place.sum("late")),
        ("1".to_owned(), "1".to_owned())
    );
}

/// As it was left by versions that finalized all for a new tenant.
#[test]
fn nothing_is_undone_under_what_is_final_for_a_tenant() {
    let place = migrated().with_tenants(&["late"]);
    let mut journal = match crate::application::kind() {
        crate::application::Kind::Sqlite => place.of_tenant("late"),
        crate::application::Kind::Postgres => place.connect(),
    };
    journal.run(
        "UPDATE wasmigrate_applied SET state = 'finalized', finalized_at = 1, finalized_by = run WHERE tenant = 'late'",
    );
    let before = place.content();
    for how in [
        &["reset"][..],
        &["reset", "--parallel", "2"],
        &["reset", "--to", "1"],
    ] {
        place
            .run(how)
            .ends_with(2)
            .and_says("tenants/003_reads.sql")
            .and_says("is finalized");
    }
    assert_eq!(place.content(), before);
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn a_tenant_that_came_while_a_run_went_on_is_not_passed_over_in_silence() {
    for how in ["--atomic", "--parallel=2"] {
        let place = counting()
            .with_data("CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('acme')")
            .with_variable("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer");
        if crate::application::kind() == crate::application::Kind::Postgres {
            place
                .connect()
                .run("CREATE SCHEMA acme; CREATE SCHEMA beta");
        }
        place.write_step(
            "single/002_registers.sql",
            b"INSERT INTO customer VALUES ('beta');",
        );
        place
            .run(&["finalize", how])
            .ends_with(1)
            .and_says("1 tenant came while it ran")
            .and_says("migration_required");
        place.run(&["finalize", how]).ends_with(0);
        assert_eq!(place.sum("beta"), "1", "{how}");
    }
}
