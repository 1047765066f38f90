//! `squash`: a baseline is made of the steps, and comes to the same.

use super::{A, C, squashed, steps};
use crate::application::{self, Kind};
use crate::place::Place;

#[test]
fn a_second_one_begins_with_the_first() {
    let place = with_server(Place::new().with_sql("0001_a.sql", A));
    place.run(&["squash", "--to", "1"]).ends_with(0);
    std::fs::remove_file(place.step("0001_a.sql")).unwrap();
    place.write_step(
        "0002_b.sql",
        b"CREATE TABLE b (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1);",
    );
    place
        .run(&["squash", "--to", "2", "--name", "two"])
        .ends_with(0)
        .and_says("it stands for 2 steps");
    let text = std::fs::read_to_string(place.step(&format!("0002_two.baseline.{}.sql", on())));
    let text = text.unwrap();
    assert!(
        text.contains("-- squashed: 0001_a ") && text.contains("-- squashed: 0002_b "),
        "{text}"
    );
    place
        .run(&["test", "--on", on()])
        .and_says("same as steps     schema, rows and sequences are those of 2 steps");
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("b"));
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 1);
    // The first step is in the baseline alone, and the second one's file is there.
    for command in ["migrate", "verify"] {
        place.run(&[command]).ends_with(0);
    }
    place.write_step("0001_a.sql", A.as_bytes());
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn values_of_the_settings_are_not_frozen_and_data_stay_as_they_are() {
    let place = with_server(Place::new())
        .with_variable("WASMIGRATE_PLACEHOLDERS", "true")
        .with_sql(
            "0001_a.sql",
            "CREATE TABLE a (line TEXT);\nINSERT INTO a VALUES ('from ${region}');",
        );
    place
        .run(&["squash", "--to", "1", "--set", "region=north"])
        .ends_with(2)
        .and_says("`0001_a.sql`, line 2, takes a value from the settings");
    place.write_step(
        "0001_a.sql",
        b"CREATE TABLE a (line TEXT);\nINSERT INTO a VALUES ('from \\${region}');\nCREATE VIEW v AS SELECT '\\${x}' AS x;",
    );
    place.run(&["squash", "--to", "1"]).ends_with(0);
    place
        .run(&["finalize", "--set", "region=south"])
        .ends_with(0);
    assert_eq!(place.texts("SELECT line FROM a"), ["from ${region}"]);
    assert_eq!(place.texts("SELECT x FROM v"), ["${x}"]);
}

#[test]
fn a_script_is_squashed_with_the_rest() {
    let place = with_server(Place::new().with_sql("0001_a.sql", A)).with_sql(
        "0002_b.js",
        "export function migrate(db) {\n  db.execute('CREATE TABLE b (id INTEGER PRIMARY KEY)');\n}\n\
         export function finalize(db) {\n  db.execute('INSERT INTO b VALUES (${region})'.replace('${region}', '7'));\n}\n",
    );
    let place = place.with_variable("WASMIGRATE_PLACEHOLDERS", "true");
    place
        .run(&["squash", "--to", "2"])
        .ends_with(0)
        .and_says("it stands for 2 steps");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT id FROM b"), 7);
}

#[test]
fn a_name_that_is_none_of_a_file_is_refused() {
    let place = with_server(steps());
    for name in ["", "a/b", "a.b"] {
        place
            .run(&["squash", "--to", "2", "--name", name])
            .ends_with(2)
            .and_says(&format!("a baseline cannot be called `{name}`"));
    }
    place.run(&["plan"]).ends_with(0);
}

#[test]
fn texts_that_no_file_can_hold_are_kept() {
    if application::kind() != Kind::Sqlite {
        return;
    }
    let place = Place::new().with_sql(
        "0001_a.sql",
        "CREATE TABLE a (line TEXT); INSERT INTO a VALUES ('a' || char(0) || 'b'), (CAST(x'61ff62' AS TEXT)), ('c' || char(13, 10));",
    );
    place.run(&["squash", "--to", "1"]).ends_with(0);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("0001_a is included");
    assert_eq!(
        place.texts("SELECT typeof(line) || hex(CAST(line AS BLOB)) FROM a ORDER BY 1"),
        ["text610062", "text61FF62", "text630D0A"]
    );
}

#[test]
fn rights_and_the_schema_of_the_target_are_kept() {
    if application::kind() != Kind::Postgres {
        return;
    }
    let place = Place::new().with_data("CREATE SCHEMA shop;").with_sql(
        "0001_a.sql",
        "CREATE TABLE a (id INTEGER PRIMARY KEY); GRANT SELECT ON a TO PUBLIC;
         CREATE FUNCTION f() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC;
         ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO PUBLIC;",
    );
    let place = with_server(place);
    let and = if place.url().contains('?') { '&' } else { '?' };
    let target = format!("{}{and}options=-csearch_path%3Dshop", place.url());
    place
        .run(&["squash", "--to", "1", "--database", &target])
        .ends_with(0);
    // Without the right database, its baseline is easily overlooked.
    place
        .run(&["test", "--database", &target])
        .and_says("NOT checked on PostgreSQL");
    place
        .run(&["test", "--database", &target, "--on", "postgres"])
        .and_says("✓ same as steps");
    place
        .run(&["finalize", "--database", &target])
        .ends_with(0)
        .and_says("0001_a is included");
    assert_eq!(
        place.texts(
            "SELECT has_table_privilege('public', 'shop.a', 'SELECT') || ' ' || has_function_privilege('public', 'shop.f()', 'EXECUTE')"
        ),
        ["true false"]
    );
    assert_eq!(place.one::<i64>("SELECT count(*) FROM pg_default_acl"), 1);
    assert!(
        place
            .texts("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            .is_empty()
    );
}

/// A killed one could not drop them.
#[test]
fn databases_that_were_left_behind_are_dropped_and_those_in_use_are_not() {
    if application::kind() != Kind::Postgres {
        return;
    }
    const LEFT: &str = "wasmigrate_test_0123abcd";
    let place = with_server(Place::new().with_sql("0001_a.sql", A));
    let mut superuser = place.connect_as_superuser();
    // Whoever runs another test says so, before it makes any.
    let mut keeper = place.connect();
    keeper.run("SET application_name = 'wasmigrate_test_4567cdef'");
    let names = [
        "0123abcd_0",
        "0123abcd_12",
        "4567cdef_0",
        "mine",
        "89abcdef_0",
    ];
    for name in names {
        superuser.run(&format!("CREATE DATABASE wasmigrate_test_{name} OWNER app"));
    }
    superuser.run("ALTER DATABASE wasmigrate_test_89abcdef_0 OWNER TO postgres");
    place.run(&["squash", "--to", "1"]).ends_with(0);
    let left = superuser.texts(
        "SELECT datname FROM pg_database WHERE datname ~ '^wasmigrate_test_(0123abcd|4567cdef|mine|89abcdef)' ORDER BY 1",
    );
    drop(keeper);
    for name in names {
        superuser.run(&format!("DROP DATABASE IF EXISTS wasmigrate_test_{name}"));
    }
    assert!(!left.iter().any(|name| name.starts_with(LEFT)), "{left:?}");
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn what_is_declared_to_differ_may_differ_from_the_baseline() {
    let place = with_server(Place::new()).with_sql(
        "0001_a.sql",
        Place::in_sql_of(
            "-- wasmigrate:migrate\nCREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT);
INSERT INTO t VALUES (1, strftime('%Y-%m-%d %H:%M:%f', 'now'));\n-- wasmigrate:reset\nDROP TABLE t;",
            "-- wasmigrate:migrate\nCREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMPTZ DEFAULT now());
INSERT INTO t VALUES (1);\n-- wasmigrate:reset\nDROP TABLE t;",
        ),
    );
    place.run(&["squash", "--to", "1"]).ends_with(0);
    place
        .run(&["test", "--on", on()])
        .ends_with(1)
        .and_says("✗ same as steps")
        .and_says("is named in `volatile` of the .test.toml of a step that it stands for");
    place.write_step("0001_a.test.toml", b"volatile = [\"t.at\"]\n");
    place
        .run(&["test", "--on", on()])
        .ends_with(0)
        .and_says("✓ same as steps");
}

/// Where throw-away databases are made.
pub(super) fn with_server(place: Place) -> Place {
    let place = place.with_variable("WASMIGRATE_TEST_CRASH_SECONDS", "1");
    match application::kind() {
        Kind::Sqlite => place,
        Kind::Postgres => {
            let url = place.url();
            let path = std::env::var("PATH").unwrap_or_default();
            place
                .with_variable("WASMIGRATE_TEST_SERVER", &url)
                .with_variable("PATH", &format!("/usr/lib/postgresql/15/bin:{path}"))
        }
    }
}

fn on() -> &'static str {
    Place::in_sql_of("sqlite", "postgres")
}

const ROWS: &str = "INSERT INTO a VALUES (7), (8);
     CREATE TABLE said (id INTEGER PRIMARY KEY, line TEXT, price NUMERIC);
     INSERT INTO said VALUES (1, 'it''s; -- \"so\"', 1.50), (2, NULL, NULL);
     CREATE INDEX by_line ON said (line);
     CREATE VIEW lines AS SELECT line FROM said;";

#[test]
fn one_is_made_of_the_steps_and_proven_to_come_to_the_same() {
    let place = with_server(
        Place::new()
            .with_sql("0001_a.sql", A)
            .with_sql("0002_rows.sql", ROWS)
            .with_sql("0003_c.sql", C),
    );
    let file_name = format!("0002_squashed.baseline.{}.sql", on());
    place
        .run(&["squash", "--to", "2"])
        .ends_with(0)
        .and_says(&file_name)
        .and_says("it stands for 2 steps on new databases");
    let text = std::fs::read_to_string(place.step(&file_name)).unwrap();
    assert!(
        text.contains("-- squashed: 0001_a ") && text.contains("\n-- squashed: 0002_rows "),
        "{text}"
    );
    assert!(!text.contains("wasmigrate"), "{text}");
    // What else is found of the steps, which have no reset, does not matter.
    place
        .run(&["test", "--on", on()])
        .and_says("0002_squashed.baseline")
        .and_says("✓ same as steps     schema, rows and sequences are those of 2 steps");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("0001_a is included");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM lines"), 2);
    assert!(place.has_table("c"));
    // It is never written over.
    place
        .run(&["squash", "--to", "2"])
        .ends_with(2)
        .and_says("cannot make");
    place
        .run(&["squash", "--to", "7"])
        .ends_with(2)
        .and_says("7");
}

#[test]
fn one_that_comes_to_something_else_is_found() {
    let place = with_server(squashed(steps()));
    place
        .run(&["test", "--on", on()])
        .ends_with(1)
        .and_says("0002_all.baseline")
        .and_says("begun is there with the baseline alone");
}

#[test]
fn flyways_manner_is_kept() {
    let place = with_server(
        Place::new()
            .with_sql("V1__a.sql", A)
            .with_sql("V1.2__c.sql", C),
    );
    place
        .run(&["squash", "--to", "V1.2", "--name", "all"])
        .ends_with(0)
        .and_says(&format!("B1.2__all.{}.sql", on()));
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("V1__a is included");
    assert!(place.has_table("a") && place.has_table("c"));
}

/// A target that has only some of the steps, and none of their files.
#[test]
fn a_way_out_is_named_that_can_be_gone() {
    let files = [
        ("0001_a.sql", "CREATE TABLE a (b INTEGER);"),
        ("0002_b.sql", "CREATE TABLE b (c INTEGER);"),
    ];
    let place = Place::new();
    let put_back = || {
        for (name, text) in files {
            place.write_step(name, text.as_bytes());
        }
    };
    put_back();
    place.run(&["migrate", "--to", "1"]).ends_with(0);
    let baseline = Place::in_sql_of(
        "0002_all.baseline.sqlite.sql",
        "0002_all.baseline.postgres.sql",
    );
    place.write_step(
        baseline,
        b"CREATE TABLE a (b INTEGER); CREATE TABLE b (c INTEGER);",
    );
    for (name, _) in files {
        std::fs::remove_file(place.step(name)).unwrap();
    }
    place
        .run(&["baseline", "--through", "2"])
        .ends_with(2)
        .and_says("put back its file and those of the steps that are with it in a baseline");
    put_back();
    place.run(&["finalize"]).ends_with(0);
}

mod sqlite {
    use super::*;

    #[test]
    fn every_value_comes_back_as_it_was() {
        let place = Place::new().with_sql(
            "0001_a.sql",
            "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
             INSERT INTO a (v) VALUES (-0.0), (0.0), (9e999), (-9e999), (1e308), (5e-324), (0.1), (1234567890.123456789),
             (9223372036854775807), (-9223372036854775808), (9007199254740993), (x'0027ff'), (CAST(x'410042' AS TEXT)),
             ('it''s'), (''), (x''), (NULL);
             DELETE FROM a WHERE id = 17; ANALYZE;",
        );
        place.run(&["squash", "--to", "1"]).ends_with(0);
        place
            .run(&["test", "--on", "sqlite"])
            .and_says("✓ same as steps     schema, rows and sequences are those of 1 step");
    }
}
