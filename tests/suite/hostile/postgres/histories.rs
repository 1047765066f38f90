//! What another user of the database has made to be read by the host: a table that looks like the history of another tool, a
//! table that would be sampled, and what is put in their place while they are looked at.

use std::process::Child;
use std::time::Duration;

use super::others::{Guest, RAISE};
use crate::application::{self, Application};
use crate::place::{Place, Said};

const HISTORY: &str = "CREATE TABLE schema_migrations (version BIGINT, dirty BOOLEAN);
     INSERT INTO schema_migrations VALUES (1, false); GRANT ALL ON schema_migrations TO PUBLIC;";

/// Tells in whose name it runs, if that is not its maker's.
const TELLS: &str = "CREATE FUNCTION tells() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN
     IF current_user = 'app' THEN RAISE EXCEPTION 'this ran as %', current_user; END IF; RETURN 1; END $$;";

#[track_caller]
fn ran_nothing(said: &Said) {
    let told = said.stdout.clone() + &said.stderr;
    assert!(!told.contains("this ran as"), "{said:#?}");
}

/// What hangs on one of another user does not matter: it may be forged, and is not read.
#[test]
fn a_history_of_another_user_is_named_and_not_read() {
    for (number, hang) in [
        "",
        "ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY;
         CREATE POLICY mine ON schema_migrations USING (raised() = 1)",
        // What is immutable is worked out when a query is planned.
        "CREATE FUNCTION pure() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
         IF current_user = 'app' THEN PERFORM raised(); END IF; RETURN 1; END $$;
         CREATE INDEX ON schema_migrations (version) WHERE pure() = 1",
        "CREATE TYPE shape AS (one INTEGER);
         CREATE FUNCTION shape_to_number(shape) RETURNS BIGINT LANGUAGE plpgsql AS $$ BEGIN RETURN raised(); END $$;
         CREATE CAST (shape AS BIGINT) WITH FUNCTION shape_to_number(shape);
         ALTER TABLE schema_migrations DROP version, ADD version shape",
    ]
    .into_iter()
    .enumerate()
    {
        let guest = Guest::called(&format!("history{number}"));
        guest.runs(&format!("{RAISE} {HISTORY} {hang}"));
        guest.is_refused(
            &["status", "migrate"],
            &["schema_migrations", "it may be forged, and is not read"],
        );
        let import = ["import", "--from", "golang-migrate"];
        let said = guest.place.run(&import);
        assert_ne!(said.status, Some(0), "{said:#?}");
        guest.has_gained_nothing();
        guest.is_got_rid_of_by("DROP TABLE public.schema_migrations");
    }
}

/// Whoever makes it does not keep a target from being migrated for good.
#[test]
fn a_history_of_another_user_is_passed_over_after_a_baseline() {
    let guest = Guest::called("inplace");
    guest.runs(HISTORY);
    guest.is_refused(&["migrate"], &["`wasmigrate baseline`"]);
    guest
        .place
        .run(&["baseline", "--through", "none"])
        .ends_with(0);
    guest
        .place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_a migrated");
}

/// A table of the role's own that lies where another user can put a different one in its place.
#[test]
fn a_history_in_a_schema_of_another_user_is_not_read() {
    let guest = Guest::called("landlord");
    guest.runs("CREATE SCHEMA theirs; GRANT ALL ON SCHEMA theirs TO PUBLIC");
    guest
        .place
        .connect()
        .run(&format!("SET search_path = theirs; {HISTORY}"));
    let import = [
        "import",
        "--from",
        "golang-migrate",
        "--table",
        "theirs.schema_migrations",
    ];
    let said = guest.place.run(&import);
    guest
        .place
        .connect()
        .run("DROP TABLE theirs.schema_migrations");
    assert_ne!(said.status, Some(0), "{said:#?}");
    said.and_says("in a schema of the role")
        .and_says(&guest.name);
}

/// By the settings of the tool itself, a history is taken over without a question.
#[test]
fn a_forged_history_is_not_taken_over() {
    let guest = Guest::called("forger");
    guest.runs(include_str!("../../adopt/histories/migrator.postgres.sql"));
    guest.runs("DELETE FROM migrator.migrator_migrations WHERE name <> '202001011000_users.sql'; GRANT USAGE ON SCHEMA migrator TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA migrator TO PUBLIC");
    let file = guest.place.path().join("db/tenants/202001011000_users.sql");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text = include_str!("../../adopt/histories/migrator/tenants/202001011000_users.sql");
    std::fs::write(file, text).unwrap();
    let settings = format!(
        "baseLocation: db\ndriver: postgres\ndataSource: {}\ntenantMigrations: [tenants]\n",
        guest.place.url()
    );
    std::fs::write(guest.place.path().join("migrator.yaml"), settings).unwrap();
    for command in ["migrate", "finalize", "status"] {
        let said = guest.place.run(&[command]);
        assert_ne!(said.status, Some(0), "{command}: {said:#?}");
        said.and_says("migrator_migrations")
            .and_says("belongs to the role")
            .and_says(&guest.name);
    }
    assert!(!guest.place.has_table("wasmigrate_applied"));
}

/// That it is there is told to a role that changes nothing, whose code could gain something by being read.
#[test]
fn a_role_that_only_looks_is_told_of_a_history_that_it_does_not_read() {
    let guest = Guest::called("quiet");
    let reader = format!("looks_{}", std::process::id());
    application::superuser(guest.place.server_database()).run(&format!(
        "CREATE ROLE {reader} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    ));
    guest.runs(HISTORY);
    let url = guest.place.url().replace("app@", &format!("{reader}@"));
    let said = guest.place.run(&["status", "--database", &url]);
    application::superuser(guest.place.server_database()).run(&format!("DROP ROLE {reader}"));
    said.and_says("golang-migrate has migrated this target");
}

/// One of the role's own is read in spite of its policies, and one of the database's owner by everybody who may.
#[test]
fn a_history_of_a_trusted_role_is_found() {
    let guest = Guest::called("ordinary");
    guest.place.connect().run(&format!(
        "{HISTORY} ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY;
         CREATE POLICY mine ON schema_migrations USING (false)"
    ));
    guest.place.run(&["status"]).and_says("golang-migrate");
    guest
        .place
        .connect()
        .run("ALTER TABLE schema_migrations DISABLE ROW LEVEL SECURITY");
    guest
        .place
        .run(&["status", "--database", &guest.url()])
        .and_says("golang-migrate");
}

/// Puts a view in the place of a table as soon as somebody waits for the table, or has ended without that.
fn swap_while(place: &Place, user: &mut Application, mut host: Child) -> Said {
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while host.try_wait().unwrap().is_none() && place.one::<i64>(waits) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    user.run("COMMIT");
    Said::from(host.wait_with_output().unwrap())
}

#[test]
fn a_view_that_takes_the_place_of_a_history_is_not_read() {
    let guest = Guest::called("swaps");
    guest.runs(&format!("{TELLS} {HISTORY}"));
    let mut user = Application::open_url(&guest.url());
    user.run(
        "BEGIN; ALTER TABLE schema_migrations RENAME TO old;
         CREATE VIEW schema_migrations AS SELECT version, dirty FROM old WHERE tells() = 1;
         GRANT SELECT ON schema_migrations TO PUBLIC",
    );
    let host = guest.place.start(&["status"]);
    let said = swap_while(&guest.place, &mut user, host);
    ran_nothing(&said);
    said.and_says(&guest.name);
}

/// What `test --against` says of a target on which a step changes a row of a table with a dot in its name.
fn tried(guest: &Guest) -> Said {
    guest.place.write_step(
        "0001_a.sql",
        b"-- wasmigrate:migrate\nUPDATE \"pay.roll\" SET amount = 2 WHERE id = 1;\n-- wasmigrate:reset\nUPDATE \"pay.roll\" SET amount = 1 WHERE id = 1;\n",
    );
    let fixtures = guest.place.path().join("migrations/fixtures");
    std::fs::create_dir_all(&fixtures).unwrap();
    std::fs::write(fixtures.join("pay.sql"), PAY).unwrap();
    let url = guest.place.url();
    let mut test =
        guest
            .place
            .command(&["test", "--on", "postgres", "--json", "1", "--against", &url]);
    test.env("WASMIGRATE_TEST_CRASH_SECONDS", "2");
    test.env("WASMIGRATE_TEST_SERVER", application::server_url());
    Said::from(test.output().unwrap())
}

const PAY: &str = "CREATE TABLE \"pay.roll\" (id INTEGER PRIMARY KEY, amount INTEGER);
     INSERT INTO \"pay.roll\" VALUES (1, 1);";

#[test]
fn a_sample_holds_no_rows_of_other_users() {
    let guest = Guest::called("sampled");
    guest.place.connect().run(PAY);
    guest.runs(&format!(
        "{TELLS} CREATE SCHEMA \"x.y\"; CREATE TABLE \"x.y\".z (i INTEGER PRIMARY KEY); INSERT INTO \"x.y\".z VALUES (1);
         CREATE SCHEMA x; CREATE VIEW x.\"y.z\" AS SELECT 1 AS i WHERE public.tells() = 1;
         GRANT USAGE ON SCHEMA x, \"x.y\" TO PUBLIC; GRANT SELECT ON x.\"y.z\", \"x.y\".z TO PUBLIC"
    ));
    let said = tried(&guest);
    ran_nothing(&said);
    said.and_says(
        "rows of these tables were not read, because others could have made what runs then",
    )
    .and_says("x.y")
    .and_says("1 row differs in amount, first: id=1: 2 instead of 1");
}
