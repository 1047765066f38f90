//! Texts of the server that quote whole values.

use crate::hostile::either::long_texts::ends_in_time;
use crate::place::Place;

/// What all of a failure may come to.
const BEARABLE: i64 = 200_000;

#[test]
fn a_failure_that_quotes_megabytes_is_cut_and_the_journal_stays_readable() {
    for statement in [
        "SELECT repeat('x', 20000000)::integer",
        &format!("SELECT 1 / 0 AS \"{}\"", "z".repeat(20_000_000)),
        "DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'm', DETAIL = repeat('d', 20000000), HINT = repeat('h', 20000000); END $$",
        &format!("SELECT nothing('{}')", "y".repeat(20_000_000)),
    ] {
        let place = Place::new().with_sql("0001_long.sql", &format!("{statement};"));
        let said = place.run(&["migrate"]).ends_with(1);
        assert!(said.stdout.len() + said.stderr.len() < 100_000);
        for query in [
            "SELECT max(octet_length(error)) FROM wasmigrate_run",
            "SELECT max(octet_length(error)) FROM wasmigrate_attempt",
        ] {
            assert!(place.one::<i64>(query) < BEARABLE);
        }
        place.write_step("0001_long.sql", b"CREATE TABLE fine (id INTEGER);");
        for command in ["status", "history", "migrate", "verify"] {
            place.run(&[command]).ends_with(0);
        }
    }
}

/// As an earlier version could write it.
#[test]
fn a_journal_that_has_such_a_failure_is_read() {
    let place = Place::new().with_sql("0001_fails.sql", "SELECT nothing;");
    place.run(&["migrate"]).ends_with(1);
    place.connect().run(
        "UPDATE wasmigrate_run SET error = repeat('x', 80000000);
         UPDATE wasmigrate_attempt SET error = repeat('{', 80000000);
         INSERT INTO wasmigrate_output (run, sequence, phase, written_at, level, line)
             VALUES (1, 1, 'migrate', 0, 'info', repeat('y', 80000000))",
    );
    place.write_step("0001_fails.sql", b"CREATE TABLE fine (id INTEGER);");
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("cannot be read");
    place.run(&["history", "--output"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn a_notice_that_quotes_megabytes_is_cut() {
    let place = Place::new().with_sql(
        "0001_shout.sql",
        "DO $$ BEGIN FOR i IN 1..5 LOOP RAISE NOTICE '%', repeat('x', 20000000); END LOOP; END $$;",
    );
    let said = place.run(&["migrate"]).ends_with(0);
    assert!(said.stdout.len() < 200_000, "{}", said.stdout.len());
    let bytes = "SELECT sum(octet_length(line)) FROM wasmigrate_output";
    assert!(place.one::<i64>(bytes) < 100_000);
    // Many that are bearable one by one.
    let place = Place::new().with_sql(
        "0001_shout.sql",
        "DO $$ BEGIN FOR i IN 1..900 LOOP RAISE NOTICE '%', repeat('x', 8000); END LOOP; END $$;",
    );
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("the database says more than 1024 KiB");
    assert!(place.one::<i64>(bytes) < 1_100_000);
}

#[test]
fn a_script_is_judged_in_a_time_that_grows_with_its_length() {
    for text in [
        "BEGIN;\nCOMMIT;\n",
        "DROP TABLE a;\n",
        "SELECT pg_catalog.lo_create('1');\n",
    ] {
        let place = Place::new();
        place.write_step(
            "0001_long.sql",
            text.repeat(1_000_000 / text.len()).as_bytes(),
        );
        ends_in_time(&place, &["plan"], text);
    }
}

/// There may be something to say about each part of a statement, which is not said in full for each.
#[test]
fn what_is_said_of_a_statement_is_not_as_long_as_its_square() {
    let parts = ", DROP a".repeat(50_000);
    let place = Place::new().with_sql("0001_long.sql", &format!("ALTER TABLE t DROP b{parts};"));
    let said = ends_in_time(&place, &["plan"], "ALTER TABLE");
    let length = format!("{said:?}").len();
    assert!(length < 10_000_000, "{length}");
}
