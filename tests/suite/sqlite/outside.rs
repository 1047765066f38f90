//! Steps that run outside a transaction on SQLite.

use crate::place::Place;

fn filled() -> Place {
    Place::new().with_data(
        "PRAGMA auto_vacuum = NONE; CREATE TABLE a (b TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO a SELECT hex(randomblob(200)) FROM n;
         DELETE FROM a WHERE rowid > 10;",
    )
}

fn free_pages(place: &Place) -> i64 {
    place.one("PRAGMA freelist_count")
}

#[test]
fn a_file_of_vacuum_runs_outside_a_transaction_by_itself() {
    for script in [
        "VACUUM;",
        "-- wasmigrate:no-transaction\nPRAGMA auto_vacuum = INCREMENTAL;\nVACUUM main;\n",
    ] {
        let place = filled().with_sql("0001_a.sql", script);
        assert!(free_pages(&place) > 10);
        place.run(&["plan"]).ends_with(0);
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("0001_a migrated");
        assert_eq!(free_pages(&place), 0, "{script}");
        assert_eq!(place.texts("SELECT count(*) FROM a"), ["10"]);
        let incremental = script.contains("INCREMENTAL");
        assert_eq!(
            place.one::<i64>("PRAGMA auto_vacuum"),
            i64::from(incremental) * 2
        );
        let state: String = place.one("SELECT state FROM wasmigrate_step");
        assert_eq!(state, "migrated");
        place.write_step("0002_b.sql", b"CREATE TABLE c (d);");
        place.run(&["migrate"]).ends_with(0);
        place.run(&["finalize"]).ends_with(0);
        place.is_whole();
    }
    let place = filled().with_sql("0001_a.sql", "VACUUM;");
    let said = "0001_a runs outside a transaction: each of its statements refuses to run in one";
    place.run(&["plan"]).ends_with(0).and_says(said);
    place.run(&["migrate"]).ends_with(0).and_says(said);
}

#[test]
fn what_undoes_with_vacuum_stops_nothing_but_a_reset_that_cannot_be() {
    let place = filled()
        .with_sql("1_a.up.sql", "VACUUM;")
        .with_sql("1_a.down.sql", "-- no-transaction\nVACUUM;");
    for command in ["plan", "status", "migrate", "reset"] {
        place.run(&[command]).ends_with(0);
    }
    assert_eq!(place.texts("SELECT count(*) FROM wasmigrate_step"), ["0"]);
    let place = filled()
        .with_sql("1_c.up.sql", "CREATE TABLE c (d);")
        .with_sql("1_c.down.sql", "DROP TABLE c;\nVACUUM;");
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("cannot be reset as it is: `1_c.down.sql`, line 2");
    for command in ["status", "migrate"] {
        place.run(&[command]).ends_with(0);
    }
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("take VACUUM and pragmas of that kind out of it")
        .and_says("nothing was reset");
    assert!(place.has_table("c"));
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn what_fits_in_a_transaction_runs_in_one() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "-- +goose NO TRANSACTION\n-- +goose Up\nPRAGMA foreign_keys=OFF;\nCREATE TABLE a (b);\nSELECT missing;\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0001_a runs in a transaction, although it asks for none");
    assert!(!place.has_table("a"));
}

#[test]
fn nothing_else_runs_outside_and_nothing_before_it() {
    for script in [
        "VACUUM; CREATE TABLE c (d);",
        "VACUUM; DELETE FROM wasmigrate_step;",
        "VACUUM INTO 'other.db';",
        "SAVEPOINT a; VACUUM;",
    ] {
        let place = filled().with_sql(
            "0001_a.sql",
            &format!("-- wasmigrate:no-transaction\n{script}"),
        );
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("statement (line 2)");
        // Nothing was begun: another file may take its place.
        assert!(!place.has_table("wasmigrate_step"));
        assert!(free_pages(&place) > 10, "{script}");
        assert!(!place.path().join("other.db").exists());
        std::fs::remove_file(place.step("0001_a.sql")).unwrap();
        place.write_step("0001_b.sql", b"CREATE TABLE c (d);");
        place.run(&["migrate"]).ends_with(0);
    }
    let place = filled().with_sql("0001_a.sql", "CREATE TABLE c (d); VACUUM;");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("VACUUM: it refuses the transaction of a step");
    assert!(!place.has_table("c"));
}

/// A file of these lines that runs outside a transaction.
fn outside(script: &str) -> Place {
    filled().with_sql(
        "0001_a.sql",
        &format!("-- wasmigrate:no-transaction\n{script}"),
    )
}

#[test]
fn what_would_do_nothing_is_refused_with_the_way() {
    for (script, said) in [
        (
            "PRAGMA page_size = 8192; VACUUM;",
            "not permitted: PRAGMA page_size: it does nothing in WAL mode",
        ),
        (
            "PRAGMA page_size = 8192;",
            "it does nothing without a VACUUM after it",
        ),
        (
            "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = WAL; PRAGMA page_size = 8192; VACUUM;",
            "it does nothing in WAL mode",
        ),
        (
            "PRAGMA journal_mode = DELETE;",
            "the host puts the file into WAL mode whenever it opens it",
        ),
    ] {
        let place = outside(script);
        place.run(&["migrate"]).ends_with(2).and_says(said);
        place.run(&["plan"]).ends_with(2).and_says("PRAGMA");
        assert_eq!(place.one::<i64>("PRAGMA page_size"), 4096);
        assert!(!place.has_table("wasmigrate_step"));
    }
    for (script, said) in [
        (
            "PRAGMA auto_vacuum = FULL;",
            "PRAGMA auto_vacuum = full did nothing, it is still 0: write a VACUUM after it",
        ),
        (
            "PRAGMA incremental_vacuum(10);",
            "PRAGMA incremental_vacuum does nothing: the file does not have `auto_vacuum = INCREMENTAL`",
        ),
        (
            "PRAGMA journal_mode = DELETE; PRAGMA page_size = 1000; VACUUM;",
            "a size is a power of two",
        ),
    ] {
        outside(script)
            .run(&["migrate"])
            .ends_with(1)
            .and_says(said);
    }
}

#[test]
fn pages_get_another_size_outside_of_wal_mode() {
    for last in ["", "PRAGMA journal_mode = WAL;"] {
        let place = outside(&format!(
            "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; {last}"
        ));
        place.write_step("0002_b.sql", b"CREATE TABLE c (d);");
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(place.one::<i64>("PRAGMA page_size"), 8192);
        assert_eq!(place.texts("PRAGMA journal_mode"), ["wal"]);
        assert_eq!(place.texts("SELECT count(*) FROM a"), ["10"]);
        place.is_whole();
    }
}

#[test]
fn freed_pages_are_given_back_where_the_file_was_made_for_it() {
    let place = outside("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;");
    place.run(&["migrate"]).ends_with(0);
    place.connect().run(
        "INSERT INTO a SELECT hex(randomblob(4000)) FROM a; DELETE FROM a WHERE rowid > 5; PRAGMA wal_checkpoint",
    );
    assert!(free_pages(&place) > 3);
    place.write_step(
        "0002_b.sql",
        b"-- wasmigrate:no-transaction\nPRAGMA incremental_vacuum;",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(free_pages(&place), 0);
}
