//! Killed while it writes: all of it is written down, or nothing is.

use super::tool::SQLX;
use crate::crash::point::Seed;
use crate::crash::scenario::Scenario;

#[test]
fn an_import_is_killed_before_every_write() {
    let scenario = Scenario::new(SQLX.place(), &[], &["import", "--from", "sqlx"]);
    let points = Seed::new().choose(scenario.decisive_calls(), 40);
    assert!(scenario.survives(&points) > 10);
}
