//! What the journal keeps, and who may write it.

use crate::place::Place;

/// A statement that the host itself has just run, word for word, so that it is in its cache of prepared statements.
const OF_THE_HOST: &str = "UPDATE wasmigrate_run SET phase = $1 WHERE id = $2";

#[test]
fn a_step_cannot_borrow_a_statement_that_was_prepared_for_the_host() {
    let place = Place::new().with_guest("0001_one.wasm", "one");
    place
        .run(&["migrate", "--set", &format!("one.statement={OF_THE_HOST}")])
        .ends_with(1)
        .and_says("`wasmigrate_run`: a step may read the journal");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_step"), 0);
}

#[test]
fn settings_reach_a_step_from_flags_variables_and_the_file() {
    let statement = |value: i32| format!("INSERT INTO t VALUES ({value})");
    let place = Place::new()
        .with_data("CREATE TABLE t (a INTEGER)")
        .with_guest("0001_one.wasm", "one");
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        format!("[settings]\n\"one.statement\" = \"{}\"\n", statement(1)),
    )
    .unwrap();
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT a FROM t"), 1);
    place.write_step(
        "0002_one.wasm",
        &std::fs::read(place.step("0001_one.wasm")).unwrap(),
    );
    place
        .run(&[
            "migrate",
            "--set",
            &format!("one.statement={}", statement(2)),
        ])
        .ends_with(0);
    assert_eq!(place.one::<i64>("SELECT max(a) FROM t"), 2);
}

#[test]
fn a_database_that_stays_locked_is_told_and_the_next_run_goes_on() {
    let place = Place::new()
        .with_variable("WASMIGRATE_LOCK_WAIT_SECONDS", "1")
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("0002_b.sql", "CREATE TABLE b (c INTEGER);");
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0003_c.sql", b"CREATE TABLE c (d INTEGER);");
    let mut application = place.connect();
    application.run(Place::in_sql_of(
        "BEGIN IMMEDIATE",
        "BEGIN; LOCK TABLE wasmigrate_run IN EXCLUSIVE MODE",
    ));
    // Nobody holds the lease, but the application holds the lock.
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says(Place::in_sql_of(
            "another process holds the write lock",
            "a lock was not given within 2s (`postgres.lock_timeout_milliseconds`)",
        ));
    application.run("ROLLBACK");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0003_c migrated");
}

#[test]
fn history_tells_what_every_run_did() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("0002_b.sql", "INSERT INTO nowhere VALUES (1);");
    place.run(&["migrate"]).ends_with(1);
    place.write_step("0002_b.sql", b"INSERT INTO a VALUES (1);");
    place.run(&["finalize"]).ends_with(0);
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    let told: Vec<String> = history
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|run| {
            let (id, outcome) = (&run["id"], &run["outcome"]);
            run["attempts"]
                .as_array()
                .unwrap()
                .iter()
                .map(move |attempt| {
                    format!(
                        "run {id} {outcome}: {} {} {}",
                        attempt["name"], attempt["phase"], attempt["outcome"]
                    )
                    .replace('"', "")
                })
        })
        .collect();
    assert_eq!(
        told,
        [
            "run 2 done: b migrate done",
            "run 1 failed: a migrate done",
            "run 1 failed: b migrate failed",
        ]
    );
    assert_eq!(history[1]["error"]["code"], "database");
    assert_eq!(history[1]["error"]["step"], "0002_b");
    assert_eq!(
        history[1]["error"]["statement"],
        "INSERT INTO nowhere VALUES (1)"
    );
    assert_eq!(
        history[1]["error"]["database"]["message"],
        Place::in_sql_of(
            "no such table: nowhere",
            "relation \"nowhere\" does not exist",
        )
    );
}
