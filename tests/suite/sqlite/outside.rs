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
        "PRAGMA page_size = 512; VACUUM INTO 'other.db';",
    ] {
        let place = filled().with_sql(
            "0001_a.sql",
            &format!("-- wasmigrate:no-transaction\n{script}"),
        );
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("statement (line 2)");
        assert!(free_pages(&place) > 10, "{script}");
        assert!(!place.path().join("other.db").exists());
    }
    let place = filled().with_sql("0001_a.sql", "CREATE TABLE c (d); VACUUM;");
    place.run(&["migrate"]).ends_with(1).and_says("VACUUM");
    assert!(!place.has_table("c"));
}
