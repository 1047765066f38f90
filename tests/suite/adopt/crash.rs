//! Killed while it writes: all of it is written down, or nothing is.

use super::tool::{NUMBERED_SQLX, SQLX};
use crate::crash::point::{Point, Seed};
use crate::crash::scenario::Scenario;
use crate::place::Place;

#[test]
fn an_import_is_killed_before_every_write() {
    let scenario = Scenario::new(NUMBERED_SQLX.place(), &[], &["import", "--from", "sqlx"]);
    let points = Seed::new().choose(scenario.decisive_calls(), 40);
    assert!(scenario.survives(&points) > 10);
}

#[test]
fn an_import_into_sources_is_killed_before_every_write() {
    let place = SQLX.place();
    let command = ["import", "--from", "sqlx"];
    let applied = "SELECT count(*) FROM wasmigrate_applied";
    let call = Place::in_sql_of("pwrite64", "sendto");
    let killed = (1..).step_by(3).take_while(|number| {
        let place = place.copy();
        let killed = Point::Call(call.to_owned(), *number).kill(&place, &command);
        if place.has_table("wasmigrate_applied") {
            let count = place.one::<i64>(applied);
            assert!(count == 0 || count == 2, "{call} {number}: {count}");
        }
        place.run(&command).ends_with(0);
        assert_eq!(place.one::<i64>(applied), 2, "{call} {number}");
        killed.is_some()
    });
    assert!(killed.count() > 3);
}
