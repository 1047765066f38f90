//! Mistakes that only code can make. The component `gallery` makes each when it is told to.

use super::{caught, clean, people, test};
use crate::place::Place;

/// Tries a step of the gallery with its mistake, and without.
#[track_caller]
pub fn exhibit(step: &str, check: &str, says: &str) {
    let place = people().with_guest("0002_greet.wasm", "gallery");
    let step = format!("gallery.step={step}");
    let arguments = |mistake| ["2", "--set", step.as_str(), "--set", mistake];
    caught(test(&place, &arguments("gallery.mistake=yes")), check, says);
    forget_what_was_found(&place);
    clean(test(&place, &arguments("gallery.mistake=no")));
}

/// What was kept as a fixture stays for the next test, which is to make its own.
fn forget_what_was_found(place: &Place) {
    let kept = place.path().join("migrations/fixtures/0002_greet");
    if kept.exists() {
        std::fs::remove_dir_all(kept).unwrap();
    }
}

#[test]
fn rows_that_a_crash_doubles() {
    exhibit(
        "resumes_from_the_start",
        "crashes",
        "the table greeting: 2 rows too many",
    );
}

#[test]
fn a_checkpoint_before_its_rows() {
    exhibit(
        "checkpoint_before_its_rows",
        "crashes",
        "rows missing, first:",
    );
}

#[test]
fn a_reset_of_what_is_not_there_yet() {
    exhibit(
        "reset_of_a_whole_migrate",
        "reset",
        "reset fails when migrate came no further than a checkpoint",
    );
}

#[test]
fn the_order_in_which_rows_happen_to_come() {
    exhibit(
        "order_of_rows",
        "deterministic",
        "add one wherever the order matters",
    );
}

#[test]
fn a_border_between_batches() {
    exhibit(
        "border_of_batches",
        "deterministic",
        "carry over what is unfinished",
    );
}

#[test]
fn null() {
    exhibit("null", "generated", "a person without a name");
}

#[test]
fn the_year_9999() {
    exhibit("year", "generated", "the year 10000 does not fit");
}

/// The same seed makes the same rows.
#[test]
fn a_seed_makes_the_same_again() {
    let place = people().with_guest("0002_greet.wasm", "gallery");
    let arguments = ["2", "--set", "gallery.step=null", "--seed", "7"];
    let summary =
        |said: &crate::place::Said| super::check(said, "generated")["summary"].to_string();
    let first = clean(test(&place, &arguments));
    assert!(summary(&first).contains("seed 7"), "{first:#?}");
    assert_eq!(summary(&first), summary(&clean(test(&place, &arguments))));
}
