//! The schema of the journal: beside the one that is migrated, so that nothing which is done to the latter meets it.

use std::process;

use wasmigrate_test_server::{Cluster, Durability};

use crate::place::Place;
use crate::service::process::Service;

/// The schemas in which there are tables of a journal.
const JOURNALS: &str =
    "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'wasmigrate\\_%' ORDER BY 1";

fn place() -> Place {
    Place::new()
        .with_data("CREATE TABLE account (id INTEGER PRIMARY KEY)")
        .with_sql(
            "0001_more.sql",
            "-- wasmigrate:migrate\nINSERT INTO account VALUES (1);\n-- wasmigrate:reset\nDELETE FROM account;",
        )
}

#[test]
fn rights_on_all_tables_are_no_rights_on_the_journal() {
    let reader = format!("reads_all_{}", process::id());
    let place = place().with_sql(
        "0002_grant.sql",
        &format!(
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO {reader};
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {reader};"
        ),
    );
    let mut superuser = place.connect_as_superuser();
    superuser.run(&format!("CREATE ROLE {reader}"));
    let said = place.run(&["finalize"]);
    superuser.run(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
    said.ends_with(0);
    assert_eq!(place.texts(JOURNALS), ["wasmigrate"]);
    assert_eq!(
        place.texts("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"),
        ["account"]
    );
}

#[test]
fn each_migrated_schema_has_a_journal_of_its_own() {
    let place = place()
        .with_data("CREATE SCHEMA other; CREATE TABLE other.account (id INTEGER PRIMARY KEY)");
    place.run(&["migrate"]).ends_with(0);
    let other = format!("{}?options=-csearch_path%3Dother", place.url());
    let with_other = |command: &str| place.run(&[command, "--database", &other]);
    with_other("status").and_says("migration_required");
    with_other("migrate")
        .ends_with(0)
        .and_says("0001_more migrated");
    assert_eq!(place.texts(JOURNALS), ["wasmigrate", "wasmigrate_other"]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM other.account"), 1);
    with_other("reset").ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM other.account"), 0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM account"), 1);
    place.run(&["verify"]).ends_with(0);
}

/// A journal that was made beside the tables is found there, whatever is set afterwards.
#[test]
fn a_journal_is_found_where_it_was_made() {
    let place = place().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "public");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts(JOURNALS), ["public"]);
    let mut place = place;
    for schema in ["", "Of \"us\""] {
        place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", schema);
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("nothing to do");
    }
    assert_eq!(place.texts(JOURNALS), ["public"]);
}

#[test]
fn the_journal_may_be_in_a_schema_of_any_name() {
    let place = place().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "Of \"us\"");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.texts(JOURNALS), ["Of \"us\""]);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["verify"]).ends_with(0);
}

/// What the role's search path finds first would be the journal's schema, and steps would make their tables there.
#[test]
fn a_role_that_is_called_like_the_schema_still_works_in_its_own() {
    let cluster = Cluster::start(Durability::None).unwrap();
    let place = Place::on(&cluster).with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    let name = place.server_database();
    place.connect_as_superuser().run(&format!(
        "CREATE ROLE wasmigrate LOGIN; GRANT ALL ON DATABASE {name} TO wasmigrate; GRANT ALL ON SCHEMA public TO wasmigrate"
    ));
    let place = &place;
    let url = place.url().replace("app@", "wasmigrate@");
    for _ in 0..2 {
        place.run(&["finalize", "--database", &url]).ends_with(0);
    }
    assert_eq!(place.texts(JOURNALS), ["wasmigrate_journal"]);
    assert_eq!(
        place.texts("SELECT schemaname FROM pg_tables WHERE tablename = 'a'"),
        ["public"]
    );
    // Another role finds it, too.
    place.connect_as_superuser().run("GRANT wasmigrate TO app");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn a_role_that_comes_after_the_journal_is_told_which_schema_to_name() {
    let cluster = Cluster::start(Durability::None).unwrap();
    let place = Place::on(&cluster).with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    place.run(&["migrate"]).ends_with(0);
    place
        .connect_as_superuser()
        .run("CREATE ROLE wasmigrate LOGIN SUPERUSER");
    let url = place.url().replace("app@", "wasmigrate@");
    place
        .run(&["migrate", "--database", &url])
        .ends_with(2)
        .and_says("the journal's schema wasmigrate comes first in the search path of the role")
        .and_says("options=-csearch_path%3Dpublic");
    let url = format!("{url}?options=-csearch_path%3Dpublic");
    place
        .run(&["migrate", "--database", &url])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn who_may_make_no_schema_is_told_who_can() {
    let place = place();
    let name = place.server_database().to_owned();
    let mut superuser = place.connect_as_superuser();
    superuser.run(&format!(
        "ALTER DATABASE {name} OWNER TO postgres; GRANT ALL ON SCHEMA public TO app"
    ));
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the role may not make the schema wasmigrate for the journal")
        .and_says("CREATE SCHEMA wasmigrate AUTHORIZATION")
        .and_says("postgres.journal_schema");
    assert!(!place.has_table("wasmigrate_journal"));
    superuser.run("CREATE SCHEMA wasmigrate AUTHORIZATION app");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts(JOURNALS), ["wasmigrate"]);
}

/// A journal that was made beside the tables moves to a schema of its own, and a service that has looked before follows it.
#[test]
fn a_journal_is_moved_and_a_service_follows_it() {
    let place = place().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "public");
    place.run(&["migrate"]).ends_with(0);
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "");
    let service = Service::start(&place);
    assert_eq!(service.state(), "finalization_required");
    place
        .run(&["repair", "--move-journal", "--reason", "for the ORM"])
        .ends_with(0)
        .and_says("run 2 moved the journal from the schema public to wasmigrate");
    assert_eq!(place.texts(JOURNALS), ["wasmigrate"]);
    assert_eq!(service.state(), "finalization_required");
    place
        .run(&["repair", "--move-journal"])
        .ends_with(0)
        .and_says("nothing to do");
    for command in ["status", "history"] {
        place.run(&[command]).ends_with(0).and_says("for the ORM");
    }
    place.run(&["verify"]).ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["reset"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(service.state(), "finalized");
    assert_eq!(place.texts(JOURNALS), ["wasmigrate"]);
}

/// What is not where this host would look is not taken for nothing: it says itself of what it is the journal.
#[test]
fn a_journal_is_found_without_the_setting_and_serves_one_schema() {
    let place = place()
        .with_data("CREATE SCHEMA other; CREATE TABLE other.account (id INTEGER PRIMARY KEY)")
        .with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "kept");
    place.run(&["migrate"]).ends_with(0);
    let other = format!("{}?options=-csearch_path%3Dother", place.url());
    place
        .run(&["migrate", "--database", &other])
        .ends_with(2)
        .and_says("the schema kept holds the journal of another schema than other");
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(place.texts(JOURNALS), ["kept"]);
    place
        .run(&["repair", "--move-journal"])
        .ends_with(0)
        .and_says("from the schema kept to wasmigrate");
    place.run(&["reset"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM account"), 0);
}

#[test]
fn the_servers_own_schemas_are_not_migrated() {
    let place = place();
    for path in ["pg_temp,public", "pg_catalog", "information_schema"] {
        let url = format!("{}?options=-csearch_path%3D{path}", place.url());
        place.run(&["migrate", "--database", &url]).ends_with(2);
    }
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "app");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("so that steps would make their tables in it");
    assert!(!place.has_table("wasmigrate_journal"));
}

/// In the search path `"$user", public`, such a schema would take the place of the migrated one.
#[test]
fn a_journal_is_not_moved_to_a_schema_that_is_called_like_the_role() {
    let place = place();
    place.run(&["migrate"]).ends_with(0);
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "app");
    place
        .run(&["repair", "--move-journal"])
        .ends_with(2)
        .and_says("the journal stays in the schema wasmigrate")
        .and_says("name another schema with `postgres.journal_schema`");
    assert_eq!(place.texts(JOURNALS), ["wasmigrate"]);
    place.run(&["finalize"]).ends_with(0);
    // Nor to one that the path names before the migrated one.
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "ahead");
    let url = format!("{}?options=-csearch_path%3Dahead,public", place.url());
    place
        .run(&["repair", "--move-journal", "--database", &url])
        .ends_with(2)
        .and_says("ahead would come before public");
    place.run(&["verify"]).ends_with(0);
    // After it, it does no harm.
    let url = format!("{}?options=-csearch_path%3Dpublic,ahead", place.url());
    place
        .run(&["repair", "--move-journal", "--database", &url])
        .ends_with(0)
        .and_says("from the schema wasmigrate to ahead");
    place.run(&["status"]).ends_with(0);
}

#[test]
fn a_new_journal_is_not_made_in_a_schema_that_is_called_like_the_role() {
    let place = place().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "app");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("another schema with `postgres.journal_schema`");
    assert!(place.texts(JOURNALS).is_empty());
}

/// Whoever has moved it there by hand is told a way that leads out.
#[test]
fn a_journal_that_comes_before_the_migrated_schema_can_be_moved_back() {
    let place = place();
    place.run(&["migrate"]).ends_with(0);
    place.connect().run("ALTER SCHEMA wasmigrate RENAME TO app");
    place
        .run(&["finalize"])
        .ends_with(2)
        .and_says("put `options=-csearch_path%3Dpublic` in the URL")
        .and_says("`wasmigrate repair --move-journal`");
    let url = format!("{}?options=-csearch_path%3Dpublic", place.url());
    place
        .run(&["repair", "--move-journal", "--database", &url])
        .ends_with(0)
        .and_says("from the schema app to wasmigrate");
    place.connect().run("DROP SCHEMA app");
    place.run(&["finalize"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
}
