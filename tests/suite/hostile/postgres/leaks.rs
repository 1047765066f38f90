//! What a step leaves in its session, for the next step and for the host.

use super::super::component::{Component, must, sql};
use super::{Target, hidden};
use crate::service::process::Service;

/// What the next step sees of the session it runs in.
const SEEN: &str = "CREATE TABLE seen AS
    SELECT name || ' = ' || setting AS it FROM pg_settings WHERE name <> 'application_name' AND name NOT LIKE '%.%'
    UNION ALL SELECT 'user = ' || session_user || ' ' || current_user
    UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = 7
    UNION ALL SELECT 'listens to ' || pg_listening_channels()
    UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name <> '' AND name NOT LIKE '<%'
    UNION ALL SELECT 'temporary ' || relname FROM pg_class WHERE relpersistence = 't'";

/// What a step sees behind one that does this.
fn seen_behind(statements: &[&str]) -> Vec<String> {
    let target = Target::new();
    target.place.write_step(
        "0002_leaves.wasm",
        &Component::migrating(
            statements
                .iter()
                .map(|statement| sql(statement))
                .collect::<String>(),
        )
        .build(),
    );
    let place = target.place.with_sql("0003_sees.sql", &format!("{SEEN};"));
    place.run(&["migrate"]).ends_with(0);
    place.texts("SELECT it FROM public.seen ORDER BY it")
}

#[track_caller]
fn is_as_usual(seen: &[String], usual: &[String], by: &str) {
    let new: Vec<_> = seen.iter().filter(|line| !usual.contains(line)).collect();
    assert!(new.is_empty() && seen.len() == usual.len(), "{by}: {new:?}");
}

#[test]
fn settings_end_with_their_step() {
    let usual = seen_behind(&[]);
    for set in [
        "SET %s = '%s'",
        "SET SESSION %s = '%s'",
        "SET LOCAL %s TO '%s'",
        "SELECT set_config('%s', '%s', false)",
        "DO $$ BEGIN EXECUTE 'SET %s = ''%s'''; END $$",
        "DO $$ BEGIN PERFORM set_config('%s', '%s', false); END $$",
    ] {
        let statements: Vec<String> = [
            ("synchronous_commit", "local"),
            ("lock_timeout", "0"),
            ("statement_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
            ("default_transaction_read_only", "on"),
            ("default_transaction_isolation", "serializable"),
            ("work_mem", "123kB"),
            ("row_security", "off"),
            ("client_min_messages", "error"),
            ("bytea_output", "escape"),
            ("extra_float_digits", "0"),
            ("standard_conforming_strings", "off"),
            ("timezone", "Asia/Tokyo"),
            ("datestyle", "German"),
            ("search_path", "pg_temp"),
        ]
        .iter()
        .map(|(name, value)| set.replacen("%s", name, 1).replacen("%s", value, 1))
        .collect();
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        is_as_usual(&seen_behind(&statements), &usual, set);
    }
}

#[test]
fn session_objects_end_with_their_step() {
    let usual = seen_behind(&[]);
    let statements = [
        "SELECT pg_advisory_lock(7)".to_owned(),
        "SELECT pg_advisory_lock_shared(7)".to_owned(),
        hidden("LISTEN news"),
        hidden("DECLARE mine CURSOR WITH HOLD FOR SELECT 1"),
        "CREATE TEMP TABLE account (id INTEGER)".to_owned(),
        "CREATE TEMP SEQUENCE numbers".to_owned(),
    ];
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    is_as_usual(&seen_behind(&statements), &usual, "");
}

#[test]
fn a_try_that_failed_leaves_nothing_to_the_next() {
    let target = Target::new();
    let looks = "DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = 7)
            OR current_setting('work_mem') = '123kB' OR to_regclass('pg_temp.left_over') IS NOT NULL
        THEN RAISE EXCEPTION 'something was left'; END IF; END $$";
    let body = sql(looks)
        + &sql("SELECT pg_advisory_lock(7)")
        + &sql("SET work_mem = '123kB'")
        + &sql("CREATE TEMP TABLE left_over (id INTEGER)")
        + "(return (call $fail {{the tide is out}} (i32.const 1)))";
    target
        .repels_step(
            super::COMPONENT,
            &Component::migrating(body).build(),
            "the tide is out",
        )
        .and_says("(attempt 3)");
    target.and_works_on();
}

#[test]
fn statements_that_were_prepared_are_not_taken_for_the_hosts() {
    let target = Target::new();
    // In all the names that the host may give.
    let prepares = "DO $$ BEGIN FOR number IN 1..200 LOOP
        EXECUTE format('PREPARE %s_%s AS INSERT INTO account VALUES (%s, ''Mallory'', 0)', 'wasmi' || 'grate', number, number + 10);
        END LOOP; END $$";
    // What is said several times in one transaction, the host prepares.
    let again = sql("INSERT INTO audit VALUES ('kept')").repeat(4);
    target.place.write_step(
        "0002_leaves.wasm",
        &Component::migrating(sql(prepares) + &again).build(),
    );
    target
        .place
        .write_step("0003_next.wasm", &Component::migrating(again).build());
    let place = target.place;
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept"; 8]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM account"), 3);
}

#[test]
fn statements_that_a_failed_step_prepared_do_not_fail_the_next_run_of_a_service() {
    let target = Target::new();
    let prepares = "DO $$ BEGIN FOR number IN 1..200 LOOP
        EXECUTE format('PREPARE %s_%s AS SELECT 1', 'wasmi' || 'grate_host', number);
        EXECUTE format('PREPARE %s_%s AS SELECT 1', 'wasmi' || 'grate', number);
        END LOOP; END $$";
    let fails = "(return (call $fail {{it fails}} (i32.const 0)))";
    let service = Service::start(&target.place);
    for _ in 0..3 {
        let step = Component::migrating(sql(prepares) + fails);
        target.place.write_step("0002_leaves.wasm", &step.build());
        let run = service.run("migrate");
        assert_eq!(service.outcome(run), "failed");
        assert!(service.output(run).is_empty());
    }
    let step = Component::migrating(sql("INSERT INTO audit VALUES ('done')"));
    target.place.write_step("0002_leaves.wasm", &step.build());
    service.does("migrate");
    service.does("finalize");
    assert_eq!(target.place.texts("SELECT note FROM audit"), ["done"]);
}

#[test]
fn a_checkpoint_is_an_end_too() {
    let looks = "DO $$ BEGIN
        IF current_setting('work_mem') = '123kB' OR to_regclass('pg_temp.left_over') IS NOT NULL
            OR EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = 7)
        THEN RAISE EXCEPTION 'something was left'; END IF; END $$";
    let body = sql("SET work_mem = '123kB'")
        + &sql("SELECT pg_advisory_lock(7)")
        + &sql("CREATE TEMP TABLE left_over (id INTEGER)")
        + &must("$checkpoint")
        + &sql(looks);
    let target = Target::new();
    target
        .place
        .write_step("0002_leaves.wasm", &Component::migrating(body).build());
    target.place.run(&["migrate"]).ends_with(0);
}

#[test]
fn a_checkpoint_does_not_commit_what_a_step_did_to_the_journal() {
    let target = Target::new();
    let body = super::writes() + &sql(&hidden("DELETE FROM JOURNAL_step")) + &must("$checkpoint");
    target.repels_step(
        super::COMPONENT,
        &Component::migrating(body).build(),
        "it changed or locked `wasmigrate_step`",
    );
    target.and_works_on();
}
