//! Steps that run outside a transaction.

use crate::hosts::host::{Host, until};
use crate::place::{Place, Said};

const INDEX: &str = "-- wasmigrate:no-transaction
CREATE INDEX CONCURRENTLY by_balance ON account (balance);
VACUUM account;";

/// The processes of the server that build an index and wait for the application.
const BUILDING: &str = "SELECT pid FROM pg_stat_activity
                        WHERE datname = current_database()
                          AND query LIKE '%CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'";

fn accounts() -> Place {
    Place::new()
        .with_data(
            "CREATE TABLE account (id BIGINT PRIMARY KEY, balance INTEGER);
             INSERT INTO account SELECT i, i / 2 FROM generate_series(1, 1000) AS i;",
        )
        .with_sql("0001_index.sql", INDEX)
}

pub fn state(place: &Place) -> String {
    place.one("SELECT state FROM wasmigrate_step WHERE step_index = 1")
}

/// Kills the host of a migrate while the server builds the index.
pub fn cut_off_while_it_builds(place: &Place) {
    // Building the index waits for whoever may still see the table as it was.
    let mut application = place.connect();
    application.run("BEGIN; UPDATE account SET balance = balance + 1 WHERE id = 1");
    let mut host = Host::start(place, &["migrate"]);
    host.until("step_started");
    let mut server = place.connect_as_superuser();
    until("the index is being built", || {
        !server.rows(BUILDING).is_empty()
    });
    assert_eq!(state(place), "started");
    host.kill();
    server.run(&format!(
        "SELECT pg_terminate_backend(pid) FROM ({BUILDING}) AS it"
    ));
    until("its process has ended", || server.rows(BUILDING).is_empty());
    application.run("COMMIT");
}

#[test]
fn statements_run_that_refuse_a_transaction() {
    let place = accounts();
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_index migrated");
    assert_eq!(state(&place), "migrated");
    assert!(place.content().contains("by_balance"));
    place.run(&["finalize"]).ends_with(0);
    let inside = accounts();
    inside.write_step(
        "0001_index.sql",
        b"SELECT 1;\nCREATE INDEX CONCURRENTLY by_balance ON account (balance);",
    );
    inside
        .run(&["migrate"])
        .ends_with(2)
        .and_says("CREATE INDEX CONCURRENTLY cannot run inside a transaction block")
        .and_says("move it into a file of its own with the line `-- wasmigrate:no-transaction`");
}

#[test]
fn a_file_of_statements_that_refuse_a_transaction_needs_no_line() {
    for (script, table) in [
        (
            "CREATE INDEX CONCURRENTLY by_balance ON account (balance);",
            "by_balance",
        ),
        (
            "SET lock_timeout = '1s';\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON account (id);\nVACUUM account;",
            "i",
        ),
        (
            "REINDEX (VERBOSE) TABLE CONCURRENTLY account; -- done",
            "account",
        ),
    ] {
        let place = accounts().with_sql("0001_index.sql", script);
        let said =
            "0001_index runs outside a transaction: each of its statements refuses to run in one";
        place.run(&["plan", "--strict"]).ends_with(0).and_says(said);
        place.run(&["migrate"]).ends_with(0).and_says(said);
        assert_eq!(state(&place), "migrated");
        assert!(place.content().contains(table), "{script}");
    }
    let refused = accounts().with_sql("0001_index.sql", "CREATE DATABASE other;");
    refused
        .run(&["migrate"])
        .ends_with(2)
        .and_says("a step works on the target alone");
}

#[test]
fn a_new_value_of_a_type_can_be_used_at_once() {
    let place = Place::new()
        .with_data("CREATE TYPE colour AS ENUM ('red'); CREATE TABLE thing (colour colour);")
        .with_sql(
            "0001_green.sql",
            "-- wasmigrate:no-transaction\nALTER TYPE colour ADD VALUE IF NOT EXISTS 'green';\nINSERT INTO thing VALUES ('green');",
        );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT colour FROM thing"), ["green"]);
}

/// What such a step did before it failed stays, and it says so.
#[test]
fn a_failure_keeps_what_was_done_and_names_the_invalid_index() {
    let place = accounts();
    place.write_step(
        "0001_index.sql",
        b"-- wasmigrate:no-transaction\nCREATE TABLE kept (a int);\nCREATE UNIQUE INDEX CONCURRENTLY by_balance ON account (balance);",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("could not create unique index")
        .and_says("it left an invalid index behind")
        .and_says("before the next try: DROP INDEX CONCURRENTLY public.by_balance")
        .and_says("statement (line 3)")
        .and_says("keeps what it has done and is run again");
    assert_eq!(state(&place), "started");
    // The same again is refused by the database, and passed over with IF NOT EXISTS: neither may pass for done.
    for create in [
        "CREATE INDEX CONCURRENTLY",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS",
    ] {
        let step =
            format!("-- wasmigrate:no-transaction\n{create} by_balance ON account (balance);");
        place.write_step("0001_index.sql", step.as_bytes());
        place
            .run(&["migrate", "--allow-changed"])
            .ends_with(1)
            .and_says("runs outside a transaction and was cut off before: it runs again")
            .and_says("it left an invalid index behind");
    }
    place
        .connect()
        .run("DROP INDEX CONCURRENTLY public.by_balance");
    place.run(&["migrate", "--allow-changed"]).ends_with(0);
    assert_eq!(state(&place), "migrated");
}

/// An index that was invalid before the step came is no matter of the step's.
/// The lease was taken meanwhile: what it did stays all the same.
#[test]
fn what_was_done_stays_when_the_lease_is_broken() {
    let place = Place::new().with_sql(
        "0001_kept.sql",
        "-- wasmigrate:no-transaction\nCREATE TABLE kept (a int);\nSELECT pg_sleep(600);",
    );
    let host = place.start(&["migrate"]);
    until("the step sleeps", || place.has_table("kept"));
    place
        .run(&["lease", "break", "--reason", "it sleeps"])
        .ends_with(0);
    let said = Said::from(host.wait_with_output().unwrap())
        .ends_with(1)
        .and_says("keeps what it has done and is run again");
    assert!(!said.stdout.contains("was rolled back"), "{said:#?}");
}

#[test]
fn what_others_left_invalid_is_not_held_against_a_step() {
    let place = accounts().with_data("INSERT INTO account VALUES (0, 1)");
    let mut application = place.connect();
    let failed =
        application.try_run("CREATE UNIQUE INDEX CONCURRENTLY theirs ON account (balance)");
    failed.unwrap_err();
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn a_killed_host_leaves_it_started_and_the_next_runs_it_again() {
    let place = accounts();
    cut_off_while_it_builds(&place);
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("0001_index  sql   started");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("DROP INDEX CONCURRENTLY public.by_balance");
    place
        .connect()
        .run("DROP INDEX CONCURRENTLY public.by_balance");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(state(&place), "migrated");
    assert!(place.content().contains("by_balance"));
}

/// Its host is dead, but the server works on for it: the next host ends that before it begins.
#[test]
fn the_next_host_ends_what_a_dead_one_has_left_running() {
    let place = accounts();
    let mut application = place.connect();
    application.run("BEGIN; UPDATE account SET balance = balance + 1 WHERE id = 1");
    let mut host = Host::start(&place, &["migrate"]);
    host.until("step_started");
    let mut server = place.connect_as_superuser();
    until("the index is being built", || {
        !server.rows(BUILDING).is_empty()
    });
    let process = place.one::<String>(BUILDING);
    host.kill();
    let next = Host::start(&place, &["migrate"]);
    let left = format!("SELECT pid FROM pg_stat_activity WHERE pid = {process}");
    until("what the dead one left has ended", || {
        server.rows(&left).is_empty()
    });
    next.end()
        .ends_with(1)
        .and_says("DROP INDEX CONCURRENTLY public.by_balance");
    application.run("COMMIT");
    place
        .connect()
        .run("DROP INDEX CONCURRENTLY public.by_balance");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(state(&place), "migrated");
}

/// Nobody queues up behind a statement that waits for a lock, whether it is in a transaction or not.
#[test]
fn a_statement_waits_no_longer_for_a_lock_than_one_in_a_transaction() {
    let place = accounts()
        .with_variable("WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS", "300")
        .with_sql(
            "0001_index.sql",
            "-- wasmigrate:no-transaction\nALTER TABLE account ADD COLUMN more TEXT;",
        );
    let mut application = place.connect();
    application.run("BEGIN; UPDATE account SET balance = balance + 1 WHERE id = 1");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("a lock was not given within 300ms")
        .and_says("it was held by process");
    application.run("COMMIT");
    place.run(&["migrate"]).ends_with(0);
}

/// What builds an index beside the application waits for transactions, and nobody waits for it meanwhile.
#[test]
fn an_index_that_is_built_beside_the_application_waits_for_as_long_as_it_takes() {
    let place = accounts().with_variable("WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS", "300");
    let mut application = place.connect();
    application.run("BEGIN; UPDATE account SET balance = balance + 1 WHERE id = 1");
    let host = Host::start(&place, &["migrate"]);
    let mut server = place.connect_as_superuser();
    let waits = format!("{BUILDING} AND query_start < clock_timestamp() - interval '1 second'");
    until("it has waited for long", || !server.rows(&waits).is_empty());
    application.run("COMMIT");
    host.end().ends_with(0);
    assert_eq!(state(&place), "migrated");
}

#[test]
fn neither_a_transaction_nor_the_journal_is_open_to_it() {
    for (statement, words) in [
        ("BEGIN", "the host begins and ends the transaction"),
        ("SET ROLE postgres", "the host decides in whose name"),
        (
            "UPDATE wasmigrate_step SET name = 'x'",
            "belong to the host",
        ),
        (
            "DO $$ BEGIN EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_step'; END $$",
            "the step tampered with the host",
        ),
    ] {
        let place = accounts();
        place.write_step(
            "0001_index.sql",
            format!("-- wasmigrate:no-transaction\n{statement};").as_bytes(),
        );
        let status = if words.contains("tampered") { 1 } else { 2 };
        place.run(&["migrate"]).ends_with(status).and_says(words);
    }
}

#[test]
fn a_role_cannot_confine_it() {
    let place = accounts().with_variable("WASMIGRATE_POSTGRES_ROLE", "app");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("cannot be confined to `postgres.role`");
}

#[test]
fn a_dry_run_passes_it_over() {
    let place = accounts().with_sql("0002_more.sql", "INSERT INTO account VALUES (5000, 1);");
    let before = place.content();
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("0001_index runs outside a transaction, so that it is not rehearsed")
        .and_says("1 step ran and was rolled back; nothing was changed")
        .and_says("account  1 row change");
    assert_eq!(place.content(), before);
}

#[test]
fn reset_undoes_it_in_a_transaction() {
    let place = accounts();
    let step = format!(
        "{}\n-- wasmigrate:reset\nDROP INDEX by_balance;",
        INDEX.replace("no-transaction", "no-transaction\n-- wasmigrate:migrate")
    );
    place.write_step("0001_index.sql", step.as_bytes());
    let before = place.content();
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    assert_eq!(place.content(), before);
}

/// What ran before could not be rolled back.
#[test]
fn what_is_never_permitted_is_found_before_the_first_statement() {
    for refused in ["LISTEN x", "BEGIN", "ALTER SYSTEM SET work_mem = '1MB'"] {
        let place = accounts();
        place.write_step(
            "0001_index.sql",
            format!("-- wasmigrate:no-transaction\nUPDATE account SET balance = 7;\nVACUUM account;\n{refused};").as_bytes(),
        );
        for _ in 0..2 {
            place.run(&["migrate"]).ends_with(2).and_says("(line 4)");
            let changed = "SELECT count(*) FROM account WHERE balance = 7";
            assert_eq!(place.one::<i64>(changed), 2, "{refused}");
        }
    }
}
