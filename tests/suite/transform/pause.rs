//! A run that pauses when it is asked to, and continues when it is asked to.

use std::time::{Duration, Instant};

use super::{customers, expected, normalized, place_with};
use crate::place::{Place, Said};

/// Waits until the answer to a command has a text.
#[track_caller]
pub fn wait_for(place: &Place, command: &[&str], text: &str) {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        let said = place.run(command);
        if said.stdout.contains(text) {
            return;
        }
        assert!(Instant::now() < give_up, "no `{text}` in {said:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_backfill_pauses_and_continues() {
    let all = customers(4_000);
    let place = place_with(&all);
    // Slow enough to be caught at work.
    let run = place.start(&["migrate", "--max-rows-per-second", "2000"]);
    wait_for(&place, &["status"], "migration_running");
    place
        .run(&["pause"])
        .ends_with(0)
        .and_says("run 1 pauses as soon as its chunk or step is done");
    wait_for(&place, &["status"], "on hold paused by");
    let done = || place.one::<i64>("SELECT sum(rows_done) FROM wasmigrate_range");
    // Chunks that were under way end first; then nothing is done for long enough for several of them.
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        let before = done();
        assert!(before < 4_000, "the run did not rest");
        std::thread::sleep(Duration::from_millis(600));
        if done() == before {
            break;
        }
        assert!(Instant::now() < give_up, "the run does not rest");
    }
    place
        .run(&["resume"])
        .ends_with(0)
        .and_says("run 1 continues");
    let said = Said::from(run.wait_with_output().unwrap()).ends_with(0);
    assert!(
        said.stdout.contains("the run is paused: paused by"),
        "{said:#?}"
    );
    assert!(said.stdout.contains("the run continues"), "{said:#?}");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

#[test]
fn a_paused_run_can_be_cancelled_and_the_next_continues() {
    let all = customers(4_000);
    let place = place_with(&all);
    let run = place.start(&["migrate", "--max-rows-per-second", "2000"]);
    wait_for(&place, &["status"], "migration_running");
    place.run(&["pause"]).ends_with(0);
    wait_for(&place, &["status"], "on hold paused by");
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    Said::from(run.wait_with_output().unwrap())
        .ends_with(1)
        .and_says("keeps what it has done");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

#[test]
fn there_must_be_a_run() {
    let place = place_with(&customers(1));
    place
        .run(&["pause"])
        .ends_with(2)
        .and_says("no run is in progress");
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["resume"])
        .ends_with(2)
        .and_says("no run is in progress");
}

#[test]
fn a_paused_run_whose_host_is_gone_is_not_on_hold() {
    let place = place_with(&customers(4_000));
    let mut run = place.start(&["migrate", "--max-rows-per-second", "2000"]);
    wait_for(&place, &["status"], "migration_running");
    place.run(&["pause"]).ends_with(0);
    wait_for(&place, &["status"], "on hold paused by");
    run.kill().unwrap();
    run.wait().unwrap();
    let said = place.run(&["status"]).ends_with(0);
    assert!(!said.stdout.contains("on hold"), "{said:#?}");
    place
        .run(&["resume"])
        .ends_with(2)
        .and_says("no run is in progress");
    place.run(&["migrate"]).ends_with(0);
}
