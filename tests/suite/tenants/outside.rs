//! Files of tenants that run outside a transaction: what is half done has a way out, and the journal tells what ran when.

use super::{ADD, Tenants as _, counting};
use crate::place::Place;

/// On SQLite nothing that runs so can be half done.
mod postgres {
    use super::*;

    const MIGRATE: [&str; 3] = ["migrate", "--parallel", "2"];

    fn write(place: &Place, sql: &str) {
        let sql = format!("-- wasmigrate:no-transaction\n{sql}");
        place.write_step("tenants/002_outside.sql", sql.as_bytes());
    }

    /// A file that fails for all but `acme`, which has the table that it needs.
    fn half_done() -> Place {
        let place = counting().with_tenants(&["acme", "beta"]);
        place
            .of_tenant("acme")
            .run("CREATE TABLE needed (id INTEGER)");
        write(&place, "INSERT INTO {schema}.needed VALUES (1);");
        place.run(&MIGRATE).ends_with(1);
        place
    }

    #[test]
    fn the_journal_has_the_file_that_came_to_its_end() {
        let place = counting().with_tenants(&["acme", "beta"]);
        write(&place, "SELECT * FROM nowhere;");
        place.run(&MIGRATE).ends_with(1);
        write(&place, "SELECT 2;");
        place
            .run(&MIGRATE)
            .ends_with(2)
            .and_says("has changed since it was begun")
            .and_says("--allow-changed");
        place
            .run(&[
                "repair",
                "--accept",
                "tenants/002_outside.sql",
                "--reason",
                "why",
            ])
            .ends_with(2)
            .and_says("--allow-changed");
        place
            .run(&[&MIGRATE[..], &["--allow-changed"]].concat())
            .ends_with(0);
        place.run(&["verify"]).ends_with(0);
        place.run(&["finalize"]).ends_with(0);
        write(&place, "SELECT * FROM nowhere;");
        place
            .run(&["verify"])
            .ends_with(2)
            .and_says("tenants/002_outside.sql");
        place.run(&["migrate"]).ends_with(2).and_says(
            "1 migration has changed since it was applied: tenants/002_outside.sql; restore it",
        );
    }

    #[test]
    fn the_journal_keeps_the_file_that_came_to_its_end_for_somebody() {
        let place = half_done();
        write(&place, "SELECT 2;");
        place
            .run(&[&MIGRATE[..], &["--allow-changed"]].concat())
            .ends_with(0);
        place
            .run(&["verify"])
            .ends_with(2)
            .and_says("tenants/002_outside.sql");
        write(&place, "INSERT INTO {schema}.needed VALUES (1);");
        place.run(&["verify"]).ends_with(0);
    }

    #[test]
    fn a_tenant_that_nobody_can_help_any_more_is_removed() {
        let place = half_done();
        std::fs::remove_file(place.step("tenants/002_outside.sql")).unwrap();
        place
            .run(&[
                "repair",
                "--remove",
                "tenants/002_outside.sql",
                "--reason",
                "why",
            ])
            .ends_with(0);
        place.run(&["tenants", "remove", "beta"]).ends_with(0);
        place.run(&["verify"]).ends_with(0);
    }

    #[test]
    fn a_tenant_that_left_the_application_s_list_half_done_is_forgotten() {
        let place = counting()
            .with_data(
                "CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('acme'), ('beta')",
            )
            .with_data("CREATE SCHEMA acme; CREATE SCHEMA beta")
            .with_variable("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer");
        write(
            &place,
            "SELECT 1 / (length('{schema}') - length('{schema}'));",
        );
        place.run(&["migrate", "--parallel", "1"]).ends_with(1);
        place
            .connect()
            .run("DELETE FROM customer WHERE name = 'beta'; DROP SCHEMA beta CASCADE");
        write(&place, "SELECT 1;");
        place
            .run(&[&MIGRATE[..], &["--allow-changed"]].concat())
            .ends_with(0);
        place.run(&["tenants", "remove", "beta"]).ends_with(0);
        place.run(&["verify"]).ends_with(0);
        // It comes back as one for whom nothing was begun.
        place
            .connect()
            .run("INSERT INTO customer VALUES ('beta'); CREATE SCHEMA beta");
        place
            .run(&["tenants", "remove", "beta"])
            .ends_with(2)
            .and_says("has the tenant `beta`");
    }

    #[test]
    fn a_changed_file_is_not_accepted_while_it_is_half_done_for_one_who_left() {
        let place = counting()
            .with_data("CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('acme')")
            .with_data("CREATE SCHEMA acme")
            .with_variable("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer");
        write(&place, "SELECT * FROM nowhere;");
        place.run(&MIGRATE).ends_with(1);
        place.connect().run("DELETE FROM customer");
        write(&place, "SELECT 2;");
        let accept = [
            "repair",
            "--accept",
            "tenants/002_outside.sql",
            "--reason",
            "why",
        ];
        place
            .run(&accept)
            .ends_with(2)
            .and_says("was begun for a tenant");
        place.run(&["tenants", "remove", "acme"]).ends_with(0);
        place.run(&["status"]).ends_with(0);
        place.run(&["repair"]).ends_with(0);
    }

    #[test]
    fn the_history_names_the_run_that_came_to_the_end() {
        let place = half_done();
        place
            .of_tenant("beta")
            .run("CREATE TABLE needed (id INTEGER)");
        place.run(&MIGRATE).ends_with(0);
        let history = place.run(&["history", "--json"]).ends_with(0).json();
        let runs = history.as_array().unwrap();
        let migrated = |place: usize| &runs[place]["files"][0]["migrated"];
        assert_eq!(
            (migrated(0), migrated(1)),
            (&1.into(), &1.into()),
            "{history}"
        );
    }
}

/// A file that cannot be in a transaction, on each database.
const OUTSIDE: (&str, &str) = (
    "-- wasmigrate:no-transaction\nVACUUM;",
    "-- wasmigrate:no-transaction\nCREATE INDEX CONCURRENTLY by_value ON {schema}.counted (value);",
);

#[test]
fn a_new_tenant_gets_it_too() {
    let place = counting();
    let outside = Place::in_sql_of(OUTSIDE.0, OUTSIDE.1);
    place.write_step("tenants/002_outside.sql", outside.as_bytes());
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place
        .run(&["tenants", "add", "acme"])
        .ends_with(0)
        .and_says("applied 3 files");
    assert_eq!(place.sum("acme"), "11");
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("state   finalized");
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_new_tenant_that_fails_beside_it_is_added_and_goes_on() {
    let place = counting();
    let outside = Place::in_sql_of(OUTSIDE.0, OUTSIDE.1);
    place.write_step("tenants/002_outside.sql", outside.as_bytes());
    place.write_step(
        "tenants/003_add.sql",
        b"INSERT INTO {schema}.missing VALUES (1);",
    );
    place
        .run(&["tenants", "add", "acme"])
        .ends_with(1)
        .and_says("missing")
        .and_says("`acme` is added")
        .and_says("wasmigrate migrate --parallel 1");
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place.run(&["migrate", "--parallel", "1"]).ends_with(0);
    assert_eq!(place.sum("acme"), "11");
}
