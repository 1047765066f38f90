//! PostgreSQL.

mod act;
mod history;
mod point;
mod scenario;
mod server;
mod steps;

use point::{CANCELLED, CUTS, Point, RETRIED};
use scenario::{Manner, Scenario};

use crate::place::Place;

/// Injects faults into a command, and into the same command of a service that tries again.
fn survives(mut scenario: Scenario, commands: usize, retried: usize) {
    let exchanges = scenario.rehearse(Manner::Command);
    scenario.meets(Point::in_turn(&CUTS, &exchanges, commands), Manner::Command);
    if retried > 0 {
        let exchanges = scenario.rehearse(Manner::Service);
        scenario.meets(
            Point::in_turn(&RETRIED, &exchanges, retried),
            Manner::Service,
        );
    }
    scenario.demand_unscathed();
}

/// Tenants, so many at a time.
fn in_parallel(place: Place, workers: &str) -> Place {
    steps::tenants(place).with_variable("WASMIGRATE_TENANTS_PARALLEL", workers)
}

#[test]
fn a_run_that_is_repeated_has_the_same_exchanges() {
    let scenario = Scenario::new("steps", steps::sql, &[], &["finalize"]);
    // A look for a pause comes by the clock, and is an exchange and its end.
    let rehearse = || {
        let mut is_end = false;
        let mut exchanges = scenario.rehearse(Manner::Command);
        exchanges.retain(|about| {
            let is_look = about.contains("requested_at");
            let is_kept = !is_look && !is_end;
            is_end = is_look;
            is_kept
        });
        exchanges
    };
    let exchanges = rehearse();
    let commits = exchanges.iter().filter(|about| about.contains("COMMIT"));
    assert!(commits.count() > 7, "{exchanges:#?}");
    assert_eq!(rehearse(), exchanges);
}

#[test]
fn steps_in_sql() {
    survives(
        Scenario::new("steps", steps::sql, &[], &["finalize"]),
        300,
        150,
    );
}

#[test]
fn steps_that_share_a_commit() {
    survives(
        Scenario::new("brief steps", steps::brief, &[], &["migrate"]),
        120,
        60,
    );
}

#[test]
fn the_finalize_of_several_steps() {
    let scenario = Scenario::new("finalize", steps::sql, &[&["migrate"]], &["finalize"]);
    survives(scenario, 200, 100);
}

#[test]
fn the_reset_of_several_steps() {
    let scenario = Scenario::new("reset", steps::sql, &[&["migrate"]], &["reset"]);
    survives(scenario, 200, 100);
}

#[test]
fn a_component_with_checkpoints() {
    let scenario = Scenario::new("checkpoints", steps::checkpoints, &[], &["finalize"]);
    survives(scenario, 250, 120);
}

#[test]
fn a_step_outside_a_transaction() {
    let scenario = Scenario::new("outside", steps::outside, &[], &["finalize"]);
    survives(scenario, 250, 120);
}

#[test]
fn tenants_in_parallel() {
    let steps = |place| in_parallel(place, "2");
    survives(
        Scenario::new("tenants in parallel", steps, &[], &["finalize"]),
        300,
        150,
    );
}

#[test]
fn tenants_one_after_the_other() {
    let steps = |place| in_parallel(place, "1");
    survives(
        Scenario::new("tenants one by one", steps, &[], &["finalize"]),
        200,
        100,
    );
}

#[test]
fn tenants_in_one_transaction() {
    let scenario = Scenario::new("tenants at once", steps::tenants, &[], &["finalize"]);
    survives(scenario, 200, 100);
}

#[test]
fn a_transformation() {
    let scenario = Scenario::new("transformation", steps::customers, &[], &["finalize"]);
    survives(scenario, 250, 100);
}

#[test]
fn a_transformation_with_bad_rows() {
    survives(
        Scenario::new("bad rows", steps::words, &[], &["migrate"]),
        150,
        60,
    );
}

/// Cancels the command whenever it opens a connection, and at so many other exchanges.
fn is_cancelled(mut scenario: Scenario, others: usize) {
    let exchanges = scenario.rehearse(Manner::Command);
    let mut points = Point::every(&CANCELLED, &exchanges);
    let is_start = |point: &Point| point.about.starts_with("start");
    let starts: Vec<Point> = points.extract_if(.., |point| is_start(point)).collect();
    assert!(!starts.is_empty(), "{exchanges:#?}");
    let every = (points.len() / others).max(1);
    let others = points.into_iter().step_by(every);
    scenario.meets(starts.into_iter().chain(others).collect(), Manner::Command);
    scenario.demand_unscathed();
}

#[test]
fn steps_that_are_cancelled() {
    is_cancelled(
        Scenario::new("cancelled steps", steps::sql, &[], &["finalize"]),
        12,
    );
}

#[test]
fn tenants_that_are_cancelled() {
    let steps = |place| in_parallel(place, "2");
    is_cancelled(
        Scenario::new("cancelled tenants", steps, &[], &["finalize"]),
        12,
    );
}

#[test]
fn a_transformation_that_is_cancelled() {
    is_cancelled(
        Scenario::new(
            "cancelled transformation",
            steps::customers,
            &[],
            &["finalize"],
        ),
        12,
    );
}
