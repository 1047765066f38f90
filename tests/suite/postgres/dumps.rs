//! Dumps of `pg_dump` as a first step, and the rows in them.

use std::process::Command;

use crate::place::Place;

const APPLICATION: &str = "
    CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, photo bytea, about json);
    CREATE TABLE friend (one int REFERENCES person, other int REFERENCES person);
    CREATE VIEW pairs AS SELECT one, other FROM friend;
    CREATE FUNCTION days(begin date, finish date) RETURNS int LANGUAGE sql AS $$ SELECT finish - begin; $$;
    INSERT INTO person VALUES (1, E'Ann;\\n''\\\\.\\t', '\\x00ff', '{\"a\": 1}'), (2, '', NULL, NULL);
    INSERT INTO friend VALUES (1, 2), (2, NULL);";

fn dump(place: &Place, options: &[&str]) -> String {
    let pg_dump = wasmigrate_test_server::binaries().unwrap().join("pg_dump");
    let output = Command::new(pg_dump)
        .args(options)
        .arg(place.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_dump_runs_as_it_is() {
    let original = Place::new().with_data(APPLICATION);
    for options in [&[][..], &["--inserts"], &["--schema-only"]] {
        let script = dump(&original, options);
        // Older ones leave these lines out.
        let script = format!("\\restrict aB3;'\n{script}\n\\unrestrict aB3;'\n");
        let place = Place::new().with_sql("0001_base.sql", &script);
        place.run(&["migrate"]).ends_with(0);
        let expected = Place::new();
        if options.contains(&"--schema-only") {
            let lines = script.lines().filter(|line| !line.starts_with('\\'));
            expected
                .connect()
                .run(&lines.collect::<Vec<_>>().join("\n"));
        }
        match options.contains(&"--schema-only") {
            true => assert_eq!(place.content(), expected.content()),
            false => assert_eq!(place.content(), original.content()),
        }
        place.write_step("0002_next.sql", b"CREATE TABLE public.next (id int);");
        place.run(&["migrate"]).ends_with(0);
    }
}

#[test]
fn a_dump_of_a_target_is_refused_with_what_leaves_the_journal_out() {
    let original = Place::new().with_sql("0001_a.sql", APPLICATION);
    original.run(&["migrate"]).ends_with(0);
    let place = Place::new().with_sql("0001_base.sql", &dump(&original, &[]));
    let way = "--exclude-schema=wasmigrate";
    place.run(&["migrate"]).ends_with(2).and_says(way);
    place.write_step("0001_base.sql", dump(&original, &[way]).as_bytes());
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("person"));
}

#[test]
fn a_dump_with_large_objects_runs_as_it_is() {
    let original = Place::new().with_data(APPLICATION);
    original
        .connect()
        .run("SELECT lo_from_bytea(0, '\\x00ff27'), lo_from_bytea(0, '\\x01')");
    let place = Place::new().with_sql("0001_base.sql", &dump(&original, &[]));
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("BEGIN and COMMIT around large objects are passed over");
    let objects = "SELECT lo_get(oid)::text FROM pg_largeobject_metadata ORDER BY 1";
    assert_eq!(place.texts(objects), ["\\x00ff27", "\\x01"]);
    for script in [
        "SELECT 1; BEGIN; SELECT lo_create(0); CREATE TABLE a (b int); COMMIT; SELECT 1;",
        "SELECT 1; BEGIN; SELECT lo_create(0); ROLLBACK; SELECT 1;",
    ] {
        Place::new()
            .with_sql("0001_a.sql", script)
            .run(&["migrate"])
            .ends_with(2)
            .and_says("the host begins and ends the transaction of a step; take it out");
    }
}

#[test]
fn rows_behind_a_copy_are_loaded() {
    let place = Place::new()
        .with_data("CREATE TABLE t (a int, b text)")
        .with_sql(
            "0001_a.sql",
            "COPY t (a, b) FROM stdin;\n1\tone\n2\t\\N\n\\.\n\nINSERT INTO t VALUES (3, 'three');\n\
         COPY t FROM STDIN WITH (FORMAT csv);\n4,\"a;\n'b\"\n\\.\n",
        );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT a || coalesce(b, '-') FROM t ORDER BY a"),
        ["1one", "2-", "3three", "4a;\n'b"]
    );
    place.write_step("0002_b.sql", b"SELECT 1;\nCOPY t FROM stdin;\nx\ty\n\\.\n");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("statement (line 3): COPY t FROM stdin")
        .and_says("invalid input syntax for type integer");
    place.write_step("0002_b.sql", b"COPY wasmigrate_step FROM stdin;\n\\.\n");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("belong to the host");
    assert_eq!(place.texts("SELECT count(*) FROM t"), ["4"]);
}

#[test]
fn a_transaction_around_a_file_is_passed_over() {
    for (begin, commit) in [
        ("BEGIN", "COMMIT"),
        ("begin work", "commit work"),
        ("BEGIN TRANSACTION READ WRITE", "END"),
        (
            "START TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
            "END TRANSACTION",
        ),
        (
            "SET lock_timeout = 0; BEGIN",
            "COMMIT AND NO CHAIN; RESET lock_timeout",
        ),
    ] {
        let place = Place::new().with_sql(
            "0001_a.sql",
            &format!("-- First.\n{begin};\nCREATE TABLE a (b int);\n{commit};\n-- Last.\n"),
        );
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("BEGIN and COMMIT around the file are passed over");
        assert!(place.has_table("a"), "{begin}");
    }
    for script in [
        "BEGIN; CREATE TABLE a (b int);",
        "CREATE TABLE a (b int); COMMIT;",
        "BEGIN; CREATE TABLE a (b int); COMMIT; CREATE TABLE b (c int); COMMIT;",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE a (b int); COMMIT;",
        "BEGIN; CREATE TABLE a (b int); COMMIT AND CHAIN;",
        "BEGIN; CREATE TABLE a (b int); ROLLBACK;",
    ] {
        let place = Place::new().with_sql("0001_a.sql", script);
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("the host begins and ends the transaction of a step; take it out");
        assert!(!place.has_table("a"), "{script}");
    }
}

#[test]
fn a_comment_may_stand_between_a_copy_and_its_rows() {
    let place = Place::new()
        .with_data("CREATE TABLE t (a int, b text)")
        .with_sql(
            "0001_a.sql",
            "COPY t FROM stdin; -- rows: it's them\n1\tone\n\\.\nCOPY t FROM stdin; /* more */\n2\ttwo\n\\.\n",
        );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT b FROM t ORDER BY a"), ["one", "two"]);
    place.write_step("0002_b.sql", b"COPY t FROM stdin; SELECT 1;\n1\tone\n\\.\n");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("begin on the line after it");
}

#[test]
fn an_error_in_a_row_names_the_line_of_the_row() {
    let place = Place::new()
        .with_data("CREATE TABLE t (a int PRIMARY KEY, b text)")
        .with_sql(
            "0001_a.sql",
            "SELECT 1;\n\nCOPY t FROM stdin;\n1\tone\n2\ttwo\nthree\tx\n\\.\n",
        );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("statement (line 6): COPY t FROM stdin");
    place.write_step(
        "0001_a.sql",
        b"-- wasmigrate:migrate\nCOPY t FROM stdin WITH (FORMAT csv, HEADER);\na,b\n1,\"x\ny\"\n1,two\n\\.\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("statement (line 6): COPY t FROM stdin");
}
