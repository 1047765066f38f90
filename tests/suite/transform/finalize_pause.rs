//! The finalize goes as gently through what has changed as migrate, and pauses until its one transaction begins.

use std::time::{Duration, Instant};

use super::customers;
use super::pause::wait_for;
use crate::hosts::host::{Host, until};
use crate::place::{Place, Said};
use crate::service::process::Service;

const CAPTURED: &str = "SELECT count(*) FROM capture_of_step_1";

/// A table that is gone through, of which so many rows have changed since.
fn changed(rows: i64) -> Place {
    let place = customers::place(rows);
    place.run(&["migrate"]).ends_with(0);
    place
        .connect()
        .run("UPDATE customer SET debit = debit + 1 WHERE id > 0");
    assert_eq!(place.one::<i64>(CAPTURED), rows);
    place
}

#[test]
fn rows_that_have_changed_are_no_exception_from_the_limit() {
    let place = changed(2_000);
    let began = Instant::now();
    place
        .run(&["finalize", "--max-rows-per-second", "500"])
        .ends_with(0);
    // The last ones are computed under the lock.
    assert!(began.elapsed() > Duration::from_secs(3));
}

#[test]
fn a_service_keeps_to_the_limit_between_migrate_and_finalize() {
    let place =
        customers::place(2_000).with_variable("WASMIGRATE_TRANSFORM_MAX_ROWS_PER_SECOND", "500");
    let service = Service::start(&place);
    service.does("migrate");
    place
        .connect()
        .run("UPDATE customer SET debit = debit + 1 WHERE id > 0");
    until("it has begun", || place.one::<i64>(CAPTURED) < 2_000);
    let began = Instant::now();
    until("the capture is empty", || place.one::<i64>(CAPTURED) == 0);
    assert!(began.elapsed() > Duration::from_secs(2));
}

#[test]
fn it_pauses_between_chunks_of_changed_rows() {
    let place = changed(3_000);
    let run = place.start(&["finalize", "--max-rows-per-second", "500"]);
    wait_for(&place, &["status"], "finalization_running");
    place.run(&["pause"]).ends_with(0);
    wait_for(&place, &["status"], "on hold paused by");
    let left = place.one::<i64>(CAPTURED);
    assert!(left > 0);
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(place.one::<i64>(CAPTURED), left);
    place.run(&["resume"]).ends_with(0);
    Said::from(run.wait_with_output().unwrap()).ends_with(0);
    customers::no_capture_is_left(&place);
}

/// A statement that takes some seconds.
fn slow() -> &'static str {
    "CREATE TABLE counted AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000000)
     SELECT count(*) AS counted FROM n"
}

#[test]
fn nobody_is_promised_a_pause_of_one_transaction() {
    let place = Place::new().with_sql(
        "0001_slow.sql",
        &format!(
            "-- wasmigrate:migrate\nCREATE TABLE one (value INTEGER);\n-- wasmigrate:finalize\n{};",
            slow()
        ),
    );
    place.run(&["migrate"]).ends_with(0);
    let mut host = Host::start(&place, &["finalize"]);
    host.until("step_started");
    place
        .run(&["pause"])
        .ends_with(2)
        .and_says("run 2 cannot be paused any more");
    host.interrupt();
    host.end().ends_with(1);
    assert!(!place.has_table("counted"));
}
