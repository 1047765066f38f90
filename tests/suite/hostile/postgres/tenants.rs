//! Schemas of tenants that another user has made: no file runs in them.

use super::others::Guest;
use crate::hosts::host::until;
use crate::place::Said;
use crate::tenants::{Tenants as _, counting, target};

/// A schema with a table that runs something for whoever writes to it.
fn trap(schema: &str) -> String {
    format!(
        "CREATE SCHEMA {schema}; GRANT ALL ON SCHEMA {schema} TO PUBLIC;
         CREATE TABLE {schema}.customer (id INTEGER); GRANT ALL ON {schema}.customer TO PUBLIC;
         CREATE FUNCTION {schema}.raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE public.salary SET amount = 1000000; RETURN NEW; END $$;
         CREATE TRIGGER raise BEFORE INSERT ON {schema}.customer FOR EACH ROW EXECUTE FUNCTION {schema}.raise()"
    )
}

const WRITES: &[u8] = b"INSERT INTO {schema}.customer VALUES (1);";

/// Every command that would run a file says whose schema it is.
#[track_caller]
fn refuses(guest: &Guest, commands: &[&[&str]], words: &str) {
    for command in commands {
        let said = guest.place.run(command);
        assert_ne!(said.status, Some(0), "{command:?}: {said:#?}");
        said.and_says(words).and_says(&guest.name);
        guest.has_gained_nothing();
    }
}

#[test]
fn a_schema_that_came_in_the_place_of_a_tenants_own_is_refused() {
    let place = counting().with_tenants(&["acme", "beta"]);
    let guest = Guest::at("follows", place);
    guest.place.connect().run("DROP SCHEMA acme CASCADE");
    guest.runs(&trap("acme"));
    guest.place.write_step("tenants/002_add.sql", WRITES);
    refuses(
        &guest,
        &[
            &["migrate"],
            &["migrate", "--parallel", "2"],
            &["finalize"],
            &["plan", "--dry-run"],
            &["tenants", "add", "gamma"],
        ],
        "the schema `acme` of the tenant `acme` belongs to the role",
    );
    // The journal says that it was one.
    guest.place.run(&["tenants", "remove", "acme"]).ends_with(0);
    refuses(
        &guest,
        &[
            &["tenants", "add", "acme"],
            &["tenants", "add", "acme", "--adopt"],
            &["tenants", "add", "acme", "--adopt", "--applied"],
        ],
        "the schema `acme` of the tenant `acme` belongs to the role",
    );
    guest.place.connect_as_superuser().run(
        "DROP SCHEMA acme CASCADE; CREATE SCHEMA acme AUTHORIZATION app; CREATE TABLE acme.customer (id INTEGER);
         ALTER TABLE acme.customer OWNER TO app; CREATE SCHEMA trusted; CREATE TABLE trusted.customer (id INTEGER);
         GRANT ALL ON SCHEMA trusted TO app; GRANT ALL ON trusted.customer TO app;
         CREATE TABLE beta.customer (id INTEGER); ALTER TABLE beta.customer OWNER TO app",
    );
    for added in [
        &["tenants", "add", "acme"][..],
        &["tenants", "add", "trusted", "--adopt"],
    ] {
        guest.place.run(added).ends_with(0);
    }
    guest.place.run(&["migrate"]).ends_with(0);
    guest.has_gained_nothing();
}

/// The application's list is its word for whose the schemas are, but not for who made them.
#[test]
fn a_schema_that_was_there_before_the_application_listed_it_is_refused() {
    let place = target()
        .with_variable(
            "WASMIGRATE_TENANTS_SELECT",
            "SELECT name FROM public.listed",
        )
        .with_data("CREATE TABLE listed (name TEXT)");
    let guest = Guest::at("squats", place);
    guest.place.write_step("tenants/001_add.sql", WRITES);
    guest.runs(&trap("zed"));
    guest
        .place
        .connect()
        .run("INSERT INTO listed VALUES ('zed')");
    refuses(
        &guest,
        &[&["migrate"], &["plan", "--dry-run"]],
        "the schema `zed` of the tenant `zed` belongs to the role",
    );
}

/// The role that owns it may be one that the connection's is a member of.
#[test]
fn a_schema_of_a_role_that_is_trusted_is_used() {
    let place = target()
        .with_variable(
            "WASMIGRATE_TENANTS_SELECT",
            "SELECT name FROM public.listed",
        )
        .with_data("CREATE TABLE listed (name TEXT); INSERT INTO listed VALUES ('zed')");
    let guest = Guest::at("member", place);
    guest.place.write_step("tenants/001_add.sql", WRITES);
    guest.runs(
        "CREATE SCHEMA zed; GRANT ALL ON SCHEMA zed TO PUBLIC; CREATE TABLE zed.customer (id INTEGER); GRANT ALL ON zed.customer TO PUBLIC",
    );
    refuses(&guest, &[&["migrate"]], "make this role a member of it");
    let grant = format!("GRANT {} TO app", guest.name);
    guest.place.connect_as_superuser().run(&grant);
    guest.place.run(&["migrate"]).ends_with(0);
    assert_eq!(guest.place.texts("SELECT id FROM zed.customer"), ["1"]);
}

/// Of a tenant that has no schema when the run begins.
#[test]
fn a_schema_that_somebody_makes_while_its_files_run_is_found_before_the_commit() {
    for (number, arguments) in [&["migrate"][..], &["migrate", "--parallel", "1"]]
        .into_iter()
        .enumerate()
    {
        let place = target()
            .with_variable(
                "WASMIGRATE_TENANTS_SELECT",
                "SELECT name FROM public.listed",
            )
            .with_data("CREATE TABLE listed (name TEXT); INSERT INTO listed VALUES ('zed')");
        let guest = Guest::at(&format!("slips_under_{number}"), place);
        let wait = "DO $$ BEGIN FOR try IN 1..2000 LOOP EXIT WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = 'zed');
             PERFORM pg_sleep(0.01); END LOOP; END $$;\n";
        let file = [wait.as_bytes(), WRITES].concat();
        guest.place.write_step("tenants/001_add.sql", &file);
        let host = guest.place.start(arguments);
        let waits =
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
             AND query LIKE '%EXIT WHEN EXISTS%' AND pid <> pg_backend_pid()";
        let mut superuser = guest.place.connect_as_superuser();
        until("the file waits", || !superuser.rows(waits).is_empty());
        guest.runs(&trap("zed"));
        Said::from(host.wait_with_output().unwrap())
            .ends_with(1)
            .and_says(
                "the schema `zed`, which was not there when the run began, belongs to the role",
            )
            .and_says(&guest.name);
        guest.has_gained_nothing();
    }
}

/// In a file for the target itself the name of its directory stands for a schema.
#[test]
fn a_schema_for_which_a_directory_stands_is_not_a_strangers() {
    let guest = Guest::at("mimics", target());
    guest.runs(&trap("single"));
    guest
        .place
        .write_step("single/001_plain.sql", b"CREATE TABLE plain (id INTEGER);");
    // It is no business of files that do not name it.
    guest.place.run(&["migrate"]).ends_with(0);
    guest.place.write_step("single/002_add.sql", WRITES);
    refuses(
        &guest,
        &[
            &["migrate"],
            &["migrate", "--parallel", "1"],
            &["plan", "--dry-run"],
        ],
        "the schema `single`, for which the name of a directory stands, belongs to the role",
    );
}
