//! The schema in which steps work stays the one of which the journal says what was done.

use serde_json::json;
use wasmigrate_test_server::{Cluster, Durability};

use crate::place::Place;
use crate::service::process::Service;

/// The schemas with tables of steps.
const TABLES: &str = "SELECT schemaname || '.' || tablename FROM pg_tables
    WHERE tablename IN ('a', 'b') ORDER BY 1";

fn migrated() -> Place {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says(", schema public");
    place.with_sql("0002_b.sql", "CREATE TABLE b (c INTEGER);")
}

fn along(place: &Place, path: &str) -> String {
    format!("{}?options=-csearch_path%3D{path}", place.url())
}

#[test]
fn another_schema_before_the_migrated_one_is_refused_with_both_ways_on() {
    let place = migrated().with_data("CREATE SCHEMA x");
    for command in ["migrate", "finalize", "reset", "status", "plan"] {
        place
            .run(&[command, "--database", &along(&place, "x,public")])
            .ends_with(2)
            .and_says("x comes before it in the search path now")
            .and_says("to go on with public, put `options=-csearch_path%3Dpublic`")
            .and_says("`options=-csearch_path%3Dx`");
    }
    assert_eq!(place.texts(TABLES), ["public.a"]);
    // Both ways lead on, and then the order of the path says which is meant.
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["migrate", "--database", &along(&place, "x")])
        .ends_with(0)
        .and_says(", schema x");
    place
        .run(&["finalize", "--database", &along(&place, "x,public")])
        .ends_with(0)
        .and_says(", schema x");
    assert_eq!(place.texts(TABLES), ["public.a", "public.b", "x.a", "x.b"]);
}

/// `"$user"` begins to exist.
#[test]
fn a_schema_that_is_called_like_the_role_is_no_other_target_in_silence() {
    let place = migrated();
    let service = Service::start(&place);
    assert_eq!(service.state(), "migration_required");
    place.connect().run("CREATE SCHEMA app");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("app comes before it in the search path now");
    // A host that has looked before looks again.
    let answer = service.post("/api/v1/runs", &json!({ "command": "migrate" }));
    assert_eq!(answer.status, 503, "{answer:?}");
    let detail = answer.json()["detail"].take();
    let says = |words: &str| detail.as_str().unwrap().contains(words);
    assert!(
        says("app comes before it in the search path now"),
        "{detail}"
    );
    assert_eq!(place.texts(TABLES), ["public.a"]);
    place
        .run(&["migrate", "--database", &along(&place, "public")])
        .ends_with(0);
    assert_eq!(place.texts(TABLES), ["public.a", "public.b"]);
}

#[test]
fn a_step_does_not_send_later_steps_to_another_schema() {
    let place = Place::new()
        .with_sql("0001_schema.sql", "CREATE SCHEMA app;")
        .with_sql("0002_b.sql", "CREATE TABLE b (c INTEGER);");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0001_schema")
        .and_says("the schema app would come before public in the search path")
        .and_says("options=-csearch_path%3Dpublic");
    assert!(place.texts(TABLES).is_empty());
    place
        .run(&["migrate", "--database", &along(&place, "public")])
        .ends_with(0);
    assert_eq!(place.texts(TABLES), ["public.b"]);
}

#[test]
fn a_step_outside_a_transaction_does_not_work_elsewhere_either() {
    let place = Place::new()
        .with_sql(
            "0001_schema.sql",
            "-- wasmigrate:no-transaction\nCREATE SCHEMA app;",
        )
        .with_sql(
            "0002_b.sql",
            "-- wasmigrate:no-transaction\nCREATE TABLE b (c INTEGER);",
        );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the schema app would come before public");
    assert!(place.texts(TABLES).is_empty());
}

#[test]
fn a_schema_with_a_journal_that_cannot_be_seen_is_not_passed_over() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_data("CREATE SCHEMA shop");
    let url = along(&place, "shop,public");
    place.run(&["migrate", "--database", &url]).ends_with(0);
    place.connect().run("ALTER SCHEMA shop RENAME TO store");
    place
        .run(&["migrate", "--database", &url])
        .ends_with(2)
        .and_says("the search path names the schema shop, which has a journal");
    assert_eq!(place.texts(TABLES), ["store.a"]);
}

/// The role of the steps has a search path of its own.
#[test]
fn the_role_of_the_steps_says_which_schema_is_its_own() {
    let cluster = Cluster::start(Durability::None).unwrap();
    let place = Place::on(&cluster)
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_variable("WASMIGRATE_POSTGRES_ROLE", "works");
    let name = place.server_database();
    place.connect_as_superuser().run(&format!(
        "CREATE ROLE works; GRANT works TO app; GRANT ALL ON DATABASE {name} TO works;
         CREATE SCHEMA works AUTHORIZATION works"
    ));
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says(", schema works");
    assert_eq!(place.texts(TABLES), ["works.a"]);
    assert!(
        place
            .connect()
            .try_run("SELECT FROM wasmigrate_works.wasmigrate_step")
            .is_ok()
    );
}

#[test]
fn a_role_that_is_called_like_the_journal_of_another_schema_does_not_work_in_it() {
    let cluster = Cluster::start(Durability::None).unwrap();
    let place = Place::on(&cluster)
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_data("CREATE SCHEMA shop");
    place
        .run(&["migrate", "--database", &along(&place, "shop")])
        .ends_with(0);
    let name = place.server_database();
    place.connect_as_superuser().run(&format!(
        "CREATE ROLE wasmigrate_shop LOGIN SUPERUSER; GRANT ALL ON DATABASE {name} TO wasmigrate_shop"
    ));
    let url = place.url().replace("app@", "wasmigrate_shop@");
    place
        .run(&["migrate", "--database", &url])
        .ends_with(2)
        .and_says("the schema wasmigrate_shop, which comes first in the search path, holds the journal of another schema");
    assert_eq!(place.texts(TABLES), ["shop.a"]);
}

/// What the journal's schema is called, the guard knows.
#[test]
fn a_step_makes_nothing_in_the_journals_schema_whatever_it_is_called() {
    let place = Place::new()
        .with_data("CREATE TABLE kept (a INTEGER); INSERT INTO kept VALUES (1)")
        .with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "kept")
        .with_sql(
            "0001_a.sql",
            "UPDATE kept SET a = kept.a + 1; CREATE TABLE a AS SELECT kept.a FROM kept;",
        );
    place.run(&["migrate"]).ends_with(0);
    for statement in [
        "CREATE TABLE kept.b (c INTEGER)",
        "CREATE TABLE IF NOT EXISTS \"kept\".b (c INTEGER)",
        "CREATE VIEW kept.b AS SELECT 1",
        "ALTER SCHEMA kept RENAME TO b",
        "DROP SCHEMA nothing, kept CASCADE",
        "ALTER TABLE a SET SCHEMA kept",
        "CREATE FUNCTION kept.b() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ] {
        let place = place
            .copy()
            .with_sql("0002_b.sql", &format!("{statement};"));
        place.run(&["migrate"]).ends_with(2).and_says(
            "not permitted: `kept`: a step may read the journal, but the schema that it is in",
        );
    }
}
