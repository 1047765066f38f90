//! Values of enumerations, which can be used only after they are committed.

use crate::place::Place;

fn steps(place: Place, directory: &str) -> Place {
    std::fs::create_dir_all(place.path().join("migrations").join(directory)).unwrap();
    place
        .with_sql(
            &format!("{directory}0001_a.sql"),
            "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE a (m mood);",
        )
        .with_sql(
            &format!("{directory}0002_b.sql"),
            "ALTER TYPE mood ADD VALUE 'happy';",
        )
        .with_sql(
            &format!("{directory}0003_c.sql"),
            "INSERT INTO a VALUES ('happy');",
        )
}

const NOT_REHEARSED: &str = "uses what a step before it adds";

#[test]
fn a_rehearsal_takes_a_value_of_an_earlier_step_for_no_fault() {
    let place = steps(Place::new(), "");
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says(NOT_REHEARSED)
        .and_says("2 steps ran and were rolled back");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<String>("SELECT m::text FROM a"), "happy");
}

#[test]
fn a_step_that_uses_a_value_of_its_own_fails_in_a_rehearsal_as_it_does_in_a_run() {
    let place = Place::new()
        .with_sql(
            "0001_a.sql",
            "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE a (m mood);",
        )
        .with_sql(
            "0002_b.sql",
            "ALTER TYPE mood ADD VALUE 'happy'; INSERT INTO a VALUES ('happy');",
        );
    for arguments in [
        &["plan", "--dry-run"][..],
        &["migrate"],
        &["plan", "--dry-run"],
    ] {
        place
            .run(arguments)
            .ends_with(1)
            .and_says("unsafe use of new value");
    }
}

#[test]
fn files_that_are_committed_one_by_one_are_no_fault_in_a_rehearsal_either() {
    let place = steps(
        Place::new().with_variable("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", "single"),
        "single/",
    );
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says(NOT_REHEARSED)
        .and_says("2 steps ran and were rolled back");
    // All files in one transaction are no such thing.
    place
        .run(&["migrate", "--atomic"])
        .ends_with(1)
        .and_says("`--parallel 1` commits each of them before the next");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<String>("SELECT m::text FROM a"), "happy");
}
