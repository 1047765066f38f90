//! A run whose connection is lost.

use super::tries;
use crate::application::superuser;
use crate::place::Place;
use crate::service::process::Service;
use crate::service::{applied, held_in, open_gate, outcomes};

/// Ends all connections to the place's database, as a server does that restarts.
fn end_connections(place: &Place) {
    let name: String = place.one("SELECT current_database()");
    superuser("postgres").run(&format!(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
    ));
}

#[test]
fn a_connection_that_is_lost_is_made_up_for() {
    let place = held_in("migrate")
        .with_variable("WASMIGRATE_RETRY_ATTEMPTS", "3")
        .with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "50");
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    open_gate(&place);
    end_connections(&place);
    assert_eq!(service.outcome(run), "done");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
    assert_eq!(tries(&place, 2), ["1 failed", "2 done"]);
    assert_eq!(outcomes(&place), ["done"]);
}

/// Steps that would show if one of them was done twice.
const STEPS: usize = 30;

/// How often all connections are ended.
const LOSSES: usize = 40;

#[test]
fn however_often_connections_are_lost_each_step_is_done_once() {
    let place = Place::new()
        .with_data("CREATE TABLE noted (note TEXT, number BIGINT GENERATED ALWAYS AS IDENTITY)")
        .with_variable("WASMIGRATE_RETRY_ATTEMPTS", "1000")
        .with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "1");
    for step in 1..=STEPS {
        let note =
            |phase: &str| format!("INSERT INTO noted (note) VALUES ('{phase} {step:02}');\n");
        let sql = format!(
            "-- wasmigrate:migrate\n{}SELECT pg_sleep(0.02);\n-- wasmigrate:finalize\n{}",
            note("migrate"),
            note("finalize")
        );
        place.write_step(&format!("{step:04}_note.sql"), sql.as_bytes());
    }
    let service = Service::start(&place);
    let run = service.run("finalize");
    // Not for ever, or the finalize, one transaction, would hardly ever come to its end.
    for _ in 0..LOSSES {
        end_connections(&place);
    }
    let outcome = service.outcome(run);
    assert_eq!(
        outcome,
        "done",
        "{}",
        service.get(&format!("/api/v1/runs/{run}")).json()
    );
    let expected: Vec<String> = ["migrate", "finalize"]
        .iter()
        .flat_map(|phase| (1..=STEPS).map(move |step| format!("{phase} {step:02}")))
        .collect();
    assert_eq!(
        place.texts("SELECT note FROM noted ORDER BY number"),
        expected
    );
    let failed: i64 = place.one("SELECT count(*) FROM wasmigrate_attempt WHERE outcome = 'failed'");
    assert!(failed > 0, "no try was lost");
}
