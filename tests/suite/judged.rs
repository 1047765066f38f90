//! What can be known from the text of the files alone is told before the first of them runs.

use crate::application::{self, Kind};
use crate::place::Place;
use crate::tenants::{Tenants as _, counting};

/// Texts that never run to their end, and what is said of them.
fn mistakes() -> Vec<(&'static str, &'static str)> {
    let mut mistakes = vec![
        (
            "SELECT 1;\nSELECT 'a;",
            "a string begins here and never ends",
        ),
        ("SELECT 1;\n/* a", "begins here and never ends"),
        ("SELECT 1;\nSELECT \"a", "begins here and never ends"),
        (
            "SELECT 1;\nSAVEPOINT a;",
            "not permitted: SAVEPOINT: a step in SQL is kept or undone as a whole",
        ),
        (
            "SELECT 1;\nROLLBACK TO a;",
            "a step in SQL is kept or undone as a whole",
        ),
        ("SELECT 1;\nROLLBACK;", "not permitted: ROLLBACK"),
    ];
    mistakes.extend(Place::in_sql_of("", "x").chars().flat_map(|_| {
        [
            ("SELECT 1;\nDO $$ BEGIN", "begins here and never ends"),
            (
                "SELECT 1;\nSELECT pg_read_file('a');",
                "a step cannot reach outside the target",
            ),
            (
                "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON a (b);",
                "CREATE INDEX CONCURRENTLY cannot run inside a transaction block: move it into a file of its own",
            ),
            (
                "SELECT 1;\nDROP TABLE wasmigrate_step;",
                "belong to the host",
            ),
            (
                "SELECT 1;\nDROP SCHEMA wasmigrate CASCADE;",
                "belong to the host",
            ),
            (
                "SELECT 1;\nALTER SCHEMA wasmigrate RENAME TO x;",
                "belong to the host",
            ),
            (
                "SELECT 1;\nGRANT ALL ON ALL TABLES IN SCHEMA wasmigrate TO PUBLIC;",
                "belong to the host",
            ),
            (
                "SELECT 1;\nCREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p;",
                "not permitted: CREATE SUBSCRIPTION",
            ),
        ]
    }));
    mistakes.extend(Place::in_sql_of("x", "").chars().flat_map(|_| {
        [
            ("SELECT 1;\nATTACH 'b.db' AS b;", "not permitted: ATTACH"),
            (
                "SELECT 1;\nPRAGMA recursive_triggers = ON;",
                "not permitted: PRAGMA recursive_triggers",
            ),
            (
                "SELECT 1;\nDROP TABLE wasmigrate_journal;",
                "belong to the host",
            ),
            (
                "SELECT 1;\nDROP TABLE IF EXISTS main.wasmigrate_journal;",
                "belong to the host",
            ),
            (
                "SELECT 1;\nCREATE TABLE wasmigrate_x (a);",
                "belong to the host",
            ),
            (
                "SELECT 1;\nDELETE FROM \"wasmigrate_run\";",
                "belong to the host",
            ),
            (
                "SELECT 1;\nINSERT OR IGNORE INTO wasmigrate_run VALUES (1);",
                "belong to the host",
            ),
            (
                "SELECT 1;\nUPDATE wasmigrate_run SET id = 2;",
                "belong to the host",
            ),
            (
                "SELECT 1;\nALTER TABLE wasmigrate_run RENAME TO x;",
                "belong to the host",
            ),
            (
                "SELECT 1;\nCREATE TABLE IF NOT EXISTS pragma_x (a);",
                "are those of SQLite's own functions",
            ),
            (
                "SELECT 1;\nSELECT load_extension('x');",
                "a step cannot load code",
            ),
            (
                "SELECT 1;\nALTER TABLE a RENAME TO wasmigrate_a;",
                "belong to the host",
            ),
        ]
    }));
    mistakes
}

#[test]
fn a_mistake_in_a_later_step_keeps_the_first_from_running() {
    for (text, said) in mistakes() {
        for (text, line) in [
            (text.to_owned(), 2),
            (
                format!("-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\n{text}"),
                5,
            ),
        ] {
            let place = Place::new()
                .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
                .with_sql("0002_b.sql", &text);
            for command in [&["migrate"][..], &["finalize"], &["plan", "--dry-run"]] {
                let ended = place.run(command);
                assert_ne!(ended.status, Some(0), "{command:?} {text}: {ended:#?}");
                ended.and_says(said).and_says("0002_b");
                assert!(!place.has_table("a"), "{command:?} {text}");
            }
            place
                .run(&["migrate"])
                .ends_with(2)
                .and_says(&format!("(line {line})"));
            place
                .run(&["plan"])
                .ends_with(2)
                .and_says(&format!("`0002_b.sql`, line {line}"));
            place
                .run(&["status"])
                .and_says(&format!("`0002_b.sql`, line {line}"))
                .and_says("migration_required");
            // Nothing was begun.
            place.write_step("0002_b.sql", b"CREATE TABLE c (d INTEGER);");
            place.run(&["finalize"]).ends_with(0);
        }
    }
}

/// A mistake in the path is found before there is a file, and one in a step before there is a journal.
#[test]
fn a_refused_run_makes_nothing() {
    let place = Place::new().with_sql("0001_a.sql", "SELECT 1; SAVEPOINT a;");
    place.run(&["migrate"]).ends_with(2).and_says("SAVEPOINT");
    match application::kind() {
        Kind::Sqlite => assert!(!place.database().exists()),
        Kind::Postgres => {
            let count = "SELECT count(*) FROM pg_namespace WHERE nspname = 'wasmigrate'";
            assert_eq!(place.one::<i64>(count), 0);
        }
    }
    place.write_step("0001_a.sql", b"CREATE TABLE a (b INTEGER);");
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn a_mistake_for_tenants_keeps_all_from_running() {
    for how in [&["migrate"][..], &["migrate", "--parallel", "2"]] {
        let place = counting().with_tenants(&["ann", "bob"]);
        place.write_step(
            "tenants/002_a.sql",
            b"INSERT INTO {schema}.counted VALUES (10, '{schema}');",
        );
        place.write_step("tenants/003_b.sql", b"SELECT 1;\nSELECT '{schema};");
        for command in [how, &["plan", "--dry-run"]] {
            let ended = place.run(command);
            assert_ne!(ended.status, Some(0), "{ended:#?}");
            ended
                .and_says("a string begins here and never ends")
                .and_says("003_b");
        }
        place.run(&["status"]).and_says("never ends");
        let runs = place.texts("SELECT id FROM wasmigrate_run").len();
        place.run(how).ends_with(2);
        assert_eq!(place.texts("SELECT id FROM wasmigrate_run").len(), runs);
        assert_eq!(
            (place.sum("ann"), place.sum("bob")),
            ("1".into(), "1".into())
        );
        place.write_step("tenants/003_b.sql", b"SELECT '{schema}';");
        place.run(how).ends_with(0);
        assert_eq!(place.sum("bob"), "11");
    }
}

#[test]
fn a_file_asks_for_a_transaction_or_for_none() {
    let text = Place::in_sql_of(
        "-- wasmigrate:no-transaction\nBEGIN;\nVACUUM;\nCOMMIT;\n",
        "-- wasmigrate:no-transaction\nBEGIN;\nCREATE TABLE a (b INTEGER);\nCOMMIT;\n",
    );
    let place = Place::new().with_sql("0001_a.sql", text);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("the file asks to run outside a transaction, and in one of its own")
        .and_says("(line 2)");
    place.write_step("0001_a.sql", b"CREATE TABLE a (b INTEGER);");
    place.run(&["migrate"]).ends_with(0);
}

mod postgres {
    use crate::place::Place;

    #[test]
    fn what_would_take_the_journal_along_is_named() {
        for (statement, said) in [
            (
                "REASSIGN OWNED BY CURRENT_USER TO pg_monitor",
                "REASSIGN OWNED BY CURRENT_USER: it would give away all that the role owns",
            ),
            (
                "DROP OWNED BY session_user",
                "DROP OWNED BY session_user: it would drop all that the role owns",
            ),
            ("DROP OWNED BY app", "the journal of the host among it"),
            (
                "REASSIGN OWNED BY \"app\" TO pg_monitor",
                "write ALTER … OWNER TO …",
            ),
        ] {
            let place = Place::new().with_sql("0001_a.sql", statement);
            let ended = place.run(&["migrate"]);
            assert_ne!(ended.status, Some(0), "{ended:#?}");
            assert!(!ended.stderr.contains("tampered"), "{ended:#?}");
            ended.and_says(said);
        }
    }

    #[test]
    fn a_string_is_read_as_the_server_reads_it() {
        let place = Place::new();
        let name = place.server_database().to_owned();
        place.connect_as_superuser().run(&format!(
            "ALTER DATABASE \"{name}\" SET standard_conforming_strings = off"
        ));
        let place = place.with_sql("0001_a.sql", "CREATE TABLE a AS SELECT 'it\\'s' AS b;");
        place.run(&["migrate"]).ends_with(0);
        assert_eq!(place.texts("SELECT b FROM a"), ["it's"]);
    }
}

/// Files that cannot be read as what they are, and what is said of them.
const UNREADABLE: [(&str, &[u8], &str); 6] = [
    (
        "0002_b.sql",
        b"CREATE TABLE t (x INTEGER);\n-- wasmigrate:reset\nDROP TABLE t;\n",
        "02_b.sql`, line ",
    ),
    ("0002_b.sql", b"SELECT '\xfc';\n", "UTF-8"),
    ("0002_b.sql", b"S\0E\0", "02_b"),
    ("0002_b.sql", b"SELECT 1;\0", "02_b"),
    (
        "0002_b.sql",
        b"-- wasmigrate:placeholders\nSELECT ${nobody};\n",
        "there is no value for `${nobody}`",
    ),
    ("0002_b.js", b"export function migrate( {\n", "02_b"),
];

#[test]
fn a_first_run_that_is_refused_makes_neither_a_database_nor_a_journal() {
    for (name, text, said) in UNREADABLE {
        for command in ["migrate", "finalize"] {
            let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
            place.write_step(name, text);
            place.run(&[command]).ends_with(2).and_says(said);
            assert!(place.is_untouched(), "{name} {said}");
        }
        let place = counting();
        place.write_step(&format!("tenants/{}", &name[1..]), text);
        place
            .run(&["tenants", "add", "acme"])
            .ends_with(2)
            .and_says(said);
        assert!(place.is_untouched(), "{name} {said}");
        let place = counting();
        place.write_step(&format!("single/{}", &name[1..]), text);
        place.run(&["migrate"]).ends_with(2).and_says(said);
        assert!(place.is_untouched(), "{name} {said}");
    }
}
