//! Steps that are undone outside a transaction.

use super::outside::state;
use crate::application;
use crate::hosts::host::{Host, until};
use crate::place::{Place, Said};
use crate::transform::pause::wait_for;

const UP: &str = "CREATE INDEX CONCURRENTLY by_balance ON account (balance);\n";
const DOWN: &str = "DROP INDEX CONCURRENTLY IF EXISTS by_balance;\n";

/// The processes of the server that wait for the application before they drop an index.
const DROPPING: &str = "SELECT pid FROM pg_stat_activity
                        WHERE datname = current_database()
                          AND query LIKE '%DROP INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'";

fn with_files(files: &[(&str, &str)]) -> Place {
    let place = Place::new().with_data(
        "CREATE TABLE account (id BIGINT PRIMARY KEY, balance INTEGER);
         INSERT INTO account SELECT i, i / 2 FROM generate_series(1, 1000) AS i;",
    );
    for (name, text) in files {
        let path = place.step(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    place
}

fn in_sections(before: &str, up: &str, between: &str) -> String {
    format!("{before}{up}{UP}{between}{DOWN}")
}

#[test]
fn files_of_tools_that_undo_so_run_and_are_undone() {
    let own = in_sections(
        "-- wasmigrate:no-transaction\n",
        "-- wasmigrate:migrate\n",
        "-- wasmigrate:reset\n",
    );
    let goose = in_sections(
        "-- +goose NO TRANSACTION\n",
        "-- +goose Up\n",
        "-- +goose Down\nDROP TABLE IF EXISTS missing;\n",
    );
    let dbmate = in_sections(
        "",
        "-- migrate:up transaction:false\n",
        "-- migrate:down transaction:false\nDROP TABLE IF EXISTS missing;\n",
    );
    let sql_migrate = in_sections(
        "",
        "-- +migrate Up notransaction\n",
        "-- +migrate Down notransaction\n",
    );
    let sqlx = (
        format!("-- no-transaction\n{UP}"),
        format!("-- no-transaction\n{DOWN}"),
    );
    let marked = format!("-- wasmigrate:no-transaction\nDROP TABLE IF EXISTS missing;\n{DOWN}");
    let mixed = format!("DROP TABLE IF EXISTS missing;\n{DOWN}");
    let no_transaction = "executeInTransaction=false\n";
    for files in [
        &[("0001_index.sql", &*own)][..],
        &[("0001_index.sql", &goose)],
        &[("0001_index.sql", &dbmate)],
        &[("0001_index.sql", &sql_migrate)],
        &[("1_index.up.sql", UP), ("1_index.down.sql", DOWN)],
        &[("1_index.up.sql", &sqlx.0), ("1_index.down.sql", &sqlx.1)],
        &[
            (
                "1_index.up.sql",
                "CREATE INDEX by_balance ON account (balance);",
            ),
            ("1_index.down.sql", &marked),
        ],
        &[
            ("2024-01-01-000000_index/up.sql", UP),
            ("2024-01-01-000000_index/down.sql", &mixed),
            (
                "2024-01-01-000000_index/metadata.toml",
                "run_in_transaction = false\n",
            ),
        ],
        &[("V1__index.sql", UP), ("U1__index.sql", DOWN)],
        &[
            (
                "V1__index.sql",
                "CREATE INDEX by_balance ON account (balance);",
            ),
            ("U1__index.sql", &mixed),
            ("U1__index.sql.conf", no_transaction),
        ],
    ] {
        let place = with_files(files);
        let before = place.content();
        for command in ["plan", "status", "migrate"] {
            place.run(&[command]).ends_with(0);
        }
        assert!(place.content().contains("by_balance"), "{files:?}");
        place.run(&["reset"]).ends_with(0);
        assert_eq!(place.content(), before, "{files:?}");
        assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_step"), 0);
        place.run(&["finalize"]).ends_with(0);
    }
}

#[test]
fn what_undoes_in_both_ways_stops_nothing_but_its_reset() {
    let mixed = format!("DROP TABLE IF EXISTS missing;\n{DOWN}");
    let place = with_files(&[
        (
            "1_index.up.sql",
            "CREATE INDEX by_balance ON account (balance);",
        ),
        ("1_index.down.sql", &mixed),
    ]);
    let said = "a part of what undoes it refuses a transaction";
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("cannot be reset as it is: `1_index.down.sql`, line 2")
        .and_says(said);
    for command in ["status", "migrate"] {
        place.run(&[command]).ends_with(0);
    }
    let before = place.content();
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("`1_index.down.sql`, line 2")
        .and_says(said)
        .and_says("write it without CONCURRENTLY, or let it run outside a transaction")
        .and_says("nothing was reset");
    assert_eq!(place.content(), before);
    place.run(&["finalize"]).ends_with(0);
}

/// One step is undone outside a transaction, those around it in one each; the newest first.
#[test]
fn what_failed_stays_begun_and_those_before_it_stay() {
    let failing = format!("-- wasmigrate:no-transaction\nDROP TABLE missing;\n{DOWN}");
    let place = with_files(&[
        ("1_a.up.sql", "CREATE TABLE a (b int);"),
        ("1_a.down.sql", "DROP TABLE a;"),
        ("2_index.up.sql", UP),
        ("2_index.down.sql", &failing),
        ("3_c.up.sql", "CREATE TABLE c (d int);"),
        ("3_c.down.sql", "DROP TABLE c;"),
        ("4_e.up.sql", "CREATE TABLE e (f int);"),
        ("4_e.down.sql", "DROP TABLE e;"),
        ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT 1 AS one;"),
    ]);
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset"])
        .ends_with(1)
        .and_says("table \"missing\" does not exist")
        .and_says("keeps what it has done");
    assert!(!place.has_table("c") && !place.has_table("e"));
    assert!(place.has_table("a"));
    assert_eq!(
        place.texts("SELECT step_index || state FROM wasmigrate_step ORDER BY 1"),
        ["1migrated", "2started"]
    );
    place.write_step("2_index.down.sql", DOWN.as_bytes());
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("`2_index.up.sql` has changed since it was begun");
    place.run(&["reset", "--allow-changed"]).ends_with(0);
    assert!(!place.has_table("a") && !place.content().contains("by_balance"));
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("R__v migrated");
}

#[test]
fn a_killed_host_leaves_it_begun_and_the_next_reset_begins_again() {
    let place = with_files(&[("1_index.up.sql", UP), ("1_index.down.sql", DOWN)]);
    place.run(&["migrate"]).ends_with(0);
    let mut application = place.connect();
    application.run("BEGIN; UPDATE account SET balance = balance + 1 WHERE id = 1");
    let mut host = Host::start(&place, &["reset"]);
    host.until("step_started");
    let mut server = place.connect_as_superuser();
    until("the index is being dropped", || {
        !server.rows(DROPPING).is_empty()
    });
    assert_eq!(state(&place), "started");
    host.kill();
    server.run(&format!(
        "SELECT pg_terminate_backend(pid) FROM ({DROPPING}) AS it"
    ));
    until("its process has ended", || server.rows(DROPPING).is_empty());
    application.run("COMMIT");
    place.run(&["reset"]).ends_with(0);
    assert!(!place.content().contains("by_balance"));
    assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_step"), 0);
}

/// A run can be paused as long as something is left of it that has not begun.
#[test]
fn a_reset_in_parts_pauses_between_them() {
    let place = with_files(&[
        ("1_a.up.sql", "CREATE TABLE a (b int);"),
        ("1_a.down.sql", "DROP TABLE a;"),
        ("2_index.up.sql", UP),
        ("2_index.down.sql", DOWN),
        ("3_c.up.sql", "CREATE TABLE c (d int);"),
        ("3_c.down.sql", "DROP TABLE c;"),
    ]);
    place.run(&["migrate"]).ends_with(0);
    let reset_until_the_index = |arguments: &[&str]| {
        let mut application = place.connect();
        application.run("BEGIN; UPDATE account SET balance = balance + 1 WHERE id = 1");
        let host = Host::start(&place, arguments);
        let mut server = place.connect_as_superuser();
        until("the index is being dropped", || {
            !server.rows(DROPPING).is_empty()
        });
        (host, application)
    };
    let (host, mut application) = reset_until_the_index(&["reset"]);
    place.run(&["pause"]).ends_with(0);
    application.run("COMMIT");
    wait_for(&place, &["status"], "on hold paused by");
    assert!(place.has_table("a") && !place.content().contains("by_balance"));
    place.run(&["resume"]).ends_with(0);
    host.end().ends_with(0);
    assert!(!place.has_table("a"));

    place.run(&["migrate"]).ends_with(0);
    let (host, mut application) = reset_until_the_index(&["reset", "--to", "1"]);
    place
        .run(&["pause"])
        .ends_with(2)
        .and_says("cannot be paused any more");
    application.run("COMMIT");
    host.end().ends_with(0);
    assert!(place.has_table("a"));
}

#[test]
fn steps_that_are_undone_so_can_be_tested() {
    let place = Place::new()
        .with_sql(
            "0001_account.sql",
            "-- wasmigrate:migrate\nCREATE TABLE account (id BIGINT PRIMARY KEY, balance INTEGER);\n-- wasmigrate:reset\nDROP TABLE account;\n",
        )
        .with_sql(
            "0002_index.up.sql",
            &UP.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS"),
        )
        .with_sql("0002_index.down.sql", DOWN);
    let mut command = place.command(&["test", "--on", "postgres", "0002_index"]);
    command
        .env("WASMIGRATE_TEST_CRASH_SECONDS", "1")
        .env("WASMIGRATE_TEST_SERVER", application::server_url());
    Said::from(command.output().unwrap())
        .ends_with(0)
        .and_says("✓ reset undoes");
}

/// It stays half done, and no way out of it was named that could be gone.
#[test]
fn a_half_done_step_without_a_reset_has_a_way_on() {
    let place = with_files(&[(
        "0001_half.sql",
        "-- wasmigrate:no-transaction\nCREATE TABLE half (a int);\nSELECT * FROM missing;\n",
    )]);
    place.run(&["migrate"]).ends_with(1);
    for command in [&["baseline", "--through", "1"][..], &["reset"]] {
        place
            .run(command)
            .ends_with(2)
            .and_says("0001_half was begun and is not done: `migrate` runs it to its end, with `--allow-changed`")
            .and_says("`wasmigrate repair --remove 0001_half --reason …` forgets it");
    }
    std::fs::remove_file(place.step("0001_half.sql")).unwrap();
    place
        .run(&["repair", "--remove", "0001_half", "--reason", "by hand"])
        .ends_with(0);
    place.write_step("0001_half.sql", b"SELECT 1;");
    place.run(&["baseline", "--through", "1"]).ends_with(0);
}

/// Files of sources are reset in transactions alone; none of it stops anything else.
#[test]
fn a_file_of_sources_runs_and_its_reset_is_refused() {
    let place = with_files(&[("1_index.up.sql", UP), ("1_index.down.sql", DOWN)]);
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n",
    )
    .unwrap();
    let said = "files of sources are reset in transactions alone (write it without CONCURRENTLY)";
    place.run(&["plan"]).ends_with(0).and_says(said);
    for command in ["status", "migrate"] {
        place.run(&[command]).ends_with(0);
    }
    place.run(&["reset"]).ends_with(2).and_says(said);
    assert!(place.content().contains("by_balance"));
    place.run(&["finalize"]).ends_with(0);
}
