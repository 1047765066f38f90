//! A step cannot wipe or orphan child rows without a word.

use crate::place::Place;

const SCHEMA: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1, 'a'), (2, 'b');
INSERT INTO child VALUES (10, 1), (11, 2), (12, 2);";

fn family() -> Place {
    Place::new().with_data(SCHEMA)
}

/// What the databases say of a row without its parent.
fn orphaned() -> &'static str {
    Place::in_sql_of(
        "without the parent",
        "insert or update on table \"child\" violates foreign key constraint \"child_parent_fkey\"",
    )
}

#[test]
fn a_row_without_a_parent_fails_the_step() {
    for statement in [
        "INSERT INTO child VALUES (13, 99);",
        "UPDATE child SET parent = 99 WHERE id = 10;",
    ] {
        let place = family().with_sql("0001_a.sql", statement);
        let before = place.content();
        place.run(&["migrate"]).ends_with(1).and_says(orphaned());
        assert_eq!(place.content(), before, "{statement}");
    }
}

#[test]
fn what_was_broken_before_is_not_the_steps_fault() {
    let broken = Place::in_sql_of(
        "PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (13, 99);",
        "ALTER TABLE child DROP CONSTRAINT child_parent_fkey;
         INSERT INTO child VALUES (13, 99);
         ALTER TABLE child ADD CONSTRAINT child_parent_fkey FOREIGN KEY (parent) REFERENCES parent (id) NOT VALID;",
    );
    let place = family()
        .with_data(broken)
        .with_sql("0001_a.sql", "UPDATE parent SET name = 'c' WHERE id = 1;")
        .with_sql("0002_b.sql", "INSERT INTO child VALUES (14, 98);");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0001_a migrated")
        .and_says(orphaned())
        .and_says(Place::in_sql_of(
            "the step leaves 1 row without the parent",
            "Key (parent)=(98) is not present in table \"parent\"",
        ));
}

#[test]
fn a_step_may_break_and_mend_references_within_itself() {
    let place = family()
        .with_data(Place::in_sql_of(
            "SELECT 1",
            "ALTER TABLE child ALTER CONSTRAINT child_parent_fkey DEFERRABLE INITIALLY DEFERRED",
        ))
        .with_sql(
            "0001_a.sql",
            "UPDATE parent SET id = id + 100; UPDATE child SET parent = parent + 100;",
        );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT max(parent) FROM child"), 102);
}

mod sqlite {
    use super::family;
    use crate::place::Place;

    #[test]
    fn rebuilding_a_table_keeps_the_rows_that_refer_to_it() {
        let place = family().with_sql(
            "0001_rebuild.sql",
            "CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             INSERT INTO parent_new SELECT id, name FROM parent;
             DROP TABLE parent;
             ALTER TABLE parent_new RENAME TO parent;",
        );
        place.run(&["migrate"]).ends_with(0);
        assert_eq!(place.one::<i64>("SELECT count(*) FROM child"), 3);
        assert_eq!(
            place.one::<String>("SELECT \"table\" FROM pragma_foreign_key_list('child')"),
            "parent"
        );
    }

    #[test]
    fn rows_left_without_a_parent_fail_the_step_and_are_listed() {
        let place = family().with_sql("0001_delete.sql", "DELETE FROM parent WHERE id = 2;");
        let before = place.content();
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("the step leaves 2 rows without the parent that a foreign key demands")
            .and_says("`child` rowid 11 → `parent`, `child` rowid 12 → `parent`")
            .and_says("SQLITE_CONSTRAINT_FOREIGNKEY")
            .and_says("do not cascade");
        assert_eq!(place.content(), before);
    }

    /// A parent whose key changes what refers to it.
    const CASCADING: &str = "CREATE TABLE p (id INTEGER PRIMARY KEY, t TEXT);
         CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id) ON UPDATE CASCADE ON DELETE CASCADE);
         INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO c VALUES (10, 2), (11, 3);";

    #[test]
    fn a_file_that_asks_for_enforcement_gets_what_a_shell_gives() {
        for text in [
            "PRAGMA foreign_keys = ON; DELETE FROM p WHERE id = 2; INSERT INTO p VALUES (2, 'new');",
            "-- migrate:up transaction:false\nPRAGMA foreign_keys=1; DELETE FROM p WHERE id = 2; INSERT INTO p VALUES (2, 'new');",
            "PRAGMA foreign_keys = ON; UPDATE p SET id = 4 WHERE id = 2; UPDATE p SET id = 2 WHERE id = 3; UPDATE p SET id = 3 WHERE id = 4;",
            "PRAGMA foreign_keys(yes); INSERT OR REPLACE INTO p VALUES (2, 'x'); UPDATE p SET id = 4 WHERE id = 3;",
            "PRAGMA foreign_keys = ON; BEGIN; DELETE FROM p WHERE id = 2; COMMIT;",
            "PRAGMA foreign_keys = ON; BEGIN; PRAGMA defer_foreign_keys = ON; INSERT INTO c VALUES (12, 9); INSERT INTO p VALUES (9, 'i'); COMMIT;",
            "PRAGMA foreign_keys = ON; DELETE FROM p WHERE id = 3; PRAGMA foreign_keys = OFF; DELETE FROM p WHERE id = 2; INSERT INTO p VALUES (2, 'n');",
            "PRAGMA foreign_keys = OFF; DELETE FROM p WHERE id = 2; INSERT INTO p VALUES (2, 'n'); PRAGMA foreign_keys = ON; DELETE FROM p WHERE id = 3;",
            "PRAGMA foreign_keys = OFF; DELETE FROM p WHERE id = 2; INSERT INTO p VALUES (2, 'new'); PRAGMA foreign_keys = ON;",
        ] {
            let place = Place::new()
                .with_data(CASCADING)
                .with_sql("0001_a.sql", text);
            // What comes after it asks for nothing.
            let place = place.with_sql(
                "0002_b.sql",
                "DELETE FROM p WHERE id = 1; INSERT INTO p VALUES (1, 'n');",
            );
            let shell = rusqlite::Connection::open_in_memory().unwrap();
            shell.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
            shell.execute_batch(CASCADING).unwrap();
            shell.execute_batch(text).unwrap();
            let mut rows = shell
                .prepare("SELECT id || ',' || p FROM c ORDER BY id")
                .unwrap();
            let rows = rows.query_map([], |row| row.get(0)).unwrap();
            let expected: Vec<String> = rows.collect::<Result<_, _>>().unwrap();
            place.run(&["migrate"]).ends_with(0);
            assert_eq!(
                place.texts("SELECT id || ',' || p FROM c ORDER BY id"),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn enforcement_ends_with_the_file_that_asks_for_it() {
        let place = Place::new()
            .with_data(CASCADING)
            .with_sql(
                "0001_a.sql",
                "PRAGMA foreign_keys = ON; DELETE FROM p WHERE id = 2;",
            )
            .with_sql(
                "0002_b.sql",
                "DELETE FROM p WHERE id = 3; INSERT INTO p VALUES (3, 'n');",
            );
        place.run(&["migrate"]).ends_with(0);
        assert_eq!(place.texts("SELECT id FROM c"), ["11"]);
        // What it may not do, it may not do in a file, and fails alone.
        place.write_step(
            "0003_c.sql",
            b"PRAGMA foreign_keys = ON; INSERT INTO c VALUES (12, 99);",
        );
        let before = place.content();
        place.run(&["migrate"]).ends_with(1).and_says("FOREIGN KEY");
        assert_eq!(place.content(), before);
    }

    #[test]
    fn a_url_that_asks_for_enforcement_gets_it() {
        for (url, left) in [
            ("_fk=1", "11"),
            ("_foreign_keys=on", "11"),
            ("_fk=0", "10,11"),
        ] {
            let place = Place::new().with_data(CASCADING).with_sql(
                "0001_a.sql",
                "DELETE FROM p WHERE id = 2; INSERT INTO p VALUES (2, 'n');",
            );
            let place = place.with_variable("DATABASE_URL", &format!("sqlite:wasmigrate.db?{url}"));
            place.run(&["migrate"]).ends_with(0);
            assert_eq!(place.texts("SELECT id FROM c").join(","), left, "{url}");
        }
    }

    #[test]
    fn a_row_of_a_new_table_and_one_that_a_trigger_deleted_are_found_too() {
        for statement in [
            "CREATE TABLE cousin (parent REFERENCES parent (id)); INSERT INTO cousin VALUES (99);",
            "CREATE TRIGGER t AFTER UPDATE ON parent BEGIN DELETE FROM parent WHERE id = 1; END; UPDATE parent SET name = 'c' WHERE id = 2; DROP TRIGGER t;",
        ] {
            let place = family().with_sql("0001_a.sql", statement);
            let before = place.content();
            place
                .run(&["migrate"])
                .ends_with(1)
                .and_says("without the parent");
            assert_eq!(place.content(), before, "{statement}");
        }
    }
}

mod postgres {
    use super::{SCHEMA, family};
    use crate::place::Place;

    /// The same, where rows may be without a parent until the end of a transaction.
    fn deferred_family() -> Place {
        family().with_data(
            "ALTER TABLE child DROP CONSTRAINT child_parent_fkey;
             ALTER TABLE child ADD CONSTRAINT child_parent_fkey FOREIGN KEY (parent) REFERENCES parent (id)
             DEFERRABLE INITIALLY DEFERRED;",
        )
    }

    #[test]
    fn a_parent_that_is_referred_to_is_not_deleted() {
        let place = Place::new()
            .with_data(&SCHEMA.replace(" ON DELETE CASCADE", ""))
            .with_sql("0001_delete.sql", "DELETE FROM parent WHERE id = 2;");
        let before = place.content();
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("update or delete on table \"parent\" violates foreign key constraint \"child_parent_fkey\"")
            .and_says("23503");
        assert_eq!(place.content(), before);
    }

    #[test]
    fn what_is_put_off_to_the_end_is_told_of_the_step_that_did_it() {
        let place = deferred_family()
            .with_sql("0001_a.sql", "UPDATE parent SET name = 'c' WHERE id = 1;")
            .with_sql(
                "0002_b.sql",
                "INSERT INTO child VALUES (13, 99); UPDATE parent SET name = 'd' WHERE id = 1;",
            );
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("0001_a migrated")
            .and_says("0002_b, migrate: insert or update on table \"child\" violates foreign key constraint");
        assert_eq!(
            place.one::<String>("SELECT name FROM parent WHERE id = 1"),
            "c"
        );
        assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_step"), 1);
    }

    #[test]
    fn of_several_finalized_together_the_one_that_did_it_is_named() {
        let place = deferred_family()
            .with_sql(
                "0001_a.sql",
                "-- wasmigrate:finalize\nDELETE FROM parent WHERE id = 2;",
            )
            .with_sql(
                "0002_b.sql",
                "-- wasmigrate:finalize\nUPDATE parent SET name = 'c' WHERE id = 1;",
            );
        place.run(&["migrate"]).ends_with(0);
        let before = place.content();
        place
            .run(&["finalize"])
            .ends_with(1)
            .and_says("0001_a, finalize: update or delete on table \"parent\" violates foreign key constraint");
        assert_eq!(place.content(), before);
    }
}
