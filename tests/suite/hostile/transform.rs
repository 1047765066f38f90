//! Transformations that mean harm, and tables that do.

use std::time::{Duration, Instant};

use super::transformation::Transformation;
use super::{Attack, Repelled, STEP, attack_with_file};
use crate::application::{self, Kind};
use crate::hosts::host::{Host, until};
use crate::place::Place;

/// A second is promised; a test machine may have much else to do.
const SOON: Duration = Duration::from_secs(5);

fn attack(transformation: &Transformation) -> Attack {
    attack_with_file(&transformation.build())
}

/// With another body of the function.
fn computing(body: &str) -> Transformation {
    Transformation {
        body: body.to_owned(),
        ..Transformation::new()
    }
}

/// The migration fails. What was set up before may stay, and `reset` takes it away.
#[track_caller]
fn fails_and_is_reset(attack: Attack, words: &str) {
    let place = attack.place;
    let before = place.content();
    place.run(&["migrate"]).ends_with(1).and_says(words);
    place.run(&["reset"]).ends_with(0);
    assert_eq!(place.content(), before);
    Repelled {
        said: place.run(&["status"]).ends_with(0),
        place,
    }
    .and_the_host_works_on();
}

#[test]
fn a_benign_one_works() {
    let place = attack(&Transformation::new()).place;
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT sum(flag) FROM account"), 3);
}

#[test]
fn answers_that_do_not_fit_are_found_out() {
    let answer = |rows: &str, columns: u8, length: &str, kind: u8| {
        format!(
            "(return (call $answer {rows} (i32.const {columns}) {length} (i32.const {kind}) (call $take (i32.const 4096))))"
        )
    };
    let (rows, more) = (
        "(local.get $rows)",
        "(i32.add (local.get $rows) (i32.const 1))",
    );
    for (body, words) in [
        (answer(rows, 1, more, 0), "4 cells for 3 rows"),
        (
            answer(more, 1, more, 0),
            "it was given 3 rows and returned 4",
        ),
        (
            answer("(i32.const 0)", 1, "(i32.const 0)", 0),
            "it was given 3 rows and returned 0",
        ),
        (answer(rows, 2, rows, 0), "with 2 columns instead of 1"),
        (answer(rows, 0, rows, 0), "with 0 columns instead of 1"),
        // Texts that all end at 0, but in a buffer of another length.
        (
            answer("(i32.const -1)", 1, rows, 0),
            "cells for 4294967295 rows",
        ),
        (answer(rows, 1, "(i32.const -1)", 0), "trap"),
        ("unreachable".to_owned(), "trap"),
    ] {
        fails_and_is_reset(attack(&computing(&body)), words);
    }
}

#[test]
fn rejected_rows_that_do_not_exist_are_found_out() {
    for row in [3, -1] {
        let body = format!("(return (call $reject (i32.const {row}) (i32.const 0) (i32.const 0)))");
        fails_and_is_reset(
            attack(&computing(&body)),
            "the function failed and named no row that it was given",
        );
    }
}

#[test]
fn a_function_that_never_ends_meets_the_deadline() {
    fails_and_is_reset(
        attack(&computing("(loop $again (br $again))")).under("limits.deadline_seconds", 1),
        "the limit `limits.deadline_seconds` is 1",
    );
    attack(&Transformation {
        describing: "(loop $again (br $again))".to_owned(),
        ..Transformation::new()
    })
    .under("limits.deadline_seconds", 1)
    .gets_refused()
    .saying("the limit `limits.deadline_seconds` is 1")
    .and_the_host_works_on();
}

#[test]
fn a_changed_row_that_keeps_the_function_busy_for_ever_meets_the_deadline() {
    let body = "(if (i64.eq (i64.load (i32.load offset=12 (local.get $columns))) (i64.const 666))
        (then (loop $again (br $again))))";
    let Attack { place } = attack(&computing(body)).under("limits.deadline_seconds", 1);
    place.run(&["migrate"]).ends_with(0);
    place
        .connect()
        .run("UPDATE account SET balance = 666 WHERE id = 2");
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("the limit `limits.deadline_seconds` is 1");
    place
        .connect()
        .run("UPDATE account SET balance = 667 WHERE id = 2");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT sum(flag) FROM account"), 3);
}

#[test]
fn a_function_that_takes_all_memory_meets_the_limit() {
    let body = "(loop $again (drop (memory.grow (i32.const 16))) (br $again))";
    fails_and_is_reset(
        attack(&computing(body)).under("limits.memory_mib", 32),
        "the limit `limits.memory_mib` is 32",
    );
}

#[test]
fn a_busy_function_is_cancelled_and_another_goes_on_in_its_place() {
    let Attack { place } = attack(&computing("(loop $again (br $again))"));
    let host = Host::start(&place, &["migrate"]);
    let ranges = "SELECT count(*) FROM wasmigrate_range";
    until("the table is set up", || {
        place.has_table("wasmigrate_range") && place.one::<i64>(ranges) > 0
    });
    let asked = Instant::now();
    host.interrupt();
    host.end().ends_with(1).and_says(r#""outcome":"cancelled""#);
    assert!(
        asked.elapsed() < SOON,
        "it went on for {:?}",
        asked.elapsed()
    );
    place.write_step(STEP, &Transformation::new().build());
    place.run(&["migrate", "--replace"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT sum(flag) FROM account"), 3);
}

#[test]
fn tables_that_are_not_the_applications_are_not_transformed() {
    let of_table = |table: &str, key: &str, input: &str| Transformation {
        table: table.to_owned(),
        key: vec![key.to_owned()],
        inputs: vec![input.to_owned()],
        ..Transformation::new()
    };
    for (table, key, input, words) in [
        ("wasmigrate_lease", "token", "holder", "belongs to the host"),
        (
            "WASMIGRATE_STEP",
            "step_index",
            "name",
            "belongs to the host",
        ),
        (
            "wasmigrate.wasmigrate_run",
            "id",
            "phase",
            "belongs to the host",
        ),
        (
            "no such table",
            "id",
            "a",
            "there is no table `no such table`",
        ),
        (
            "account; DROP TABLE account",
            "id",
            "balance",
            "there is no table",
        ),
        ("", "id", "balance", "there is no table"),
    ] {
        attack(&of_table(table, key, input))
            .gets_refused()
            .saying(words)
            .and_the_host_works_on();
    }
    match application::kind() {
        Kind::Sqlite => {
            attack(&of_table("sqlite_schema", "rootpage", "sql")).gets_refused();
        }
        Kind::Postgres => {
            let Attack { place } = attack(&of_table("pg_catalog.pg_class", "oid", "relname"));
            let said = place.run(&["migrate"]);
            assert_ne!(said.status, Some(0), "{said:#?}");
        }
    }
}

#[test]
fn types_are_types_and_never_more() {
    for type_name in [
        "BIGINT, DROP COLUMN owner",
        "BIGINT DEFAULT 5",
        "BIGINT default (random())",
        "BIGINT NOT NULL",
        "BIGINT REFERENCES account",
        "BIGINT UNIQUE",
        "BIGINT GENERATED ALWAYS AS (balance)",
        "BIGINT CHECK (balance)",
        "BIGINT; DROP TABLE account",
        "BIGINT) --",
        "",
    ] {
        attack(&Transformation {
            derived: vec![("flag".to_owned(), type_name.to_owned())],
            ..Transformation::new()
        })
        .gets_refused()
        .saying("is no type")
        .and_the_host_works_on();
    }
}

#[test]
fn names_with_quotes_are_names() {
    let odd = "\"odd\" 'name'; --";
    let quoted = odd.replace('"', "\"\"");
    let place = Place::new().with_data(&format!(
        "CREATE TABLE \"{quoted}\" (\"{quoted}\" INTEGER PRIMARY KEY, \"in \"\"put\" INTEGER);
         INSERT INTO \"{quoted}\" VALUES (1, 10), (2, 20);"
    ));
    let transformation = Transformation {
        table: odd.to_owned(),
        inputs: vec!["in \"put".to_owned()],
        derived: vec![("new \" $1 ?1".to_owned(), "BIGINT".to_owned())],
        ..Transformation::new()
    };
    place.write_step(STEP, &transformation.build());
    place.run(&["migrate"]).ends_with(0);
    place
        .connect()
        .run(&format!("UPDATE \"{quoted}\" SET \"in \"\"put\" = 7"));
    place.run(&["reset"]).ends_with(0);
    let rows = place
        .connect()
        .rows(&format!("SELECT * FROM \"{quoted}\" ORDER BY 1"));
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.into_iter().flatten().collect())
        .collect();
    assert_eq!(rows, [["1", "7"], ["2", "7"]]);
    place.run(&["finalize"]).ends_with(0);
    let sum = format!("SELECT sum(\"new \"\" $1 ?1\") FROM \"{quoted}\"");
    assert_eq!(place.one::<i64>(&sum), 2);
}

#[test]
fn a_filter_only_reads() {
    let mut filters = vec![
        "true); DROP TABLE account; --",
        "true) UNION SELECT 1, 1 --",
        "balance = (UPDATE account SET balance = 0)",
        "true RETURNING 1",
        "no_such_column = 1",
        "",
    ];
    filters.extend(match application::kind() {
        Kind::Sqlite => vec![
            "load_extension('x') IS NULL",
            "(SELECT 1 FROM pragma_journal_mode('off'))",
        ],
        Kind::Postgres => vec![
            "pg_terminate_backend(1)",
            "(SELECT set_config('role', 'postgres', false)) IS NOT NULL",
            "pg_read_file('/etc/passwd') IS NOT NULL",
            "(WITH changed AS (DELETE FROM audit RETURNING 1) SELECT count(*) = 0 FROM changed)",
        ],
    });
    for filter in filters {
        let Attack { place } = attack(&Transformation {
            filter: Some(filter.to_owned()),
            ..Transformation::new()
        });
        let before = place.content();
        let said = place.run(&["migrate"]);
        assert_ne!(said.status, Some(0), "{filter}: {said:#?}");
        println!("{filter}: {}", said.stderr);
        // The set-up looks at no row through the filter, but the preparation counts them.
        assert_eq!(place.content(), before, "{filter}");
    }
}

/// A trigger of the application's, which fires when the host writes a derived column.
fn with_trigger(place: Place, body: &str) -> Place {
    place.with_data(&match application::kind() {
        Kind::Sqlite => {
            format!("CREATE TRIGGER harm AFTER UPDATE ON account BEGIN {body}; END;")
        }
        Kind::Postgres => format!(
            "CREATE FUNCTION harm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$;
             CREATE TRIGGER harm AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION harm();"
        ),
    })
}

#[test]
fn a_trigger_that_touches_the_journal_is_found_out() {
    for body in [
        "UPDATE JOURNAL_lease SET token = token + 1",
        "DELETE FROM JOURNAL_range",
        "UPDATE JOURNAL_step SET state = 'finalized'",
    ] {
        let journal = Place::in_sql_of("wasmigrate", "wasmigrate.wasmigrate");
        let body = &body.replace("JOURNAL", journal);
        let Attack { place } = attack(&Transformation::new());
        // Makes the journal.
        std::fs::rename(place.step(STEP), place.path().join("later")).unwrap();
        place.write_step("0001_first.sql", b"CREATE TABLE first (id INTEGER);");
        place.run(&["finalize"]).ends_with(0);
        let place = with_trigger(place, body);
        let second = place.step("0002_hostile.wasm");
        std::fs::rename(place.path().join("later"), second).unwrap();
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says(" to the host");
        let states = "SELECT state FROM wasmigrate_step ORDER BY step_index";
        assert_eq!(place.texts(states), ["finalized", "started"], "{body}");
        let remove = Place::in_sql_of("DROP TRIGGER harm", "DROP TRIGGER harm ON account");
        place.connect().run(remove);
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(place.one::<i64>("SELECT sum(flag) FROM account"), 3);
    }
}

/// The table notes in another column when a row was written: with a filter, which may look at any column, the host's own
/// writing is a change.
#[test]
fn a_trigger_that_notes_every_change_does_not_keep_the_drain_busy_for_ever() {
    let rows = Place::in_sql_of(
        "WITH RECURSIVE number (n) AS (SELECT 4 UNION ALL SELECT n + 1 FROM number LIMIT 3000) SELECT n, 'x', n FROM number",
        "SELECT n, 'x', n FROM generate_series(4, 3003) AS number (n)",
    );
    for type_name in ["BIGINT", "NUMERIC(10, 2)"] {
        let Attack { place } = attack(&Transformation {
            filter: Some("balance < 100000".to_owned()),
            derived: vec![("flag".to_owned(), type_name.to_owned())],
            ..Transformation::new()
        });
        let place = place
            .with_data(&format!("INSERT INTO account {rows}"))
            .with_data("ALTER TABLE account ADD COLUMN changes INTEGER NOT NULL DEFAULT 0");
        let place = with_trigger_that_counts(place, "changes");
        let place = place.with_variable("WASMIGRATE_LIMITS_DEADLINE_SECONDS", "20");
        place.run(&["migrate"]).ends_with(0);
        place
            .connect()
            .run("UPDATE account SET balance = balance + 1");
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(place.one::<f64>("SELECT sum(flag) FROM account"), 3003.0);
    }
}

fn with_trigger_that_counts(place: Place, column: &str) -> Place {
    place.with_data(&match application::kind() {
        Kind::Sqlite => format!(
            "CREATE TRIGGER counts AFTER UPDATE ON account
             BEGIN UPDATE account SET {column} = {column} + 1 WHERE id = NEW.id; END;"
        ),
        Kind::Postgres => format!(
            "CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN NEW.{column} = NEW.{column} + 1; RETURN NEW; END $$;
             CREATE TRIGGER counts BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION counts();"
        ),
    })
}

/// It would never be right: what the function says is wrong as soon as it is written.
#[test]
fn a_trigger_that_changes_an_input_with_every_derived_value_is_found_out() {
    let body = "(local.set $cells (i32.load (i32.add (local.get $columns) (i32.const 12))))
                (return (call $answer (local.get $rows) (i32.const 1) (local.get $rows) (i32.const 0) (local.get $cells)))";
    let Attack { place } = attack(&computing(body));
    place.run(&["migrate"]).ends_with(0);
    let place = with_trigger_that_counts(place, "balance");
    place
        .connect()
        .run("UPDATE account SET balance = balance + 1");
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("a trigger of the table")
        .and_says("disable it for the finalize");
    let remove = Place::in_sql_of("DROP TRIGGER counts", "DROP TRIGGER counts ON account");
    place.connect().run(remove);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM account WHERE flag = balance"),
        3
    );
}

mod sqlite {
    use super::*;

    /// The function of these tests returns its first column.
    const SAME: &str = "(local.set $cells (i32.load (i32.add (local.get $columns) (i32.const 12))))
        (return (call $answer (local.get $rows) (i32.const 1) (local.get $rows) (i32.const 0) (local.get $cells)))";

    #[test]
    fn a_row_that_is_moved_by_another_name_of_its_key_is_not_forgotten() {
        for name in ["rowid", "oid", "_rowid_"] {
            let Attack { place } = attack(&Transformation {
                inputs: vec!["id".to_owned()],
                ..computing(SAME)
            });
            place.run(&["migrate"]).ends_with(0);
            place
                .connect()
                .run(&format!("UPDATE account SET {name} = 77 WHERE id = 1"));
            place.run(&["finalize"]).ends_with(0);
            let wrong = "SELECT count(*) FROM account WHERE flag IS NOT id";
            assert_eq!(place.one::<i64>(wrong), 0, "{name}");
        }
    }

    #[test]
    fn a_change_of_what_a_generated_input_is_computed_from_is_not_forgotten() {
        let Attack { place } = attack(&Transformation {
            inputs: vec!["twice".to_owned()],
            ..computing(SAME)
        });
        let place =
            place.with_data("ALTER TABLE account ADD COLUMN twice AS (balance * 2) VIRTUAL");
        place.run(&["migrate"]).ends_with(0);
        place
            .connect()
            .run("UPDATE account SET balance = 7 WHERE id = 2");
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(
            place.texts("SELECT flag FROM account ORDER BY id"),
            ["200", "14", "600"]
        );
    }
}

mod postgres {
    use super::*;

    #[test]
    fn a_table_that_others_inherit_from_is_refused() {
        let Attack { place } = attack(&Transformation::new());
        let attack = Attack {
            place: place.with_data("CREATE TABLE heir () INHERITS (account)"),
        };
        attack
            .gets_refused()
            .saying("other tables inherit from `account`")
            .and_the_host_works_on();
    }

    #[test]
    fn an_answer_of_another_type_is_told() {
        let texts = "(return (call $answer (local.get $rows) (i32.const 1) (local.get $rows) (i32.const 2) (call $take (i32.const 4096))))";
        let mut transformation = computing(texts);
        transformation.derived[0].1 = "DATE".to_owned();
        fails_and_is_reset(
            attack(&transformation),
            "invalid input syntax for type date",
        );
    }
}
