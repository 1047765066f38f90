//! Killed while it writes: all of it is written down, or nothing is.

use super::tool::{NUMBERED_SQLX, SQLX};
use crate::crash::point::Point;
use crate::place::Place;

/// Kills an import of two files before its writes; `applied` counts what is written down as applied.
fn is_all_or_nothing(place: &Place, table: &str) {
    let command = ["import", "--from", "sqlx"];
    let applied = format!("SELECT count(*) FROM {table}");
    let call = Place::in_sql_of("pwrite64", "sendto");
    let killed = (1..).take_while(|number| {
        let place = place.copy();
        let killed = Point::Call(call.to_owned(), *number).kill(&place, &command);
        if place.has_table(table) {
            let count = place.one::<i64>(&applied);
            assert!(count == 0 || count == 2, "{call} {number}: {count}");
            let unended = place.texts("SELECT id FROM wasmigrate_run WHERE outcome IS NULL");
            assert!(unended.is_empty(), "{call} {number}: {unended:?}");
        }
        place.run(&command).ends_with(0);
        assert_eq!(place.one::<i64>(&applied), 2, "{call} {number}");
        assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_run"), 1);
        place.is_whole();
        killed.is_some()
    });
    let count = killed.count();
    assert!(count > 10, "killed at {count} calls");
}

#[test]
fn an_import_of_steps_is_killed_before_every_write() {
    is_all_or_nothing(&NUMBERED_SQLX.place(), "wasmigrate_step");
}

#[test]
fn an_import_into_sources_is_killed_before_every_write() {
    is_all_or_nothing(&SQLX.place(), "wasmigrate_applied");
}
