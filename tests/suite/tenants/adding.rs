//! Tenants' names, and how tenants are added.

use super::{Tenants as _, counting};
use crate::application::{self, Kind};
use crate::place::Place;

#[test]
fn names_that_need_quotes_are_served() {
    let names = ["select", "müller", "a-b", "a.b", "x_1"];
    let place = counting().with_tenants(&names);
    for name in names {
        assert_eq!(place.sum(name), "1", "{name}");
    }
}

#[test]
fn hostile_names_are_refused_and_nothing_of_them_is_run() {
    let place = counting().with_tenants(&["acme"]);
    let (before, tenants) = (
        place.content(),
        place.texts("SELECT name FROM wasmigrate_tenant"),
    );
    let runs = place.texts("SELECT id FROM wasmigrate_run").len();
    let (long, longer) = ("x".repeat(64), "x".repeat(300));
    for name in [
        "a'b",
        "a\"b",
        "a;b",
        "a; DROP SCHEMA acme CASCADE; --",
        "\"; DROP SCHEMA acme CASCADE; --",
        "a b",
        "a\\b",
        "a/b",
        "../a",
        "",
        "1a",
        "pg_catalog",
        "PG_temp",
        "information_schema",
        "wasmigrate",
        "a\u{202e}b",
        &long,
        &longer,
    ] {
        place
            .run(&["tenants", "add", "--", name])
            .ends_with(2)
            .and_says("cannot be a tenant's name");
    }
    assert_eq!(place.content(), before);
    assert_eq!(place.texts("SELECT name FROM wasmigrate_tenant"), tenants);
    assert_eq!(place.texts("SELECT id FROM wasmigrate_run").len(), runs);
}

mod postgres {
    use super::*;

    #[test]
    fn a_schema_that_exists_is_taken_over_only_when_that_is_said() {
        let place = counting().with_tenants(&["acme"]);
        place
            .connect()
            .run("CREATE SCHEMA billing; CREATE TABLE billing.invoice (id INTEGER)");
        place
            .run(&["tenants", "add", "billing"])
            .ends_with(1)
            .and_says("the schema `billing` exists already")
            .and_says("--adopt");
        assert_eq!(place.texts("SELECT name FROM wasmigrate_tenant"), ["acme"]);
        for (name, status, words) in [
            ("public", 1, "the target itself is in the schema `public`"),
            ("wasmigrate", 2, "such names belong to this program"),
        ] {
            place
                .run(&["tenants", "add", name, "--adopt"])
                .ends_with(status)
                .and_says(words);
        }
        // Names are exact where something is taken over.
        for (name, near) in [
            ("Billing", "there is `billing`: name that"),
            ("biling", "there is `billing`: name that"),
            ("nothing_like_it", "leave out `--adopt`"),
        ] {
            place
                .run(&["tenants", "add", name, "--adopt"])
                .ends_with(1)
                .and_says(&format!(
                    "there is no schema `{name}` that could be taken over"
                ))
                .and_says(near);
        }
        assert_eq!(place.texts("SELECT name FROM wasmigrate_tenant"), ["acme"]);
        place
            .run(&["tenants", "add", "billing", "--adopt"])
            .ends_with(0);
        assert_eq!(place.sum("billing"), "1");
        assert_eq!(place.one::<i64>("SELECT count(*) FROM billing.invoice"), 0);
    }
}

#[test]
fn a_tenant_is_added_once() {
    let place = counting().with_tenants(&["acme"]);
    place
        .run(&["tenants", "add", "acme"])
        .ends_with(2)
        .and_says("there is a tenant `acme` already");
    if application::kind() == Kind::Postgres {
        place
            .run(&["tenants", "add", "ACME"])
            .ends_with(2)
            .and_says("there is a tenant `ACME` already");
    }
    assert_eq!(place.sum("acme"), "1");
}

#[test]
fn a_tenant_whose_files_fail_is_not_added() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step(
        "tenants/002_fails.sql",
        b"INSERT INTO {schema}.nowhere VALUES (1);",
    );
    place
        .run(&["tenants", "add", "beta"])
        .ends_with(1)
        .and_says("nowhere");
    assert_eq!(place.texts("SELECT name FROM wasmigrate_tenant"), ["acme"]);
    if application::kind() == Kind::Postgres {
        assert_eq!(place.one::<u32>("SELECT count(to_regnamespace('beta'))"), 0);
    }
    std::fs::remove_file(place.step("tenants/002_fails.sql")).unwrap();
    place.run(&["tenants", "add", "beta"]).ends_with(0);
    assert_eq!(place.sum("beta"), "1");
}

#[test]
fn tenants_may_be_listed_and_added_by_statements_of_the_operator() {
    let place = counting()
        .with_data(
            "CREATE TABLE customer (name TEXT PRIMARY KEY); INSERT INTO customer VALUES ('acme');",
        )
        .with_variable("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer")
        .with_variable(
            "WASMIGRATE_TENANTS_INSERT",
            "INSERT INTO customer VALUES ($1)",
        );
    if application::kind() == Kind::Postgres {
        place.connect().run("CREATE SCHEMA acme");
    }
    place.run(&["finalize"]).ends_with(0);
    place.run(&["tenants", "add", "beta"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT name FROM customer ORDER BY name"),
        ["acme", "beta"]
    );
    assert_eq!(
        (place.sum("acme"), place.sum("beta")),
        ("1".to_owned(), "1".to_owned())
    );
    place
        .connect()
        .run("INSERT INTO customer VALUES ('x; DROP TABLE customer')");
    place
        .run(&["finalize"])
        .ends_with(2)
        .and_says("cannot be a tenant's name")
        .and_says("tenants.select");
}

#[test]
fn tenants_are_listed_with_where_they_stand() {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step("tenants/002_add.sql", super::ADD.as_bytes());
    let list = place.run(&["tenants", "--json"]).ends_with(0).json();
    assert_eq!(list[0]["name"], "acme");
    assert_eq!(list[0]["applied"], 1);
    assert_eq!(list[1]["pending"], 1);
    Place::new()
        .run(&["tenants"])
        .ends_with(2)
        .and_says("[sources]");
}

#[test]
fn no_file_of_a_new_tenant_runs_before_one_that_is_pending_and_comes_first() {
    let place = counting().with_sql("single/002_shared.sql", "CREATE TABLE shared (id INTEGER);");
    place.write_step(
        "tenants/003_add.sql",
        b"INSERT INTO {schema}.counted SELECT 10, '{schema}' FROM shared UNION SELECT 10, '{schema}';",
    );
    if application::kind() == Kind::Sqlite {
        place.write_step("tenants/003_add.sql", super::ADD.as_bytes());
    }
    place
        .run(&["tenants", "add", "acme"])
        .ends_with(2)
        .and_says("`single/002_shared.sql` is pending, and comes before `tenants/003_add.sql`")
        .and_says("wasmigrate migrate");
    place.run(&["tenants"]).ends_with(0).and_says("no tenants");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["tenants", "add", "acme"]).ends_with(0);
    assert_eq!(place.sum("acme"), "11");
    // What comes after all of them keeps nobody away.
    place.write_step("single/004_shared.sql", b"CREATE TABLE later (id INTEGER);");
    place.run(&["tenants", "add", "beta"]).ends_with(0);
    assert_eq!(place.sum("beta"), "11");
}

/// What goose has done for a tenant before it is one.
const GOOSE: &str = "CREATE TABLE {schema}goose_db_version (id INTEGER, version_id BIGINT, is_applied BOOLEAN, tstamp TIMESTAMP);
     INSERT INTO {schema}goose_db_version VALUES (1, 0, true, '2026-01-02 03:04:05'), (2, 1, true, '2026-01-02 03:04:05');";

#[test]
fn what_another_tool_has_done_for_a_tenant_does_not_run_again() {
    let place = counting().with_tenants(&["first"]);
    match application::kind() {
        Kind::Postgres => {
            place.connect().run(&format!(
                "CREATE SCHEMA acme; {}",
                GOOSE.replace("{schema}", "acme.")
            ));
        }
        Kind::Sqlite => {
            let path = place.path().join("wasmigrate.db.tenants/acme.db");
            let file = rusqlite::Connection::open(path).unwrap();
            file.execute_batch(&GOOSE.replace("{schema}", "")).unwrap();
        }
    }
    place
        .run(&["tenants", "add", "acme", "--adopt"])
        .ends_with(2)
        .and_says("goose_db_version` says that goose has migrated")
        .and_says("wasmigrate tenants add acme --adopt --applied");
    place
        .run(&["tenants", "add", "acme", "--adopt", "--applied"])
        .ends_with(0)
        .and_says("wrote 1 file down as applied");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

mod sqlite {
    use super::*;

    /// The superuser may give files away, and nobody else can try this.
    #[test]
    fn a_file_that_another_user_has_put_there_is_refused() {
        use std::os::unix::fs::chown;
        const STRANGER: u32 = 65_534;
        let place = counting().with_tenants(&["acme", "beta"]);
        place.write_step("tenants/002_more.sql", b"CREATE TABLE more (id INTEGER);");
        let directory = place.path().join("wasmigrate.db.tenants");
        let file = directory.join("acme.db");
        if chown(&file, Some(STRANGER), None).is_err() {
            return;
        }
        let commands = [
            &["migrate"][..],
            &["migrate", "--parallel", "2"],
            &["plan", "--dry-run"],
        ];
        for command in commands {
            let said = place.run(command);
            assert_ne!(said.status, Some(0), "{command:?}: {said:#?}");
            said.and_says("acme.db` belongs to another user (number 65534)");
        }
        chown(&file, Some(0), None).unwrap();
        let adopted = directory.join("gamma.db");
        std::fs::write(&adopted, "").unwrap();
        chown(&adopted, Some(STRANGER), None).unwrap();
        let said = place.run(&["tenants", "add", "gamma", "--adopt"]);
        assert_ne!(said.status, Some(0), "{said:#?}");
        said.and_says("gamma.db` belongs to another user");
        std::fs::remove_file(adopted).unwrap();
        // Whoever owns the directory could put other files there.
        chown(&directory, Some(STRANGER), None).unwrap();
        let said = place.run(&["migrate"]);
        assert_ne!(said.status, Some(0), "{said:#?}");
        said.and_says("wasmigrate.db.tenants` belongs to another user");
        // The target may be theirs as well.
        chown(&file, Some(STRANGER), None).unwrap();
        chown(place.database(), Some(STRANGER), None).unwrap();
        place.run(&["migrate"]).ends_with(0);
    }

    #[test]
    fn a_file_that_exists_is_taken_over_only_when_that_is_said() {
        let place = counting().with_tenants(&["first"]);
        let path = place.path().join("wasmigrate.db.tenants/acme.db");
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch("CREATE TABLE invoice (id INTEGER)")
            .unwrap();
        drop(file);
        let before = std::fs::read(&path).unwrap();
        place
            .run(&["tenants", "add", "acme"])
            .ends_with(2)
            .and_says("acme.db exists already")
            .and_says("--adopt");
        assert!(std::fs::read(&path).unwrap() == before);
        assert_eq!(place.texts("SELECT name FROM wasmigrate_tenant"), ["first"]);
        place
            .run(&["tenants", "add", "nobody", "--adopt"])
            .ends_with(2)
            .and_says("there is no file of `nobody` that could be taken over");
        place
            .run(&["tenants", "add", "acme", "--adopt"])
            .ends_with(0);
        assert_eq!(place.sum("acme"), "1");
        // An empty file holds nothing that could be taken over by mistake.
        drop(
            rusqlite::Connection::open(place.path().join("wasmigrate.db.tenants/empty.db"))
                .unwrap(),
        );
        std::fs::write(place.path().join("wasmigrate.db.tenants/empty.db"), "").unwrap();
        place.run(&["tenants", "add", "empty"]).ends_with(0);
    }
}
