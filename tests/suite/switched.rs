//! One target, and two lists of steps: a directory and `[sources]`.

use crate::place::{Place, Said};

const MADE: &str =
    "-- wasmigrate:migrate\nCREATE TABLE made (id BIGINT);\n-- wasmigrate:reset\nDROP TABLE made;";

fn place() -> Place {
    Place::new().with_sql("0001_made.sql", MADE)
}

/// A command with `[sources]` that has this directory.
fn with_sources(place: &Place, directory: &str, arguments: &[&str]) -> Said {
    let mut command = place.command(arguments);
    command
        .env("WASMIGRATE_SOURCES_BASE", ".")
        .env("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", directory);
    Said::from(command.output().unwrap())
}

/// Writes a file to a directory beside the steps.
fn write_later(place: &Place) {
    let directory = place.path().join("later");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(
        directory.join("0001_later.sql"),
        "CREATE TABLE later (id BIGINT);",
    )
    .unwrap();
}

/// The same files in a list of another kind would run again.
#[test]
fn steps_of_a_directory_do_not_run_again_from_sources_nor_the_other_way_round() {
    let place_of_steps = place();
    place_of_steps.run(&["finalize"]).ends_with(0);
    let as_sources = |arguments: &[&str]| with_sources(&place_of_steps, "migrations", arguments);
    for arguments in [&["migrate"][..], &["plan", "--dry-run"]] {
        as_sources(arguments)
            .ends_with(2)
            .and_says("came from a directory of steps, such as `0001_made`");
    }
    let same = "came from a directory of steps, such as `0001_made`";
    for command in ["plan", "verify", "wait"] {
        as_sources(&[command]).ends_with(2).and_says(same);
    }
    let status = as_sources(&["status"]).ends_with(0).and_says(same);
    assert!(!status.stdout.contains("migrated  "), "{status:#?}");
    let status = as_sources(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["commands"], serde_json::json!([]));
    as_sources(&["baseline"]).ends_with(0);
    for command in ["plan", "verify", "wait"] {
        as_sources(&[command]).ends_with(0);
    }
    as_sources(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place_of_steps
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");

    let place = place();
    with_sources(&place, "migrations", &["migrate"]).ends_with(0);
    for arguments in [&["migrate"][..], &["finalize"], &["plan", "--dry-run"]] {
        place
            .run(arguments)
            .ends_with(2)
            .and_says("came from `[sources]`, such as `migrations/0001_made.sql`");
    }
    for command in ["plan", "verify", "wait"] {
        place
            .run(&[command])
            .ends_with(2)
            .and_says("came from `[sources]`");
    }
    place.run(&["status"]).and_says("came from `[sources]`");
}

#[test]
fn a_list_of_which_nothing_is_applied_any_more_stands_in_nobodys_way() {
    let place = place();
    with_sources(&place, "migrations", &["migrate"]).ends_with(0);
    with_sources(&place, "migrations", &["reset"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("made"));
}

#[test]
fn a_second_list_is_begun_when_a_baseline_says_so() {
    let place_of_steps = place();
    write_later(&place_of_steps);
    place_of_steps.run(&["finalize"]).ends_with(0);
    let later = |arguments: &[&str]| with_sources(&place_of_steps, "later", arguments);
    later(&["migrate"]).ends_with(2);
    later(&["baseline", "--through", "none"]).ends_with(0);
    later(&["migrate"]).ends_with(0);
    assert!(place_of_steps.has_table("later"));

    let place = place();
    write_later(&place);
    with_sources(&place, "later", &["migrate"]).ends_with(0);
    place.run(&["migrate"]).ends_with(2);
    place.run(&["baseline", "--through", "none"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("made"));
    // The other one is as it was.
    with_sources(&place, "later", &["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}
