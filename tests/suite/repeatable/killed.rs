//! A host is killed while repeatable steps run again.

use super::{Place, change, view, views};
use crate::crash::scenario::Scenario;

fn changed() -> Place {
    let place = views();
    place.run(&["finalize"]).ends_with(0);
    change(&place, "SELECT id + 1 AS id FROM item");
    let names = view("b_names", "SELECT name || '!' AS name FROM item");
    place.write_step("R__b_names.sql", names.as_bytes());
    place
}

/// Each of them writes a row, and what is left is compared with an undisturbed run.
#[test]
fn each_content_has_run_once_wherever_the_host_was_killed() {
    let scenario = Scenario::new(changed(), &[], &["migrate"]);
    let points = scenario.decisive_calls();
    assert!(scenario.survives(&points) > 20);
}
