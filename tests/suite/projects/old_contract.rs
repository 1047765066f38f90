//! Components that were built against 0.1 of the contract, and are kept as files: they run as they did.
//!
//! They are the examples `parse_orders` in C and `people` in Rust, as they were built before there was a 0.2.

use std::path::Path;

use super::{LINES, in_rust};
use crate::place::Place;

/// The steps of [`in_rust`], as they were built then.
fn built_before() -> Place {
    let kept = |name: &str| {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("components/0.1");
        std::fs::read(kept.join(name)).unwrap()
    };
    let place = Place::new().with_sql("0001_lines.sql", LINES);
    place.write_step("0002_parse_orders.wasm", &kept("parse_orders.wasm"));
    place.write_step("0003_people.wasm", &kept("people.wasm"));
    place
}

#[test]
fn they_migrate_finalize_and_leave_behind_what_those_of_today_do() {
    let (old, new) = (built_before(), in_rust());
    for place in [&old, &new] {
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("3 purchases, 11 bad lines");
        place.run(&["finalize"]).ends_with(0);
    }
    assert_eq!(old.content(), new.content());
}

#[test]
fn they_are_reset() {
    let place = built_before();
    place.run(&["migrate", "--to", "1"]).ends_with(0);
    let before = place.content();
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset", "--to", "1"]).ends_with(0);
    assert_eq!(place.content(), before);
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("order_line"));
}

#[test]
fn they_pass_test() {
    built_before().run(&["test"]).ends_with(0);
}

/// Only a component of 0.2 tells which phases it has.
#[test]
fn inspect_says_which_phases_a_step_has_where_it_tells() {
    let (old, new) = (built_before(), in_rust());
    for (place, phases) in [(&old, None), (&new, Some("migrate, finalize, reset"))] {
        let step = place.step("0002_parse_orders.wasm");
        let step = step.to_str().unwrap();
        let said = place.run(&["inspect", step]).ends_with(0);
        let line = said
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("phases "));
        assert_eq!(line.map(str::trim), phases, "{said:#?}");
    }
}
