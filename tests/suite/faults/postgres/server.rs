//! The server is killed, all of its processes at once, with commits that have not reached its disk.

use wasmigrate_test_server::Cluster;

use super::point::{Point, SERVER};
use super::scenario::{Manner, Scenario};
use super::{in_parallel, steps};
use crate::place::Place;

/// Kills the server so many times under a command, and half as often under a service that tries again.
fn survives(
    name: &'static str,
    steps: impl FnOnce(Place) -> Place,
    preparation: &[&[&str]],
    act: &'static str,
    times: usize,
) {
    let cluster = Cluster::start_forgetful().unwrap();
    let mut scenario = Scenario::on(cluster, name, steps, preparation, &[act]);
    for (manner, times) in [(Manner::Command, times), (Manner::Service, times / 2)] {
        let exchanges = scenario.rehearse(manner);
        scenario.meets(Point::single(&SERVER, &exchanges, times), manner);
    }
    scenario.demand_unscathed();
}

#[test]
fn steps_in_sql() {
    survives("steps", steps::sql, &[], "finalize", 24);
}

#[test]
fn the_finalize_of_several_steps() {
    survives("finalize", steps::sql, &[&["migrate"]], "finalize", 12);
}

#[test]
fn the_reset_of_several_steps() {
    survives("reset", steps::sql, &[&["migrate"]], "reset", 12);
}

#[test]
fn a_component_with_checkpoints() {
    survives("checkpoints", steps::checkpoints, &[], "finalize", 16);
}

#[test]
fn a_step_outside_a_transaction() {
    survives("outside", steps::outside, &[], "finalize", 16);
}

#[test]
fn tenants_in_parallel() {
    let steps = |place| in_parallel(place, "2");
    survives("tenants in parallel", steps, &[], "finalize", 24);
}

#[test]
fn tenants_in_one_transaction() {
    survives("tenants at once", steps::tenants, &[], "finalize", 12);
}

#[test]
fn a_transformation() {
    survives("transformation", steps::customers, &[], "finalize", 24);
}
