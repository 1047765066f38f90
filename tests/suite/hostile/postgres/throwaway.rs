//! What `wasmigrate test` leaves on the server of its throw-away databases: roles and other databases are not thrown away with
//! them, whoever changes them.

use crate::application::{self, Application, server_version};
use crate::place::{Place, Said};

/// A role that may make databases, and a database of its own that others use.
struct Server {
    role: String,
    superuser: Application,
}

impl Server {
    fn new(name: &str) -> Self {
        let role = format!("{name}_{}", std::process::id());
        let mut superuser = application::superuser("postgres");
        superuser.run(&format!("CREATE ROLE {role} LOGIN CREATEDB"));
        superuser.run(&format!("CREATE DATABASE {role} OWNER {role}"));
        Self { role, superuser }
    }

    /// Tries steps in throw-away databases. `MINE` in the files of the place stands for the role and its database.
    #[track_caller]
    fn is_kept_by_test_of(&mut self, files: &[(&str, &str)], words: &str) {
        let place = Place::new();
        for (name, content) in files {
            let path = place.path().join("migrations").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content.replace("MINE", &self.role)).unwrap();
        }
        let server = application::server_url().replace("app@", &format!("{}@", self.role));
        let mut command = place.command(&["test", "--on", "postgres", "--server", &server]);
        command.env("WASMIGRATE_TEST_CRASH_SECONDS", "1");
        let said = Said::from(command.output().unwrap());
        let now = self.superuser.texts(&format!(
            "SELECT concat_ws(' ', rolpassword, datconnlimit, datacl, (
                 SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = pg_database.oid OR setrole = pg_authid.oid))
             FROM pg_authid, pg_database WHERE rolname = '{0}' AND datname = '{0}'",
            self.role
        ));
        assert_eq!(now, ["-1 0"], "{said:#?}");
        match words {
            "" => {}
            words => {
                assert_ne!(said.status, Some(0), "{said:#?}");
                said.and_says(words);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for what in ["DATABASE", "ROLE"] {
            let _ = self
                .superuser
                .try_run(&format!("DROP {what} {}", self.role));
        }
    }
}

const CHANGES: &str = "EXECUTE 'ALTER ROLE MINE PASSWORD ''owned''';
    EXECUTE 'ALTER ROLE MINE SET search_path = evil';
    EXECUTE 'ALTER DATABASE MINE CONNECTION LIMIT 7';";

/// A table in which a row does this at the commit.
fn put_off(what: &str) -> String {
    format!(
        "CREATE TABLE z (i INTEGER);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what} RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER t AFTER INSERT ON z DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f();
         INSERT INTO z VALUES (1);"
    )
}

const FIRST: (&str, &str) = (
    "0001_first.sql",
    "-- wasmigrate:migrate
CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
-- wasmigrate:reset
DROP TABLE t;
",
);

#[test]
fn a_check_that_waits_for_the_words_of_the_host() {
    let first = format!(
        "-- wasmigrate:migrate
CREATE FUNCTION public.f(i INTEGER) RETURNS BOOLEAN LANGUAGE plpgsql AS $$ BEGIN
    IF current_query() LIKE 'DO $off$%' THEN {CHANGES} END IF;
    RETURN true;
END $$;
CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, CHECK (public.f(id)));
-- wasmigrate:reset
DROP TABLE t;
DROP FUNCTION public.f(INTEGER);
"
    );
    Server::new("turned").is_kept_by_test_of(
        &[
            ("0001_first.sql", &first),
            (
                "0002_two.sql",
                "-- wasmigrate:migrate
CREATE TABLE u (id INTEGER);
-- wasmigrate:reset
DROP TABLE u;
",
            ),
            ("fixtures/0002_two/t.csv", "id,v\n1,a\n2,b\n"),
        ],
        "it changed roles, which belong to the whole server",
    );
}

#[test]
fn a_fixture_that_grants_rights_on_another_database() {
    let grants = "CREATE TABLE z (i INTEGER); GRANT ALL ON DATABASE MINE TO PUBLIC;";
    Server::new("granted").is_kept_by_test_of(
        &[FIRST, ("fixtures/a.postgres.sql", grants)],
        "changes what belongs to the whole server (`pg_database`)",
    );
}

#[test]
fn a_fixture_whose_trigger_waits_for_the_commit() {
    Server::new("put_off").is_kept_by_test_of(
        &[FIRST, ("fixtures/a.postgres.sql", &put_off(CHANGES))],
        "changes what belongs to the whole server",
    );
}

/// It puts itself off again as often as it is brought forward.
#[test]
fn a_fixture_whose_trigger_waits_again() {
    let again = put_off(&format!(
        "IF NEW.i = 1 THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.z VALUES (2); ELSE {CHANGES} END IF;"
    ));
    Server::new("put_off_again")
        .is_kept_by_test_of(&[FIRST, ("fixtures/a.postgres.sql", &again)], "");
}

#[test]
fn an_expectation_whose_trigger_waits_for_the_commit() {
    let expected = format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);\n{}",
        put_off(CHANGES)
    );
    Server::new("expected").is_kept_by_test_of(
        &[
            FIRST,
            ("fixtures/a.sql", "CREATE TABLE b (i INTEGER);"),
            ("fixtures/a.0001.after.sql", &expected),
        ],
        "changes what belongs to the whole server",
    );
}

/// Its tables are emptied for the chain without rows.
#[test]
fn a_fixture_whose_trigger_waits_for_the_tables_to_be_emptied() {
    let emptied = format!(
        "CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {CHANGES} RETURN NULL; END $$;
         CREATE TRIGGER t BEFORE TRUNCATE ON t EXECUTE FUNCTION f();
         ALTER TABLE t ENABLE ALWAYS TRIGGER t;"
    );
    Server::new("emptied").is_kept_by_test_of(
        &[
            ("0001_first.sql", "INSERT INTO t VALUES (2);"),
            ("fixtures/a.postgres.sql", &emptied),
        ],
        "",
    );
}

/// The triggers that do not run while tables are emptied are there for the step.
#[test]
fn triggers_are_what_they_were_when_tables_were_emptied() {
    let fixture = "CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1);
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'they are never emptied'; END $$;
        CREATE TRIGGER one BEFORE TRUNCATE ON t EXECUTE FUNCTION f();
        CREATE TRIGGER two BEFORE TRUNCATE ON t EXECUTE FUNCTION f(); ALTER TABLE t DISABLE TRIGGER two;
        CREATE TRIGGER three BEFORE TRUNCATE ON t EXECUTE FUNCTION f(); ALTER TABLE t ENABLE REPLICA TRIGGER three;";
    let step = "-- wasmigrate:migrate
        DO $$ BEGIN IF (SELECT string_agg(concat(tgname, tgenabled), ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 't'::regclass)
            <> 'oneO threeR twoD' THEN RAISE 'triggers changed'; END IF; END $$;
        CREATE TABLE u (i INTEGER);
        -- wasmigrate:reset
        DROP TABLE u;
        "
    .replace("\n        ", "\n");
    let place = Place::new().with_sql("0001_first.sql", &step);
    std::fs::create_dir(place.step("fixtures")).unwrap();
    std::fs::write(place.step("fixtures/a.postgres.sql"), fixture).unwrap();
    let server = application::server_url();
    let mut command = place.command(&["test", "--on", "postgres", "--server", &server]);
    command.env("WASMIGRATE_TEST_CRASH_SECONDS", "1");
    Said::from(command.output().unwrap()).ends_with(0);
}

/// It would run in the next session, before the host can say anything there. The server marks the database that has one.
#[test]
fn an_event_trigger_that_waits_for_the_next_session() {
    if server_version() < 17 {
        return;
    }
    let trigger = format!(
        "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {CHANGES} END $$;
         CREATE EVENT TRIGGER e ON login EXECUTE FUNCTION f(); ALTER EVENT TRIGGER e ENABLE ALWAYS;"
    );
    let step = format!(
        "-- wasmigrate:migrate\n{trigger}\n-- wasmigrate:reset\nDROP FUNCTION f() CASCADE;\n"
    );
    for (name, files) in [
        (
            "login_step",
            [
                ("0001_first.sql", &*step),
                ("fixtures/b.sql", "CREATE TABLE b (i INTEGER);"),
            ],
        ),
        (
            "login_fixture",
            [FIRST, ("fixtures/a.postgres.sql", &trigger)],
        ),
    ] {
        let mut server = Server::new(name);
        let superuser = format!("ALTER ROLE {} SUPERUSER", server.role);
        server.superuser.run(&superuser);
        server.is_kept_by_test_of(&files, "");
    }
}
