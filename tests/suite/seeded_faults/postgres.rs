//! What shows only where there is PostgreSQL: beside SQLite, or alone.

mod environment;
mod role;

use super::{caught, clean, fixture, people, test, test_on};
use crate::application;
use crate::place::{Place, Said};

const BOTH: &str = "sqlite,postgres";

#[test]
fn sql_that_one_database_alone_understands() {
    let place = people().with_sql(
        "0002_step.sql",
        "-- wasmigrate:migrate
INSERT OR REPLACE INTO person (id, name) VALUES (1, 'Zoe');
-- wasmigrate:reset
",
    );
    caught(
        test_on(&place, BOTH, &["2"]),
        "applies",
        "write what both databases understand",
    );
    let step = "-- wasmigrate:migrate
INSERT INTO person (id, name) VALUES (1, 'Zoe') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
-- wasmigrate:reset
DELETE FROM person WHERE id = 1 AND note IS NULL;
";
    place.write_step("0002_step.sql", step.as_bytes());
    std::fs::write(
        place.path().join("migrations/0002_step.test.toml"),
        "lossy = [\"person\"]\n",
    )
    .unwrap();
    clean(test_on(&place, BOTH, &["2"]));
}

#[test]
fn what_the_databases_understand_differently() {
    let step = |condition: &str| {
        format!(
            "-- wasmigrate:migrate
ALTER TABLE person ADD COLUMN is_ann INTEGER;
UPDATE person SET is_ann = CASE WHEN {condition} THEN 1 ELSE 0 END;
-- wasmigrate:reset
ALTER TABLE person DROP COLUMN is_ann;
"
        )
    };
    let place = people().with_sql("0002_step.sql", &step("name LIKE 'ann'"));
    caught(
        test_on(&place, BOTH, &["2"]),
        "everywhere",
        "2 rows differ in is_ann",
    );
    place.write_step("0002_step.sql", step("name = 'ann'").as_bytes());
    let kept = place.path().join("migrations/fixtures/0002_step");
    let _ = std::fs::remove_dir_all(kept);
    clean(test_on(&place, BOTH, &["2"]));
}

/// Deleting parents takes their children along, which no reset brings back.
#[test]
fn a_cascade_that_wipes_child_rows() {
    let place = people()
        .with_sql(
            "0002_pet.sql",
            "CREATE TABLE pet (id INTEGER PRIMARY KEY, person_id INTEGER REFERENCES person ON DELETE CASCADE);",
        )
        .with_sql(
            "0003_step.sql",
            "-- wasmigrate:migrate
CREATE TABLE human AS SELECT * FROM person;
DELETE FROM person;
-- wasmigrate:reset
INSERT INTO person SELECT * FROM human;
DROP TABLE human;
",
        );
    fixture(
        &place,
        "pets.json",
        r#"{"person": [{"id": 1, "name": "Ann"}], "pet": [{"id": 1, "person_id": 1}]}"#,
    );
    let first = place.path().join("migrations/fixtures/person.csv");
    std::fs::remove_file(first).unwrap();
    caught(
        test(&place, &["3"]),
        "reset",
        "the table pet: 1 row missing, first: id=1",
    );
    place.write_step(
        "0003_step.sql",
        b"-- wasmigrate:migrate
CREATE TABLE human AS SELECT * FROM person;
-- wasmigrate:reset
DROP TABLE human;
",
    );
    clean(test(&place, &["3"]));
}

/// Outside a transaction each statement stays.
#[test]
fn a_statement_outside_a_transaction_that_cannot_run_twice() {
    let step = |unless: &str| {
        format!(
            "-- wasmigrate:no-transaction
-- wasmigrate:migrate
CREATE INDEX CONCURRENTLY {unless} person_name ON person (name);
CREATE INDEX CONCURRENTLY {unless} person_note ON person (note);
-- wasmigrate:reset
DROP INDEX IF EXISTS person_name;
DROP INDEX IF EXISTS person_note;
"
        )
    };
    let place = people().with_sql("0002_step.sql", &step(""));
    caught(
        test(&place, &["2"]),
        "crashes",
        "let each find out whether it was done",
    );
    place.write_step("0002_step.sql", step("IF NOT EXISTS").as_bytes());
    clean(test(&place, &["2"]));
}

/// A role of its own makes the databases, so that those of other tests are told apart.
#[test]
fn no_database_is_left_on_the_server() {
    let role = format!("tidy_{}", std::process::id());
    let mut superuser = application::superuser("postgres");
    superuser.run(&format!("CREATE ROLE {role} LOGIN CREATEDB"));
    let server = application::server_url().replace("app@", &format!("{role}@"));
    let place = people();
    clean(test(&place, &["1", "--server", &server]));
    let failing = place.with_sql("0002_step.sql", "SELECT nothing;");
    test(&failing, &["--server", &server]).ends_with(1);
    let left = superuser.rows(&format!(
        "SELECT datname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba WHERE rolname = '{role}'"
    ));
    assert!(left.is_empty(), "{left:?}");
    superuser.run(&format!("DROP ROLE {role}"));
}

#[test]
fn a_dump_of_pg_dump() {
    let place = people().with_sql(
        "0002_step.sql",
        "-- wasmigrate:migrate
UPDATE city SET name = upper(name);
-- wasmigrate:reset
UPDATE city SET name = lower(name);
",
    );
    let dump = "SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.city (
    id integer NOT NULL,
    name text
);
COPY public.city (id, name) FROM stdin;
1\tdelft
2\t\\N
3\tden\\thaag
\\.
ALTER TABLE ONLY public.city ADD CONSTRAINT city_pkey PRIMARY KEY (id);
";
    fixture(&place, "cities.sql", dump);
    fixture(
        &place,
        "cities.0002.after.json",
        r#"{"city": [{"id": 1, "name": "DELFT"}, {"id": 2, "name": null}, {"id": 3, "name": "DEN\tHAAG"}]}"#,
    );
    std::fs::write(
        place.path().join("migrations/0002_step.test.toml"),
        "lossy = [\"city.name\"]\n",
    )
    .unwrap();
    clean(test(&place, &["2"]));
}

/// Whether a trigger fires is what the steps have made it, whatever order the rows are in.
#[test]
fn how_triggers_fire_is_kept_while_rows_are_stored_in_another_order() {
    let place = Place::new()
        .with_sql(
            "0001_a.postgres.sql",
            "-- wasmigrate:migrate
CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE CONSTRAINT TRIGGER always AFTER INSERT ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER never BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER replica BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER usual BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
ALTER TABLE t ENABLE ALWAYS TRIGGER always;
ALTER TABLE t DISABLE TRIGGER never;
ALTER TABLE t ENABLE REPLICA TRIGGER replica;
INSERT INTO t VALUES (1, 1), (2, 2);
-- wasmigrate:reset
DROP TABLE t;
DROP FUNCTION f;
",
        )
        .with_sql(
            "0002_b.postgres.sql",
            "-- wasmigrate:migrate
ALTER TABLE t ADD COLUMN c INTEGER;
-- wasmigrate:reset
ALTER TABLE t DROP COLUMN c;
",
        );
    test_on(&place, "postgres", &["0002_b"]).ends_with(0);
}

/// Two long texts are told apart where they differ.
#[test]
fn a_difference_of_two_long_texts_is_shown() {
    let place = Place::new().with_sql(
        "0001_a.postgres.sql",
        "-- wasmigrate:migrate
CREATE TABLE t (id INTEGER PRIMARY KEY);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER a_trigger_with_a_long_name BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
-- wasmigrate:reset
DROP TABLE t;
DROP FUNCTION f;
",
    );
    let place = place.with_sql(
        "0002_b.postgres.sql",
        "-- wasmigrate:migrate
ALTER TABLE t ENABLE ALWAYS TRIGGER a_trigger_with_a_long_name;
-- wasmigrate:reset
ALTER TABLE t DISABLE TRIGGER a_trigger_with_a_long_name;
",
    );
    test_on(&place, "postgres", &["0002_b"])
        .ends_with(1)
        .and_says("is `…FUNCTION public.f() D` instead of `…FUNCTION public.f() O`");
}

/// Nobody has to say what the names of all files say.
#[test]
fn steps_for_one_database_alone_are_tried_there() {
    let place = Place::new().with_sql(
        "0001_a.postgres.sql",
        "-- wasmigrate:migrate\nCREATE TABLE a (id INTEGER PRIMARY KEY);\n-- wasmigrate:reset\nDROP TABLE a;",
    );
    for arguments in [&["test"][..], &["test", "0001_a"]] {
        place
            .run(arguments)
            .ends_with(2)
            .and_says("there are steps for PostgreSQL alone: name a PostgreSQL server")
            .and_says("--server postgres://USER@HOST/NAME");
        let mut command = place.command(arguments);
        command.env("WASMIGRATE_TEST_SERVER", crate::application::server_url());
        Said::from(command.output().unwrap())
            .ends_with(0)
            .and_says("✓ reset undoes");
    }
    place
        .run(&["test", "--on", "sqlite"])
        .ends_with(2)
        .and_says("are for PostgreSQL alone: say `--on postgres`");
    place.write_step("0002_b.sql", b"SELECT 1;");
    place
        .run(&["test", "0001_a"])
        .ends_with(2)
        .and_says("the step 0001_a in `migrations` is for PostgreSQL alone: say `--on postgres`");
}
