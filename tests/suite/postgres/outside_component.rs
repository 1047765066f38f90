//! Components that run outside a transaction, because they say so.

use super::outside::{cut_off_while_it_builds, state};
use crate::hostile::component::{Component, must, sql, swallow};
use crate::place::Place;

const STEP: &str = "0001_index.wasm";
const CREATE: &str = "CREATE INDEX CONCURRENTLY by_balance ON account (balance)";

/// A component whose `migrate` has this body, outside a transaction.
fn outside(body: String) -> Vec<u8> {
    // The third field of the description.
    Component::migrating(body)
        .with("describe", "(i32.store8 (i32.const 776) (i32.const 0))")
        .build()
}

fn says(line: &str) -> String {
    format!("(call $output (i32.const 1) {{{{{line}}}}})\n")
}

fn accounts(step: &[u8]) -> Place {
    let place = Place::new().with_data(
        "CREATE TABLE account (id BIGINT PRIMARY KEY, balance INTEGER);
         INSERT INTO account SELECT i, i / 2 FROM generate_series(1, 1000) AS i;",
    );
    place.write_step(STEP, step);
    place
}

fn tries(place: &Place) -> Vec<String> {
    place.texts("SELECT phase || ' ' || outcome FROM wasmigrate_attempt ORDER BY run, attempt")
}

fn lines(place: &Place) -> Vec<String> {
    place.texts("SELECT line FROM wasmigrate_output ORDER BY run, sequence")
}

#[test]
fn its_statements_run_outside_a_transaction() {
    let step = outside(
        says("before")
            + &sql(CREATE)
            + "(call $progress (i64.const 7) (i32.const 0) (i64.const 0))\n"
            + &sql("VACUUM account")
            + &says("behind"),
    );
    let place = accounts(&step);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_index migrated");
    assert!(place.content().contains("by_balance"));
    assert_eq!(
        place.texts("SELECT state || ' ' || rows_done FROM wasmigrate_step"),
        ["migrated 7"]
    );
    assert_eq!(tries(&place), ["migrate done"]);
    assert_eq!(lines(&place), ["before", "behind"]);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(state(&place), "finalized");

    let inside = accounts(&Component::migrating(sql(CREATE)).build());
    inside
        .run(&["migrate"])
        .ends_with(1)
        .and_says("CREATE INDEX CONCURRENTLY cannot run inside a transaction block");
}

#[test]
fn each_of_its_calls_commits_by_itself() {
    let body = sql("CREATE TABLE kept (id BIGINT)")
        + &must("$sql_with {{INSERT INTO kept VALUES ($1)}} (i64.const 1)")
        // A result of many portions, read while other statements run.
        + &must("$query {{SELECT id FROM account ORDER BY id}}")
        + "(local.set $handle (call $value))\n"
        + &must("$next (local.get $handle)")
        + &sql("INSERT INTO kept VALUES (2)")
        + &must("$next (local.get $handle)")
        + "(call $drop_cursor (local.get $handle))\n"
        + &swallow("$sql {{INSERT INTO kept VALUES (3), (NULL::int / 0), (1 / 0)}}")
        + &sql("INSERT INTO kept VALUES (4)")
        + "unreachable";
    let place = accounts(&outside(body));
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the component trapped")
        .and_says("keeps what it has done and is run again");
    assert_eq!(place.texts("SELECT id::text FROM kept"), ["1", "2", "4"]);
    assert_eq!(state(&place), "started");
    assert_eq!(tries(&place), ["migrate failed"]);
}

#[test]
fn what_needs_a_transaction_is_refused() {
    for (call, words) in [
        ("$savepoint", "a savepoint in a step that runs outside"),
        ("$checkpoint", "a checkpoint in a step that runs outside"),
        ("$sql {{BEGIN}}", "the host begins and ends the transaction"),
        ("$sql {{DELETE FROM wasmigrate_step}}", "belong to the host"),
    ] {
        let place = accounts(&outside(sql("CREATE TABLE kept (id BIGINT)") + &must(call)));
        place.run(&["migrate"]).ends_with(1).and_says(words);
        assert!(place.has_table("kept"), "{call}");
        assert_eq!(state(&place), "started");
    }
}

/// What it said and did before it failed is kept, and told.
#[test]
fn its_failure_keeps_its_output_and_names_the_invalid_index() {
    let unique = CREATE.replace("INDEX", "UNIQUE INDEX");
    let body = says("here it comes") + &sql("CREATE TABLE kept (id BIGINT)") + &sql(&unique);
    let place = accounts(&outside(body));
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("could not create unique index")
        .and_says(&unique)
        .and_says("it left an invalid index behind")
        .and_says("before the next try: DROP INDEX CONCURRENTLY public.by_balance")
        .and_says("keeps what it has done and is run again");
    assert!(place.has_table("kept"));
    assert_eq!(state(&place), "started");
    assert_eq!(tries(&place), ["migrate failed"]);
    assert_eq!(lines(&place), ["here it comes"]);
    // Passed over, the index would pass for done.
    let careless = CREATE.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS");
    place.write_step(STEP, &outside(sql(&careless)));
    place
        .run(&["migrate", "--allow-changed"])
        .ends_with(1)
        .and_says("runs outside a transaction and was cut off before: it runs again")
        .and_says("it left an invalid index behind");
    let careful = sql("DROP INDEX CONCURRENTLY IF EXISTS by_balance") + &sql(CREATE);
    place.write_step(STEP, &outside(careful));
    place.run(&["migrate", "--allow-changed"]).ends_with(0);
    assert_eq!(state(&place), "migrated");
    assert_eq!(
        tries(&place),
        ["migrate failed", "migrate failed", "migrate done"]
    );
}

#[test]
fn a_killed_host_leaves_it_started_and_the_next_runs_it_again() {
    let careful = says("at work")
        + &sql("DROP INDEX CONCURRENTLY IF EXISTS by_balance")
        + &sql("CREATE TABLE IF NOT EXISTS kept (id BIGINT)")
        + &sql(CREATE);
    let place = accounts(&outside(careful));
    cut_off_while_it_builds(&place);
    assert!(place.has_table("kept"));
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("0001_index  wasm  started");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("runs outside a transaction and was cut off before: it runs again");
    assert_eq!(state(&place), "migrated");
    assert_eq!(
        lines(&place),
        ["at work", "relation \"kept\" already exists, skipping"]
    );
    assert!(place.content().contains("by_balance"));
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(place.one::<i64>(invalid), 0);
}
