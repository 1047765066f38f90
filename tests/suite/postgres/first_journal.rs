//! The first journal of a target: there is one, whoever makes it, and it stays out of what belongs to others.

use std::process;

use crate::hosts::host::{Host, until};
use crate::place::Place;
use crate::service::process::Service;
use crate::tenants::{Tenants as _, counting};

const JOURNALS: &str =
    "SELECT schemaname FROM pg_tables WHERE tablename = 'wasmigrate_journal' ORDER BY 1";

/// Waiters for locks of this database.
const WAITING: &str = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND datname = current_database()";

fn adding() -> Place {
    Place::new()
        .with_data("CREATE TABLE account (id INTEGER)")
        .with_sql("0001_more.sql", "INSERT INTO account VALUES (1);")
        .with_variable("WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS", "60000")
}

/// Both have seen that there is no journal, and would make theirs in the same moment.
#[test]
fn two_hosts_that_begin_with_different_settings_make_one_journal() {
    let place = adding();
    let mut holds_up = place.connect_as_superuser();
    holds_up.run("BEGIN; LOCK TABLE pg_namespace IN SHARE MODE");
    let hosts: Vec<Host> = ["", "kept", "wasmigrate"]
        .into_iter()
        .map(|schema| {
            let mut command = place.command(&["migrate"]);
            command.env("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", schema);
            Host::spawn(command)
        })
        .collect();
    until("all of them wait", || place.one::<i64>(WAITING) == 3);
    holds_up.run("COMMIT");
    for host in hosts {
        host.end().ends_with(0);
    }
    assert_eq!(place.texts(JOURNALS).len(), 1);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM account"), 1);
    place.run(&["verify"]).ends_with(0);
}

/// A host that waits for the lock of a journal finds that it was moved.
#[test]
fn who_waits_while_the_journal_is_moved_works_where_it_is() {
    let place = adding().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "kept");
    place.run(&["migrate"]).ends_with(0);
    let place = place.with_sql("0002_more.sql", "INSERT INTO account VALUES (2);");
    let mut holds_up = place.connect();
    holds_up.run("BEGIN; SELECT pg_advisory_xact_lock(hashtext('wasmigrate'), hashtext('kept'))");
    let host = Host::start(&place, &["migrate"]);
    until("it waits", || place.one::<i64>(WAITING) == 1);
    let tables = place.texts("SELECT tablename FROM pg_tables WHERE schemaname = 'kept'");
    holds_up.run("CREATE SCHEMA moved");
    for table in tables {
        holds_up.run(&format!("ALTER TABLE kept.{table} SET SCHEMA moved"));
    }
    holds_up.run("COMMIT");
    host.end().ends_with(0);
    assert_eq!(place.texts(JOURNALS), ["moved"]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM account"), 2);
}

/// A journal that another role has made is not overlooked: a second one would begin anew.
#[test]
fn a_journal_of_another_role_is_not_begun_beside() {
    let place = adding().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "kept");
    place.run(&["migrate"]).ends_with(0);
    let other = format!("other_{}", process::id());
    let name = place.server_database().to_owned();
    let mut superuser = place.connect_as_superuser();
    superuser.run(&format!(
        "CREATE ROLE {other} LOGIN; GRANT ALL ON DATABASE {name} TO {other}; GRANT ALL ON SCHEMA public TO {other};
         GRANT ALL ON account TO {other}"
    ));
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "");
    let url = place.url().replace("app@", &format!("{other}@"));
    let said = place.run(&["migrate", "--database", &url]);
    superuser.run(&format!("DROP OWNED BY {other}; DROP ROLE {other}"));
    said.ends_with(2)
        .and_says("the schema kept holds a journal of public which belongs to another role");
    assert_eq!(place.texts(JOURNALS), ["kept"]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM account"), 1);
}

#[test]
fn a_journal_is_not_moved_to_a_tenant() {
    let place = counting().with_tenants(&["acme", "Beta"]);
    for schema in ["acme", "beta"] {
        let place = place
            .copy_with_tenants()
            .with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", schema);
        place
            .run(&["repair", "--move-journal"])
            .ends_with(2)
            .and_says(&format!("the schema {schema} is that of the tenant"));
        assert_eq!(place.texts(JOURNALS), ["wasmigrate"]);
        place.run(&["finalize"]).ends_with(0);
    }
}

/// Nor is it made there, where the tenants are those of the application.
#[test]
fn a_journal_is_not_made_in_a_tenant() {
    let place = counting()
        .with_data("CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('acme'); CREATE SCHEMA acme")
        .with_variable("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer")
        .with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "acme");
    place
        .run(&["finalize"])
        .ends_with(2)
        .and_says("the schema acme is that of the tenant `acme`");
    assert!(place.texts(JOURNALS).is_empty());
}

#[test]
fn who_could_read_a_journal_can_read_it_where_it_is_moved() {
    let place = adding().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "public");
    place.run(&["migrate"]).ends_with(0);
    let reader = format!("reads_{}", process::id());
    let mut superuser = place.connect_as_superuser();
    superuser.run(&format!(
        "CREATE ROLE {reader} LOGIN; GRANT USAGE ON SCHEMA public TO {reader};
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}"
    ));
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "");
    let moved = place.run(&["repair", "--move-journal"]);
    let url = place.url().replace("app@", &format!("{reader}@"));
    let read = place.run(&["status", "--database", &url]);
    superuser.run(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
    moved.ends_with(0).and_says("to wasmigrate");
    read.ends_with(0).and_says("finalization_required");
}

/// Where the role may not give the right, it says who lost theirs.
#[test]
fn who_cannot_read_a_moved_journal_any_more_is_named() {
    let place = adding().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "public");
    place.run(&["migrate"]).ends_with(0);
    let reader = format!("lost_{}", process::id());
    let mut superuser = place.connect_as_superuser();
    superuser.run(&format!(
        "CREATE ROLE {reader}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader};
         CREATE SCHEMA wasmigrate; GRANT ALL ON SCHEMA wasmigrate TO app"
    ));
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "");
    let moved = place.run(&["repair", "--move-journal"]);
    superuser.run(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
    moved
        .ends_with(0)
        .and_says(&format!("GRANT USAGE ON SCHEMA wasmigrate TO {reader}"));
}

#[test]
fn a_right_on_all_tables_with_the_journal_among_them_says_how_to_move_it() {
    let reader = format!("all_{}", process::id());
    let place = adding()
        .with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "public")
        .with_sql(
            "0002_grant.sql",
            &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {reader};"),
        );
    let mut superuser = place.connect_as_superuser();
    superuser.run(&format!("CREATE ROLE {reader}"));
    let refused = place.run(&["migrate"]);
    let place = place.with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "");
    place.run(&["repair", "--move-journal"]).ends_with(0);
    let done = place.run(&["migrate"]);
    superuser.run(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
    refused
        .ends_with(1)
        .and_says("`wasmigrate repair --move-journal`");
    done.ends_with(0);
}

#[test]
fn a_step_may_name_the_schema_that_it_shares_with_the_journal() {
    let place = adding()
        .with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", "public")
        .with_sql("0002_b.sql", "CREATE TABLE public.b (c INTEGER);");
    place.run(&["migrate"]).ends_with(0);
    let place = place.with_sql("0003_c.sql", "CREATE TABLE public.c (d INTEGER);");
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn a_name_that_the_server_would_cut_is_refused() {
    let name = "x".repeat(64);
    let place = adding().with_variable("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA", &name);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("WASMIGRATE_POSTGRES_JOURNAL_SCHEMA: `postgres.journal_schema` has 64 bytes");
    let place_of_file = adding();
    let settings = format!("[postgres]\njournal_schema = \"{name}\"\n");
    std::fs::write(place_of_file.path().join("wasmigrate.toml"), settings).unwrap();
    let said = place_of_file.run(&["migrate"]).ends_with(2);
    assert!(!said.stderr.contains("DATABASE"), "{said:#?}");
    said.and_says("wasmigrate.toml: `postgres.journal_schema` has 64 bytes");
    assert!(place.texts(JOURNALS).is_empty());
}

/// Another request would not help: it is no outage.
#[test]
fn a_right_that_a_service_lacks_is_named() {
    let place = adding();
    place.run(&["migrate"]).ends_with(0);
    let other = format!("lacks_{}", process::id());
    let mut superuser = place.connect_as_superuser();
    superuser.run(&format!("CREATE ROLE {other} LOGIN"));
    let url = place.url().replace("app@", &format!("{other}@"));
    let place = place.with_variable("WASMIGRATE_DATABASE", &url);
    let service = Service::start(&place);
    let answer = service.get("/api/v1/status");
    drop(service);
    superuser.run(&format!("DROP OWNED BY {other}; DROP ROLE {other}"));
    answer.is_problem(500, "permission denied for schema wasmigrate");
}
