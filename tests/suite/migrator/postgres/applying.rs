//! What an apply does to the database.

use std::time::Duration;

use super::{APPLY, Fleet, add, apply, get, post, refused};
use crate::hostile::component::{Component, sql};

const DRY_RUN: &str = r#"{"mode":"dry-run","response":"full"}"#;
const SYNC: &str = r#"{"mode":"sync","response":"summary"}"#;

#[test]
fn a_dry_run_executes_and_leaves_nothing() {
    let fleet = Fleet::new().with_files();
    fleet.write("ref/203.sql", "create sequence ref.ran;\n");
    let service = fleet.serve();
    let answer = post(&service, "/v1/migrations", DRY_RUN);
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = &answer.json()["results"];
    assert_eq!(results["singleMigrations"], 3);
    assert_eq!(results["versionId"], 0);
    assert!(!fleet.has_schema("ref"));
    assert_eq!(get(&service, "/v1/migrations/applied").body, "[]");
    // It really runs: what cannot be done is told.
    fleet.write("ref/204.sql", "insert into ref.nowhere values (1);\n");
    refused(&post(&service, "/v1/migrations", DRY_RUN), 500, "nowhere");
    assert!(!fleet.has_schema("ref"));
}

#[test]
fn sync_writes_everything_down_and_runs_nothing() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    let answer = post(&service, "/v1/migrations", SYNC);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["results"]["singleMigrations"], 2);
    assert!(!fleet.has_schema("ref"));
    let applied = get(&service, "/v1/migrations/applied").json();
    let names: Vec<&str> = applied
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert!(names.starts_with(&["201.sql", "202.sql"]), "{names:?}");
    // What a legacy tool has made is there; from here on, only what is new runs.
    fleet.remove("ref-scripts/401.sql");
    fleet.remove("tenants-scripts/501.sql");
    assert_eq!(apply(&service)["migrationsGrandTotal"], 0);
    assert!(!fleet.has_schema("ref"));
}

#[test]
fn scripts_run_each_time_and_migrations_once() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    apply(&service);
    add(&service, "one");
    for _ in 0..3 {
        let results = apply(&service);
        assert_eq!(results["migrationsGrandTotal"], 0, "{results}");
        assert_eq!(results["scriptsGrandTotal"], 2, "{results}");
    }
    assert_eq!(fleet.count("ref.run"), 4);
    assert_eq!(fleet.count("ref.told"), 4);
    // They may change.
    fleet.write(
        "ref-scripts/401.sql",
        "insert into ref.run values ('changed');\n",
    );
    apply(&service);
    assert_eq!(fleet.count("ref.run WHERE at = 'changed'"), 1);
}

#[test]
fn files_run_in_the_order_of_their_names_and_an_older_one_runs_when_it_comes() {
    let fleet = Fleet::new();
    fleet.write("ref/100.sql", "create table done (name text, id serial);\n");
    fleet.write("ref/300.sql", "insert into done values ('single 300');\n");
    fleet.write(
        "tenants/300.sql",
        "insert into done values ('tenant 300');\n",
    );
    fleet.write(
        "tenants/200.sql",
        "insert into done values ('tenant 200');\n",
    );
    fleet.write(
        "ref-scripts/000.sql",
        "insert into done values ('script');\n",
    );
    fleet.write(
        "tenants-scripts/000.sql",
        "insert into done values ('tenant script');\n",
    );
    let service = fleet.serve();
    apply(&service);
    add(&service, "one");
    let done = || fleet.place.texts("SELECT name FROM done ORDER BY id");
    assert_eq!(
        done(),
        [
            "single 300",
            "script",
            "tenant 200",
            "tenant 300",
            "tenant script"
        ]
    );
    fleet.place.connect().run("delete from done");
    fleet.write("ref/050.sql", "insert into done values ('single 050');\n");
    fleet.write(
        "tenants/150.sql",
        "insert into done values ('tenant 150');\n",
    );
    apply(&service);
    assert_eq!(
        done(),
        ["single 050", "tenant 150", "script", "tenant script"]
    );
}

#[test]
fn a_directory_that_moves_is_the_same_fleet() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    apply(&service);
    add(&service, "one");
    drop(service);
    let moved = fleet.place.path().join("elsewhere");
    std::fs::rename(fleet.base(), &moved).unwrap();
    // By a relative path, too.
    for base in [
        moved.display().to_string(),
        "elsewhere".to_owned(),
        "x/../elsewhere/.".to_owned(),
    ] {
        fleet.configure_with(&base, "");
        std::fs::create_dir_all(fleet.place.path().join("x")).unwrap();
        let service = fleet.serve();
        assert_eq!(apply(&service)["migrationsGrandTotal"], 0, "{base}");
        for path in ["/v1/migrations/source", "/v1/migrations/applied"] {
            let file = get(&service, path).json()[0]["file"].clone();
            assert_eq!(
                file,
                moved.join("ref/201.sql").display().to_string(),
                "{base} {path}"
            );
        }
    }
}

#[test]
fn a_migration_that_changed_stops_every_command_and_no_look() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    apply(&service);
    fleet.write("ref/201.sql", "create schema {schema}; -- changed\n");
    fleet.write("ref/203.sql", "create table ref.more (id integer);\n");
    let new = r#"{"name":"new","mode":"apply","response":"full"}"#;
    for (path, body) in [
        ("/v1/migrations", APPLY),
        ("/v1/migrations", DRY_RUN),
        ("/v1/migrations", SYNC),
        ("/v1/tenants", new),
    ] {
        let answer = post(&service, path, body);
        assert_eq!(answer.status, 424, "{path} {body}: {answer:?}");
        let body = fleet.masked(&answer.body);
        let head = r#"{"error":"Checksum verification failed. Please review offending migrations.","details":[{"name":"201.sql","sourceDir":"BASE/ref","file":"BASE/ref/201.sql","migrationType":1,"contents":"create schema {schema}; -- changed\n","checkSum":""#;
        assert!(body.starts_with(head), "{body}");
        assert_eq!(answer.json()["details"].as_array().unwrap().len(), 1);
    }
    assert!(!fleet.has_schema("new"));
    assert!(!fleet.place.has_table("more"));
    for path in [
        "/v1/migrations/source",
        "/v1/migrations/applied",
        "/v1/tenants",
        "/v1/config",
    ] {
        assert_eq!(get(&service, path).status, 200, "{path}");
    }
}

#[test]
fn a_migration_that_fails_rolls_back_everything() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    apply(&service);
    for name in ["one", "two"] {
        add(&service, name);
    }
    fleet.write("ref/203.sql", "insert into ref.run values ('lost');\n");
    fleet.write(
        "tenants/302.sql",
        "insert into {schema}.module values (7); select 1 / (select count(*) from ref.run where '{schema}' = 'one');\n",
    );
    let answer = post(&service, "/v1/migrations", APPLY);
    assert_eq!(answer.status, 500, "{answer:?}");
    let expected = r#"{"error":"SQL migration BASE/tenants/302.sql failed with error: "#;
    let body = fleet.masked(&answer.body);
    assert!(body.starts_with(expected), "{body}");
    assert!(body.contains("division by zero"), "{body}");
    assert_eq!(fleet.count("ref.run WHERE at = 'lost'"), 0);
    assert_eq!(fleet.count("one.module"), 0);
    // A new tenant goes with it: its schema, its row, its tables. It does not come ahead of a file that is pending before its own.
    let order = r#"{"name":"three","mode":"apply","response":"full"}"#;
    let answer = post(&service, "/v1/tenants", order);
    refused(&answer, 409, "`ref/203.sql` is pending");
    fleet.remove("ref/203.sql");
    let answer = post(&service, "/v1/tenants", order);
    refused(&answer, 500, "division by zero");
    assert!(!fleet.has_schema("three"));
    assert_eq!(get(&service, "/v1/tenants").body, r#"["one","two"]"#);
    // Mended, it goes on as if nothing had happened.
    fleet.write(
        "tenants/302.sql",
        "insert into {schema}.module values (7);\n",
    );
    assert_eq!(apply(&service)["tenantMigrationsTotal"], 2);
    assert_eq!(fleet.count("two.module"), 1);
}

#[test]
fn a_component_runs_beside_sql_and_shows_its_world() {
    let fleet = Fleet::new();
    fleet.write("ref/1.sql", "create table done (name text);\n");
    let component =
        Component::migrating(sql("INSERT INTO public.done VALUES (current_schema())")).build();
    fleet.write("tenants/2.wasm", &component);
    let service = fleet.serve();
    apply(&service);
    add(&service, "one");
    add(&service, "two");
    let tenants = fleet.place.texts("SELECT name FROM done ORDER BY name");
    assert_eq!(tenants, ["one", "two"]);
    let source = get(&service, "/v1/migrations/source").json();
    let contents = source[1]["contents"].as_str().unwrap();
    assert!(contents.contains("world"), "{contents}");
    assert!(
        contents.contains("wasmigrate:migration/database"),
        "{contents}"
    );
    let applied = get(&service, "/v1/migrations/applied").json();
    assert_eq!(applied[1]["schema"], "one");
    assert_eq!(applied[1]["contents"], contents);
    assert_eq!(apply(&service)["migrationsGrandTotal"], 0);
}

#[test]
fn a_long_apply_has_its_true_duration() {
    let fleet = Fleet::new();
    fleet.write("ref/1.sql", "select pg_sleep(3.2);\n");
    let service = fleet.serve();
    let results = apply(&service);
    let duration = Duration::from_nanos(results["duration"].as_u64().unwrap());
    assert!(duration > Duration::from_millis(3_200), "{duration:?}");
    assert!(duration < Duration::from_secs(30), "{duration:?}");
}
