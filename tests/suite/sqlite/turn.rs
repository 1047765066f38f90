//! A run that writes all the time lets others write, too: SQLite keeps nobody in a queue.

use std::time::{Duration, Instant};

use crate::hosts::host::until;
use crate::place::{Place, Said};

/// Has the lock for a while, commits, and begins again at once; until somebody raises a flag, or it has waited for that long enough.
const BUSY: &str = "
export function migrate(db) {
  db.execute('CREATE TABLE filled (i INTEGER)');
  for (let turn = 0; turn < 100; turn++) {
    db.execute('INSERT INTO filled VALUES ($1)', [turn]);
    db.value('WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n');
    db.checkpoint(turn);
    if (db.value('SELECT count(*) FROM flag') > 0) return;
  }
  throw new Error('nobody raised the flag');
}
";

#[test]
fn a_step_that_sets_checkpoints_all_the_time_lets_others_write() {
    let place = Place::new()
        .with_data("CREATE TABLE flag (raised INTEGER)")
        .with_sql("0001_busy.js", BUSY)
        .with_sql("0002_after.sql", "CREATE TABLE after (id INTEGER);");
    let run = place.start(&["migrate"]);
    until("the step is at work", || place.has_table("filled"));
    for _ in 0..2 {
        place.run(&["pause"]).ends_with(0);
        place.run(&["resume"]).ends_with(0);
    }
    place.run(&["pause"]).ends_with(0);
    // So does the application, whose patience is its own.
    let mut application = place.connect();
    application.run("PRAGMA busy_timeout = 3000");
    application.run("INSERT INTO flag VALUES (1)");
    let give_up = Instant::now() + Duration::from_secs(30);
    until("the run is paused", || {
        assert!(Instant::now() < give_up);
        place.run(&["status"]).stdout.contains("on hold paused by")
    });
    place.run(&["resume"]).ends_with(0);
    Said::from(run.wait_with_output().unwrap()).ends_with(0);
}

#[test]
fn the_lease_of_such_a_run_can_be_broken() {
    let place = Place::new()
        .with_data("CREATE TABLE flag (raised INTEGER)")
        .with_sql("0001_busy.js", BUSY);
    let run = place.start(&["migrate"]);
    until("the step is at work", || place.has_table("filled"));
    place
        .run(&["lease", "break", "--reason", "it takes long"])
        .ends_with(0);
    Said::from(run.wait_with_output().unwrap()).ends_with(1);
    let outcome: String = place.one("SELECT outcome FROM wasmigrate_run");
    assert_eq!(outcome, "interrupted");
}
