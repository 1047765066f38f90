//! Statements that reach for what is not the step's: the transaction, the journal, other files, the host's own settings.

use crate::application::{self, Kind};
use crate::place::Place;

use super::attack;
use super::component::{Component, must, sql, swallow, writes};

/// The host refuses the statement with these words, whether the step gives up for it or goes on.
#[track_caller]
pub fn refuses(statement: &str, words: &str) {
    refuses_text(&format!("{{{{{statement}}}}}"), words);
}

/// The same for a text that is given as address and length.
#[track_caller]
fn refuses_text(text: &str, words: &str) {
    for call in ["$sql", "$query_rows"] {
        attack(Component::migrating(
            writes() + &must(&format!("{call} {text}")),
        ))
        .fails()
        .saying(words)
        .and_the_host_works_on();
    }
    let body = swallow(&format!("$sql {text}")) + &sql("INSERT INTO audit VALUES ('went on')");
    let place = attack(Component::migrating(body)).succeeds().place;
    only_the_note_was_added(&place);
}

#[track_caller]
fn only_the_note_was_added(place: &Place) {
    let untouched = attack(Component::new())
        .place
        .with_data("INSERT INTO audit VALUES ('went on')");
    assert_eq!(place.content(), untouched.content());
    if let Kind::Sqlite = application::kind() {
        assert_eq!(place.one::<String>("PRAGMA journal_mode"), "wal");
        assert_eq!(place.one::<i64>("PRAGMA user_version"), 0);
    }
    assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_step"), 1);
}

#[test]
fn the_transaction_is_the_hosts() {
    for (statement, name) in [
        ("COMMIT", "COMMIT"),
        ("END", Place::in_sql_of("COMMIT", "END")),
        ("ROLLBACK", "ROLLBACK"),
        ("BEGIN", "BEGIN"),
        ("bEgIn", "BEGIN"),
        ("END TRANSACTION", Place::in_sql_of("COMMIT", "END")),
        ("/* hidden */ COMMIT -- here", "COMMIT"),
    ] {
        let words = format!("{name}: the host begins and ends the transaction of a step");
        refuses(statement, &words);
    }
}

#[test]
fn savepoints_are_a_resource_and_no_statement() {
    let words = "open savepoints through the `savepoint` resource";
    refuses("SAVEPOINT mine", words);
    refuses("RELEASE wasmigrate_1", words);
    refuses("ROLLBACK TO wasmigrate_1", words);
}

#[test]
fn one_call_is_one_statement() {
    let words = "the text holds more than one statement";
    refuses("SELECT 1; SELECT 2", words);
    refuses(
        "UPDATE account SET balance = 1; UPDATE account SET balance = 2",
        words,
    );
    refuses(
        "SELECT 1; COMMIT",
        Place::in_sql_of("COMMIT: the host begins and ends the transaction", words),
    );
    attack(Component::migrating(
        sql("SELECT 1;") + &sql("SELECT 1; -- and a comment"),
    ))
    .succeeds();
}

#[test]
fn a_hundred_thousand_statements_in_one_text_do_not_exhaust_the_host() {
    refuses(
        &"SELECT 1;".repeat(100_000),
        "the text holds more than one statement",
    );
}

#[test]
fn nothing_is_no_statement() {
    for text in ["", "  ", ";", "-- only a comment", "/* only */"] {
        refuses(text, "the text holds no statement");
    }
}

#[test]
fn a_statement_is_never_run_in_part() {
    // A database may read up to a NUL byte; the condition behind it must not be lost.
    for text in [
        "UPDATE account SET balance = 0\0 WHERE id = 1",
        "DELETE FROM account\0 WHERE id = 1",
        "\0",
    ] {
        refuses(text, "NUL");
    }
}

#[test]
fn a_sql_step_is_never_run_in_part() {
    let place = Place::new().with_sql(
        "0001_half.sql",
        "CREATE TABLE a (b);\nINSERT INTO a VALUES (1);\0\nDROP TABLE a;",
    );
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0001_half.sql`, line 2: there is a NUL byte");
}

#[test]
fn text_that_is_not_utf8_never_reaches_the_database() {
    let mut component = Component::new();
    let statement = b"UPDATE account SET owner = '\xff\xfe'";
    let address = component.put(statement);
    let call = format!("$sql (i32.const {address}) (i32.const {})", statement.len());
    attack(component.with("migrate", writes() + &must(&call)))
        .fails()
        .saying("the component trapped: invalid utf-8 sequence")
        .and_the_host_works_on();
}

#[test]
fn statements_and_messages_cannot_steer_the_terminal() {
    let place = attack(Component::migrating(sql(
        "SELECT * FROM \"\u{1b}[2J\u{9b}1m\u{202e}gone\"",
    )))
    .fails()
    .saying(Place::in_sql_of(
        "no such table: [2J1mgone",
        "relation \"[2J1mgone\" does not exist",
    ))
    .place;
    for command in ["migrate", "status", "history"] {
        let said = place.run(&[command]);
        let both = said.stdout + &said.stderr;
        assert!(
            !both.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{command}: {both:?}"
        );
    }
}

#[test]
fn messages_do_not_pass_for_words_of_the_host() {
    let statement = "SELECT * FROM \"gone\r\ndone; the state is finalized\";";
    let place = Place::new().with_sql("0001_sly.sql", statement);
    for command in ["migrate", "status", "history"] {
        let said = place.run(&[command]);
        let both = said.stdout + &said.stderr;
        assert!(
            both.contains("\n    | done; the state is finalized"),
            "{command}: {both}"
        );
        assert!(!both.contains("\ndone;"), "{command}: {both}");
    }
}

#[test]
fn the_journal_is_read_only() {
    for statement in [
        "INSERT INTO wasmigrate_step SELECT * FROM wasmigrate_step",
        "UPDATE Wasmigrate_Lease SET token = 7",
        "DELETE FROM wasmigrate_attempt",
        "DROP TABLE wasmigrate_output",
        "ALTER TABLE wasmigrate_step ADD COLUMN more TEXT",
        "ALTER TABLE wasmigrate_step RENAME TO gone",
        "CREATE INDEX mine ON wasmigrate_step (name)",
        "CREATE TABLE wasmigrate_more (id INTEGER)",
        "CREATE TEMP TABLE wasmigrate_step (id INTEGER)",
        "CREATE TEMP TABLE Wasmigrate_Step AS SELECT * FROM wasmigrate_step",
        "CREATE VIEW wasmigrate_view AS SELECT 1",
        "CREATE TEMP VIEW wasmigrate_step AS SELECT 1",
        "WITH one AS (SELECT 1) UPDATE wasmigrate_step SET name = 'other' WHERE 1 IN (SELECT * FROM one)",
    ] {
        refuses(statement, "belong to the host");
    }
    let journal = Place::in_sql_of("main", "wasmigrate");
    let read = sql(&format!("SELECT * FROM {journal}.wasmigrate_step"));
    attack(Component::migrating(read)).succeeds();
}

mod sqlite {
    use super::*;

    #[test]
    fn other_files_are_out_of_reach() {
        refuses(
            "ATTACH 'other.db' AS other",
            "a step works on the target alone",
        );
        refuses("DETACH main", "a step works on the target alone");
        refuses("VACUUM", "cannot VACUUM from within a transaction");
        refuses(
            "VACUUM INTO 'copy.db'",
            "cannot VACUUM from within a transaction",
        );
        refuses(
            "SELECT load_extension('evil.so')",
            "a step cannot load code",
        );
        refuses("SELECT fts3_tokenizer('simple')", "a step cannot load code");
        refuses(
            "SELECT readfile('/etc/passwd')",
            "no such function: readfile",
        );
        refuses(
            "SELECT writefile('loot', 'x')",
            "no such function: writefile",
        );
        for module in [
            "csv(filename='/etc/passwd')",
            "zipfile('x.zip')",
            "fsdir",
            "sqlite_dbpage",
        ] {
            refuses(
                &format!("CREATE VIRTUAL TABLE temp.reach USING {module}"),
                "no such module",
            );
        }
    }

    #[test]
    fn the_connections_settings_are_the_hosts() {
        for pragma in [
            "journal_mode = DELETE",
            "foreign_keys = ON",
            "schema_version = 7",
            "synchronous = OFF",
            "query_only = ON",
            "defer_foreign_keys = ON",
            "trusted_schema = ON",
            "temp_store_directory = '/tmp'",
            "wal_checkpoint",
            "hard_heap_limit = 1",
            "incremental_vacuum",
            "encoding = 'UTF-16'",
            "page_size = 512",
            "optimize",
        ] {
            refuses(
                &format!("PRAGMA {pragma}"),
                "a step may use only the reading pragmas",
            );
        }
        refuses(
            "PRAGMA writable_schema = ON",
            "a step cannot write SQLite's own table",
        );
        refuses(
            "SELECT * FROM pragma_journal_mode",
            "a step may use only the reading pragmas",
        );
    }

    #[test]
    fn the_schema_is_not_written_by_hand() {
        for statement in [
            "UPDATE sqlite_schema SET sql = NULL",
            "INSERT INTO sqlite_master VALUES ('table', 'evil', 'evil', 2, 'x')",
            "DELETE FROM sqlite_schema",
            "DROP TABLE sqlite_schema",
        ] {
            refuses(statement, "sqlite_master");
        }
    }

    #[test]
    fn indexes_of_words_and_of_space_may_be_made() {
        // They ask for pragmas of their own accord.
        let body = sql("CREATE VIRTUAL TABLE words USING fts5(word)")
            + &sql("INSERT INTO words SELECT owner FROM account")
            + &sql("CREATE VIRTUAL TABLE old_words USING fts4(word)")
            + &sql("INSERT INTO old_words SELECT owner FROM account")
            + &sql("CREATE VIRTUAL TABLE space USING rtree(id, low, high)")
            + &sql("INSERT INTO space SELECT id, balance, balance FROM account");
        let place = attack(Component::migrating(body)).succeeds().place;
        assert_eq!(
            place.texts("SELECT word FROM words WHERE words MATCH 'ada'"),
            ["Ada"]
        );
    }

    #[test]
    fn the_journal_is_read_only_in_words_of_sqlite() {
        for statement in [
            "UPDATE OR REPLACE Wasmigrate_Lease SET token = 7",
            "REPLACE INTO wasmigrate_journal VALUES (9)",
            "CREATE TRIGGER mine AFTER UPDATE ON wasmigrate_step BEGIN DELETE FROM account; END",
            "CREATE TEMP TRIGGER mine AFTER UPDATE ON wasmigrate_step BEGIN DELETE FROM account; END",
            "CREATE VIRTUAL TABLE temp.wasmigrate_step USING fts5(name)",
            "WITH one AS (SELECT 1) UPDATE wasmigrate_step SET name = 'other' WHERE 1 IN one",
        ] {
            refuses(statement, "belong to the host");
        }
    }

    #[test]
    fn a_lock_of_the_whole_file_is_not_taken() {
        refuses(
            "BEGIN EXCLUSIVE",
            "BEGIN: the host begins and ends the transaction of a step",
        );
    }
}
