//! Schemas that another user makes under a name of the search path: steps do not work in them.

use serde_json::json;

use super::others::Guest;
use crate::hosts::host::until;
use crate::place::{Place, Said};
use crate::service::process::Service;

/// What waits until a condition holds.
fn wait_until(condition: &str) -> String {
    format!(
        "DO $$ BEGIN FOR try IN 1..2000 LOOP EXIT WHEN {condition}; PERFORM pg_sleep(0.01); END LOOP; END $$;"
    )
}

const IS_THERE: &str = "EXISTS (SELECT FROM pg_namespace WHERE nspname = 'app')";

/// A schema that is called like the host's role, with a table that runs something for whoever writes to it.
fn trap() -> String {
    "CREATE SCHEMA app; GRANT ALL ON SCHEMA app TO PUBLIC;
     CREATE TABLE app.customer (id INTEGER); GRANT ALL ON app.customer TO PUBLIC;
     CREATE FUNCTION app.raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         UPDATE public.salary SET amount = 1000000; RETURN NEW; END $$;
     CREATE TRIGGER raise BEFORE INSERT ON app.customer FOR EACH ROW EXECUTE FUNCTION app.raise()"
        .to_owned()
}

fn along(place: &Place, path: &str) -> String {
    format!("{}?options=-csearch_path%3D{path}", place.url())
}

#[test]
fn a_schema_that_is_made_while_a_step_runs_is_not_in_its_search_path() {
    for (number, first_line) in ["", "-- wasmigrate:no-transaction\n"]
        .into_iter()
        .enumerate()
    {
        let guest = Guest::called(&format!("slips_in_{number}"));
        guest
            .place
            .connect()
            .run("CREATE TABLE customer (id INTEGER)");
        guest.place.run(&["migrate"]).ends_with(0);
        let step = format!(
            "{first_line}{}\nSET search_path TO DEFAULT;\nRESET search_path;\nINSERT INTO customer VALUES (2);\n{}",
            wait_until(IS_THERE),
            wait_until(&format!("NOT {IS_THERE}"))
        );
        guest.place.write_step("0002_step.sql", step.as_bytes());
        let host = guest.place.start(&["migrate"]);
        let mut superuser = guest.place.connect_as_superuser();
        let mut until_it_waits = |condition: &str| {
            let waits = format!(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
                 AND query LIKE '%EXIT WHEN {condition}%' AND pid <> pg_backend_pid()"
            );
            until("the step waits", || !superuser.rows(&waits).is_empty());
        };
        until_it_waits("EXISTS");
        guest.runs(&trap());
        until_it_waits("NOT EXISTS");
        guest.runs("ALTER SCHEMA app RENAME TO gone");
        Said::from(host.wait_with_output().unwrap()).ends_with(0);
        guest.has_gained_nothing();
        assert_eq!(guest.place.texts("SELECT id FROM public.customer"), ["2"]);
    }
}

#[test]
fn a_service_looks_at_the_search_path_before_each_run() {
    let guest = Guest::called("waits_for_it");
    guest
        .place
        .connect()
        .run("CREATE TABLE customer (id INTEGER)");
    let service = Service::start(&guest.place);
    service.does("migrate");
    guest.runs(&trap());
    let step = format!(
        "INSERT INTO customer VALUES (2);\n{}",
        wait_until(&format!("NOT {IS_THERE}"))
    );
    guest.place.write_step("0002_b.sql", step.as_bytes());
    let answer = service.post("/api/v1/runs", &json!({ "command": "migrate" }));
    guest.has_gained_nothing();
    assert_eq!(answer.status, 503, "{answer:?}");
    guest.runs("ALTER SCHEMA app RENAME TO gone");
    service.does("migrate");
    guest.has_gained_nothing();
    assert_eq!(guest.place.texts("SELECT id FROM public.customer"), ["2"]);
}

/// What comes into the search path of a service that is up is found by its next run.
#[test]
fn a_schema_of_the_roles_own_is_found_by_the_next_run() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    let url = along(&place, "public,%22%24user%22,more");
    let service = Service::start_with(&place, &["--database", &url]);
    service.does("migrate");
    place
        .connect()
        .run("CREATE SCHEMA app; CREATE TABLE app.own (id INTEGER)");
    // What is named may be made on the way.
    place.write_step(
        "0002_b.sql",
        b"INSERT INTO own VALUES (1); CREATE SCHEMA more; CREATE TABLE more.named (id INTEGER);",
    );
    place.write_step("0003_c.sql", b"INSERT INTO named VALUES (1);");
    service.does("migrate");
    assert_eq!(place.texts("SELECT id FROM app.own"), ["1"]);
}

#[test]
fn a_schema_of_another_user_is_migrated_only_if_it_is_named() {
    let guest = Guest::called("offers");
    guest.runs("CREATE SCHEMA app; GRANT ALL ON SCHEMA app TO PUBLIC");
    guest.is_refused(
        &["status", "plan", "migrate"],
        &[
            "the schema app comes first in the search path only because it has the role's name",
            "it belongs to the role",
            "options=-csearch_path%3Dapp",
        ],
    );
    let migrate = |path: &str| {
        guest
            .place
            .run(&["migrate", "--database", &along(&guest.place, path)])
    };
    migrate("app").ends_with(0).and_says(", schema app");
    migrate("public").ends_with(0).and_says(", schema public");
    // Whose members the host's role is, that one is trusted.
    let guest = Guest::called("is_trusted");
    guest.runs("CREATE SCHEMA app; GRANT ALL ON SCHEMA app TO PUBLIC");
    guest
        .place
        .connect_as_superuser()
        .run(&format!("GRANT {} TO app", guest.name));
    guest
        .place
        .run(&["migrate"])
        .ends_with(0)
        .and_says(", schema app");
}

/// A schema that nobody has named and that is not the migrated one.
#[test]
fn a_schema_of_another_user_after_the_migrated_one_is_left_out() {
    let guest = Guest::called("comes_later");
    guest.runs(&trap());
    guest
        .place
        .write_step("0001_a.sql", b"INSERT INTO customer VALUES (1);");
    let url = along(&guest.place, "public,%22%24user%22");
    guest
        .place
        .run(&["migrate", "--database", &url])
        .ends_with(1)
        .and_says("relation \"customer\" does not exist");
    guest.has_gained_nothing();
}
