//! Changes that the capture could not notice: nothing is dropped on the strength of values that may be out of date.

use super::left_out::{are_spelled, words};
use crate::application::{self, Kind};
use crate::place::Place;

/// Ten words of which the fourth says `before` when all are migrated, and gets its right text beside the capture.
#[track_caller]
fn is_noticed(place: Place, disturbance: &str) {
    is_noticed_with(place, |_| disturbance.to_owned());
}

/// The same for a disturbance that depends on what migrate has made.
#[track_caller]
fn is_noticed_with(place: Place, disturbance: impl FnOnce(&Place) -> String) {
    place
        .connect()
        .run("UPDATE word SET text = 'before' WHERE id = 4");
    place.run(&["migrate"]).ends_with(0);
    let disturbance = disturbance(&place);
    place.connect().run(&disturbance);
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("were not noticed all the time")
        .and_says("nothing was dropped");
    // What the message says to do.
    place.run(&["reset"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    are_spelled(&place, 10);
}

const CHANGE: &str = "UPDATE word SET text = 'w4' WHERE id = 4";

#[test]
fn a_trigger_that_is_gone() {
    let trigger = Place::in_sql_of(
        "capture_of_step_1_update",
        "capture_of_step_1_update ON word",
    );
    is_noticed(words(10), &format!("DROP TRIGGER {trigger}; {CHANGE}"));
}

#[test]
fn a_table_that_was_made_anew() {
    let made = Place::in_sql_of(
        "CREATE TABLE other (id BIGINT PRIMARY KEY NOT NULL, text TEXT, spelled TEXT)",
        "CREATE TABLE other (LIKE word INCLUDING ALL)",
    );
    is_noticed(
        words(10),
        &format!(
            "BEGIN; {made}; INSERT INTO other SELECT id, text, spelled FROM word; DROP TABLE word;
             ALTER TABLE other RENAME TO word; COMMIT; {CHANGE}"
        ),
    );
}

#[test]
fn a_derived_column_that_was_added_again() {
    is_noticed(
        words(10),
        &format!(
            "ALTER TABLE word DROP COLUMN spelled; ALTER TABLE word ADD COLUMN spelled TEXT DEFAULT 'zz'; {CHANGE}"
        ),
    );
}

#[test]
fn a_column_of_another_name() {
    is_noticed(
        words(10),
        &format!(
            "ALTER TABLE word RENAME COLUMN text TO body; ALTER TABLE word ADD COLUMN text TEXT;
             UPDATE word SET text = body; {CHANGE}; ALTER TABLE word DROP COLUMN body"
        )
        .replace(
            "; ALTER TABLE word DROP COLUMN body",
            // The trigger on SQLite names the column.
            Place::in_sql_of("", "; ALTER TABLE word DROP COLUMN body CASCADE"),
        ),
    );
}

#[test]
fn a_run_that_continues_does_not_rely_on_it_either() {
    let place = words(10);
    place.run(&["migrate"]).ends_with(0);
    let place = place.with_sql("0002_broken.sql", "SELECT * FROM nowhere");
    place.run(&["migrate"]).ends_with(1);
    let trigger = Place::in_sql_of(
        "capture_of_step_1_update",
        "capture_of_step_1_update ON word",
    );
    place.connect().run(&format!(
        "DROP TRIGGER {trigger}; UPDATE word SET text = 'later' WHERE id = 4"
    ));
    std::fs::remove_file(place.step("0002_broken.sql")).unwrap();
    place.run(&["finalize"]).ends_with(1);
    let kept = place.texts("SELECT text FROM word WHERE id = 4");
    assert_eq!(kept, ["later"]);
}

/// As SQLite's manual says how to alter a table: <https://www.sqlite.org/lang_altertable.html#otheralter>
mod sqlite {
    use super::*;

    /// The table's triggers as statements.
    fn triggers(place: &Place) -> String {
        let texts = place.texts(
            "SELECT sql || ';' FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'word' ORDER BY rowid",
        );
        assert_eq!(texts.len(), 2, "{texts:?}");
        texts.join("\n")
    }

    #[test]
    fn triggers_that_were_saved_and_made_again_with_the_table() {
        is_noticed_with(words(10), |place| {
            format!(
                "BEGIN; CREATE TABLE other (id BIGINT PRIMARY KEY NOT NULL, text TEXT, spelled TEXT);
                 INSERT INTO other SELECT id, replace(text, 'before', 'w4'), spelled FROM word; DROP TABLE word;
                 ALTER TABLE other RENAME TO word; {} COMMIT",
                triggers(place)
            )
        });
    }

    #[test]
    fn triggers_that_were_dropped_for_a_while() {
        is_noticed_with(words(10), |place| {
            format!(
                "DROP TRIGGER capture_of_step_1_update; DROP TRIGGER capture_of_step_1_insert; {CHANGE}; {}",
                triggers(place)
            )
        });
        is_noticed_with(words(10), |place| {
            let made = place
                .texts("SELECT sql FROM sqlite_schema WHERE name = 'capture_of_step_1_update'");
            format!(
                "DROP TRIGGER capture_of_step_1_update; {CHANGE}; {}; VACUUM",
                made.concat()
            )
        });
    }
}

mod postgres {
    use super::*;

    #[test]
    fn triggers_that_were_disabled_for_a_while() {
        is_noticed(
            words(10),
            &format!(
                "ALTER TABLE word DISABLE TRIGGER USER; {CHANGE}; ALTER TABLE word ENABLE TRIGGER USER"
            ),
        );
        is_noticed(
            words(10),
            &format!(
                "ALTER TABLE word DISABLE TRIGGER USER; {CHANGE};
                 ALTER TABLE word ENABLE ALWAYS TRIGGER capture_of_step_1_insert;
                 ALTER TABLE word ENABLE ALWAYS TRIGGER capture_of_step_1_update"
            ),
        );
    }

    fn partitioned() -> Place {
        Place::new()
            .with_data(
                "CREATE TABLE word (id BIGINT PRIMARY KEY, text TEXT) PARTITION BY RANGE (id);
                 CREATE TABLE word_a PARTITION OF word FOR VALUES FROM (0) TO (5);
                 CREATE TABLE word_b PARTITION OF word FOR VALUES FROM (5) TO (100);
                 INSERT INTO word SELECT n, CASE WHEN n % 3 = 0 THEN '' ELSE 'w' || n END
                 FROM generate_series(1, 10) AS n",
            )
            .with_guest("0001_spelled.wasm", "spelled")
    }

    #[test]
    fn a_partition_that_was_detached_and_attached_again() {
        is_noticed(
            partitioned(),
            "ALTER TABLE word DETACH PARTITION word_a; UPDATE word_a SET text = 'w4' WHERE id = 4;
             ALTER TABLE word ATTACH PARTITION word_a FOR VALUES FROM (0) TO (5)",
        );
    }

    #[test]
    fn new_partitions_and_dropped_ones_are_no_disturbance() {
        let place = partitioned();
        place.run(&["migrate"]).ends_with(0);
        place.connect().run(
            "CREATE TABLE word_c PARTITION OF word FOR VALUES FROM (100) TO (200);
             INSERT INTO word VALUES (100, 'w100')",
        );
        place.run(&["finalize"]).ends_with(0);
        let found = place.texts("SELECT text FROM word WHERE id > 9 ORDER BY id");
        assert_eq!(found, ["w-1-0", "w-1-0-0"]);
    }

    #[test]
    fn rows_that_come_with_a_partition_are_computed() {
        let place = partitioned();
        place.run(&["migrate"]).ends_with(0);
        place.connect().run(
            "CREATE TABLE word_d (LIKE word INCLUDING DEFAULTS);
             INSERT INTO word_d SELECT id + 200, 'later ' || id, spelled FROM word WHERE spelled IS NOT NULL;
             ALTER TABLE word_d ADD PRIMARY KEY (id);
             ALTER TABLE word ATTACH PARTITION word_d FOR VALUES FROM (200) TO (300)",
        );
        place.run(&["finalize"]).ends_with(0);
        let wrong = place
            .texts("SELECT id || text FROM word WHERE id > 200 AND text NOT LIKE 'l-a-t-e-r%'");
        assert!(wrong.is_empty(), "{wrong:?}");
        let rows = place.texts("SELECT count(*) FROM word WHERE id > 200");
        assert_ne!(rows, ["0"]);
    }

    #[test]
    fn a_partition_may_go_and_another_come() {
        for (leaves, comes) in [
            (
                "DROP TABLE word_a",
                "CREATE TABLE word_d PARTITION OF word FOR VALUES FROM (200) TO (300)",
            ),
            (
                "ALTER TABLE word DETACH PARTITION word_a",
                "CREATE TABLE word_d (LIKE word INCLUDING ALL);
                 INSERT INTO word_d VALUES (200, 'w', 'brought'), (203, '', 'brought');
                 ALTER TABLE word ATTACH PARTITION word_d FOR VALUES FROM (200) TO (300)",
            ),
        ] {
            for changes in [[leaves, comes], [comes, leaves]] {
                let place = partitioned();
                place.run(&["migrate"]).ends_with(0);
                let mut client = place.connect();
                for change in changes {
                    client.run(change);
                }
                drop(client);
                place
                    .connect()
                    .run("UPDATE word SET text = 'x' WHERE id = 7");
                place.run(&["finalize"]).ends_with(0);
                let rows = place.texts(
                    "SELECT id || coalesce(text, '-') FROM word WHERE id <> 6 AND id <> 9 ORDER BY id",
                );
                let mut expected = vec!["5w-5", "7x", "8w-8", "10w-1-0"];
                if comes.contains("brought") {
                    expected.extend(["200w", "203-"]);
                }
                assert_eq!(rows, expected, "{changes:?}");
            }
        }
    }

    /// Numbers and times are written short, or so that they are read back as others.
    const LOSSY: &str = "-c extra_float_digits=0 -c DateStyle=SQL,MDY -c TimeZone=Asia/Kolkata -c IntervalStyle=sql_standard";

    #[test]
    fn settings_of_the_role_change_no_key_and_no_value() {
        for (type_name, key) in [
            ("DOUBLE PRECISION", "n / 3.0::float8"),
            ("REAL", "(n / 3.0)::real"),
            (
                "TIMESTAMPTZ",
                "'2026-01-30 12:00+00'::timestamptz + n * interval '1 hour'",
            ),
            ("INTERVAL", "n * interval '-1 day -3 hours'"),
        ] {
            let place = Place::new()
                .with_variable("PGOPTIONS", LOSSY)
                .with_data(&format!(
                    "CREATE TABLE word (id {type_name} PRIMARY KEY, text TEXT);
                     INSERT INTO word SELECT {key}, 'w' || n FROM generate_series(1, 50) AS n"
                ))
                .with_guest("0001_spelled.wasm", "spelled");
            place.run(&["migrate"]).ends_with(0);
            place
                .connect()
                .run("UPDATE word SET text = 'changed' WHERE text IN ('w1', 'w7')");
            place.run(&["finalize"]).ends_with(0);
            let found = place.texts("SELECT text FROM word WHERE text LIKE '%a%'");
            assert_eq!(found, ["c-h-a-n-g-e-d", "c-h-a-n-g-e-d"], "{type_name}");
        }
    }

    #[test]
    fn later_steps_have_the_settings_of_the_role() {
        let place = words(10).with_variable("PGOPTIONS", LOSSY).with_sql(
            "0002_noted.sql",
            "-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\n\
                 CREATE TABLE noted AS SELECT '2026-01-30'::date::text AS text;",
        );
        place.run(&["migrate"]).ends_with(0);
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(place.texts("SELECT text FROM noted"), ["01/30/2026"]);
    }
}

/// What goes with a column is said before anything is done.
#[test]
fn what_goes_with_a_replaced_column_is_named() {
    let place = Place::new()
        .with_data(
            "CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL DEFAULT 'none')",
        )
        .with_data(Place::in_sql_of(
            "INSERT INTO word VALUES (1, 'w1')",
            "INSERT INTO word VALUES (1, 'w1'); CREATE INDEX by_both ON word (id, text);
             ALTER TABLE word ADD CONSTRAINT is_short CHECK (length(text) < 100 + id);
             COMMENT ON COLUMN word.text IS 'what it says'; GRANT SELECT (text) ON word TO PUBLIC",
        ))
        .with_guest("0001_spelled.wasm", "spelled");
    let said = place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    let named: &[&str] = match application::kind() {
        Kind::Sqlite => &["NOT NULL", "the default 'none'"],
        Kind::Postgres => &[
            "NOT NULL",
            "the default 'none'::text",
            "constraint is_short",
            "by_both",
            "its comment",
            "rights on it",
        ],
    };
    for name in named {
        assert!(said.stdout.contains(name), "`{name}` is not in {said:?}");
    }
    said.and_says("drops, with its old columns at finalize");
}

#[test]
fn a_capture_that_was_there_all_the_time_is_relied_on() {
    let place = words(10);
    place.run(&["migrate"]).ends_with(0);
    // What people do beside it.
    place.connect().run(match application::kind() {
        Kind::Sqlite => "CREATE INDEX by_number ON word (id); VACUUM; ANALYZE",
        Kind::Postgres => "CREATE INDEX by_number ON word (id); ANALYZE word",
    });
    place.run(&["finalize"]).ends_with(0);
    are_spelled(&place, 10);
}

#[test]
fn a_step_of_the_same_finalize_that_makes_the_table_anew_is_named_with_a_way_on() {
    let rebuild = Place::in_sql_of(
        "CREATE TABLE other (id BIGINT PRIMARY KEY NOT NULL, text TEXT, spelled TEXT);",
        "CREATE TABLE other (LIKE word INCLUDING ALL);",
    );
    let place = words(10);
    std::fs::rename(
        place.step("0001_spelled.wasm"),
        place.step("0002_spelled.wasm"),
    )
    .unwrap();
    let place = place.with_sql(
        "0001_rebuild.sql",
        &format!(
            "-- wasmigrate:migrate
             CREATE TABLE one (value INTEGER);
             -- wasmigrate:finalize
             {rebuild}
             INSERT INTO other SELECT id, text, spelled FROM word; DROP TABLE word;
             ALTER TABLE other RENAME TO word;"
        ),
    );
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("0001_rebuild")
        .and_says("`wasmigrate finalize --to 1`");
    place.run(&["finalize", "--to", "1"]).ends_with(0);
    place.run(&["migrate", "--restart"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    are_spelled(&place, 10);
}
