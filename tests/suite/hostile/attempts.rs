//! Steps that fail and say so: how often they are tried, and what the operator and the journal learn.

use crate::application::{self, Kind};
use crate::place::Place;

use super::attack;
use super::component::{Component, must, sql, writes};

const TRY_AGAIN: &str = "(return (call $fail {{the tide is out}} (i32.const 1)))";

#[test]
fn a_step_that_asks_for_another_try_gets_three_in_all() {
    let place = attack(Component::migrating(writes() + TRY_AGAIN))
        .fails()
        .saying("0001_hostile is tried again (attempt 2) in 200 ms: the tide is out")
        .saying("0001_hostile is tried again (attempt 3) in 400 ms: the tide is out")
        .saying("error: 0001_hostile, migrate: the tide is out")
        .place;
    let attempts = place.texts(&format!(
        "SELECT attempt || ' ' || outcome || ' ' || {} FROM wasmigrate_attempt ORDER BY attempt",
        Place::in_sql_of(
            "json_extract(error, '$.message')",
            "(error::json ->> 'message')"
        )
    ));
    assert_eq!(
        attempts,
        [
            "1 failed the tide is out",
            "2 failed the tide is out",
            "3 failed the tide is out"
        ]
    );
}

#[test]
fn a_step_that_does_not_ask_is_tried_once() {
    let place = attack(Component::migrating(
        writes() + "(return (call $fail {{the tide is out}} (i32.const 0)))",
    ))
    .fails()
    .saying("the tide is out")
    .place;
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM wasmigrate_attempt"),
        1
    );
}

#[test]
fn the_operator_says_how_often() {
    let place = attack(Component::migrating(writes() + TRY_AGAIN))
        .under("attempts", 1)
        .fails()
        .place;
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM wasmigrate_attempt"),
        1
    );
}

#[test]
fn the_second_try_may_succeed_from_the_last_checkpoint() {
    // There is something to resume from the second time.
    let body = "(if (local.get 0) (then (return (i32.const 512))))".to_owned()
        + &sql("INSERT INTO audit VALUES ('kept')")
        + &must("$checkpoint")
        + &sql("INSERT INTO audit VALUES ('undone')")
        + TRY_AGAIN;
    let place = attack(Component::migrating(body))
        .succeeds()
        .saying("is tried again (attempt 2)")
        .saying("continues from its last checkpoint")
        .place;
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
    assert_eq!(
        place.texts("SELECT attempt || ' ' || outcome FROM wasmigrate_attempt ORDER BY attempt"),
        ["1 failed", "2 done"]
    );
}

#[test]
fn every_try_begins_with_the_data_as_it_was() {
    // Would fail with "table exists" from the second try on, which is not worth another.
    let place = attack(Component::migrating(
        sql("CREATE TABLE once (id INTEGER)") + TRY_AGAIN,
    ))
    .fails()
    .saying("error: 0001_hostile, migrate: the tide is out")
    .place;
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM wasmigrate_attempt"),
        3
    );
}

#[test]
fn the_cut_over_is_tried_again_too() {
    for export in ["finalize", "reset"] {
        let body = sql("INSERT INTO audit VALUES ('half')") + TRY_AGAIN;
        let place = attack(Component::new().with(export, body))
            .migrates_but_fails_to(export)
            .saying("(attempt 3)")
            .saying(&format!("0001_hostile, {export}: the tide is out"))
            .place;
        let count = format!("SELECT max(attempt) FROM wasmigrate_attempt WHERE phase = '{export}'");
        assert_eq!(place.one::<i64>(&count), 3);
    }
}

#[test]
fn a_failure_before_the_run_is_not_tried_again() {
    for export in ["check", "count"] {
        attack(Component::new().with(export, writes() + TRY_AGAIN))
            .gets_refused()
            .saying("error: 0001_hostile, prepare: the tide is out")
            .and_the_host_works_on();
    }
}

#[test]
fn a_failure_names_step_phase_statement_and_what_the_database_said() {
    let statement = "INSERT INTO account VALUES (1, 'Mallory', 0)";
    let repelled = attack(Component::migrating(writes() + &sql(statement)))
        .fails()
        .saying("error: 0001_hostile, migrate: gave up")
        .saying("statement: INSERT INTO account VALUES (1, 'Mallory', 0)")
        .saying(Place::in_sql_of(
            "database: UNIQUE constraint failed: account.id",
            "database: duplicate key value violates unique constraint \"account_pkey\"",
        ))
        .saying(Place::in_sql_of(
            "code: SQLITE_CONSTRAINT_PRIMARYKEY",
            "code: 23505",
        ));
    let error: String = repelled.place.one("SELECT error FROM wasmigrate_attempt");
    let error: serde_json::Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error["code"], "constraint");
    assert_eq!(error["blame"], "step");
    assert_eq!(error["step"], "0001_hostile");
    assert_eq!(error["phase"], "migrate");
    assert_eq!(error["statement"], statement);
    assert_eq!(error["database"]["table"], "account");
    match application::kind() {
        Kind::Sqlite => assert_eq!(error["database"]["column"], "id"),
        Kind::Postgres => assert_eq!(error["database"]["constraint"], "account_pkey"),
    }
    assert_eq!(error["retryable"], false);
}

#[test]
fn a_failure_is_the_same_for_machines() {
    let place = attack(Component::migrating(
        writes() + &sql("SELECT * FROM missing"),
    ))
    .place;
    let said = place.run(&["migrate", "--json"]).ends_with(1);
    let failure = &said.json()["failure"];
    assert_eq!(failure["step"], "0001_hostile");
    assert_eq!(failure["phase"], "migrate");
    assert_eq!(failure["statement"], "SELECT * FROM missing");
    assert_eq!(
        failure["database"]["message"],
        Place::in_sql_of(
            "no such table: missing",
            "relation \"missing\" does not exist"
        )
    );
}

#[test]
fn a_batch_that_is_refused_is_not_blamed_on_the_statement_before() {
    // Behind an error a transaction of PostgreSQL goes on only once a savepoint was rolled back.
    let body = must("$savepoint")
        + "(local.set $handle (call $value))"
        + "(drop (call $sql {{SELECT * FROM missing}}))"
        + "(call $drop_savepoint (local.get $handle))"
        + &must(
            "$many {{INSERT INTO audit VALUES ($1)}} (i32.const 1) (i32.const 0) (i32.const 0)",
        );
    attack(Component::migrating(body))
        .fails()
        .saying("statement: INSERT INTO audit VALUES ($1)")
        .saying("the statement has 1 parameters, but 0 values were given");
}

#[test]
fn a_giant_message_is_cut() {
    // The failure and its cause are a megabyte each; both are the component's own making.
    let body = "(memory.fill (i32.const 65536) (i32.const 120) (i32.const 1048576))
         (drop (call $fail (i32.const 65536) (i32.const 1048576) (i32.const 0)))
         (i32.store8 (i32.const 2072) (i32.const 1))
         (i32.store8 (i32.const 2080) (i32.const 5))
         (i32.store (i32.const 2088) (i32.const 65536))
         (i32.store (i32.const 2092) (i32.const 1048576))
         (return (i32.const 2048))";
    let repelled = attack(Component::migrating(body).with_memory(2 << 20))
        .fails()
        .saying("xxx … (1040384 bytes cut)");
    assert!(repelled.said.stderr.len() < 30_000);
    let kept: i64 = repelled
        .place
        .one("SELECT length(error) FROM wasmigrate_attempt");
    assert!(kept < 30_000, "{kept}");
}
