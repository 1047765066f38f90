//! Pragmas in files that were written for another tool.

use crate::place::Place;

#[test]
fn what_the_host_does_anyway_is_passed_over() {
    for pragma in [
        "foreign_keys=OFF",
        "FOREIGN_KEYS = off",
        "main.foreign_keys(0)",
        "foreign_keys",
        "defer_foreign_keys=ON",
        "busy_timeout=5000",
        "synchronous=NORMAL",
        "journal_mode=WAL",
        "journal_mode = 'wal'",
        "cache_size=-2000",
        "optimize",
        "temp_store=MEMORY",
        "mmap_size=1000",
        "wal_autocheckpoint=100",
        "recursive_triggers=OFF",
        "encoding='UTF-8'",
    ] {
        let script = format!("PRAGMA {pragma};\nCREATE TABLE a (b);\nPRAGMA {pragma};\n");
        let place = Place::new().with_sql("0001_a.sql", &script);
        let name = pragma.to_lowercase();
        let name = name.trim_start_matches("main.");
        let name = name.split(['=', ' ', '(']).next().unwrap();
        place.run(&["migrate"]).ends_with(0).and_says(&format!(
            "passed over, because the host sees to it: PRAGMA {name}"
        ));
        assert!(place.has_table("a"), "{pragma}");
        assert_eq!(place.texts("PRAGMA journal_mode"), ["wal"]);
    }
}

#[test]
fn a_rebuild_of_a_table_runs_as_its_author_wrote_it() {
    let place = Place::new().with_data(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL REFERENCES parent(id) ON DELETE CASCADE);
         INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (1, 1);",
    );
    place.write_step(
        "0001_rebuild.sql",
        b"PRAGMA foreign_keys=off;\nBEGIN TRANSACTION;\nCREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
          INSERT INTO parent_new SELECT * FROM parent; DROP TABLE parent; ALTER TABLE parent_new RENAME TO parent;\nCOMMIT;
          PRAGMA foreign_keys=on;\n",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT count(*) FROM child"), ["1"]);
    place.write_step(
        "0002_bad.sql",
        b"PRAGMA foreign_keys=off;\nDELETE FROM parent;\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("without the parent that a foreign key demands");
}

#[test]
fn the_numbers_of_the_application_are_its_own() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "PRAGMA user_version = 3; PRAGMA application_id=7; PRAGMA user_version;",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("PRAGMA user_version"), 3);
    assert_eq!(place.one::<i64>("PRAGMA application_id"), 7);
    place.write_step("0002_b.sql", b"PRAGMA user_version = 4; SELECT missing;");
    place.run(&["migrate"]).ends_with(1);
    assert_eq!(place.one::<i64>("PRAGMA user_version"), 3);
}

#[test]
fn the_old_way_of_renaming_ends_with_its_step() {
    let script = "ALTER TABLE a_new RENAME TO a;";
    let place = Place::new().with_data("CREATE TABLE a (b); CREATE VIEW v AS SELECT b FROM a;");
    place.write_step(
        "0001_a.sql",
        format!("PRAGMA legacy_alter_table=ON; CREATE TABLE a_new (b, c); DROP TABLE a; {script}")
            .as_bytes(),
    );
    place.write_step(
        "0002_b.sql",
        format!("CREATE TABLE a_new (b, c, d); DROP TABLE a; {script}").as_bytes(),
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0001_a migrated")
        .and_says("error in view v");
}

#[test]
fn what_would_change_the_files_meaning_is_refused() {
    for pragma in [
        "recursive_triggers=ON",
        "journal_mode=DELETE",
        "writable_schema=ON",
        "trusted_schema=ON",
        "ignore_check_constraints=1",
        "schema_version=3",
        "encoding='UTF-16'",
        "secure_delete=ON",
        "page_size=8192",
        "auto_vacuum=FULL",
    ] {
        let place = Place::new().with_sql(
            "0001_a.sql",
            &format!("CREATE TABLE a (b); PRAGMA {pragma};"),
        );
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("not permitted: PRAGMA");
        assert!(!place.has_table("a"));
    }
}
