//! What is built is called as its sources, whole, and is a step afterwards: otherwise nothing is built.

use super::{begin, place};
use crate::place::Place;

/// Sources in a directory of this name, as they are begun in C.
fn with_sources(place: &Place, name: &str) {
    let begun = begin(place, "x");
    std::fs::rename(&begun, begun.with_file_name(name)).unwrap();
}

fn built(place: &Place) -> Vec<String> {
    let files = std::fs::read_dir(place.step("")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".wasm")).collect();
    names.sort();
    names
}

#[test]
fn a_point_is_a_part_of_the_name() {
    for name in ["0001_v1.2_x", "V1.2__x", "R__x", "0001_x.sqlite"] {
        let place = place();
        with_sources(&place, name);
        place
            .run(&["build"])
            .ends_with(0)
            .and_says(&format!("built migrations/{name}.wasm"));
        assert_eq!(built(&place), [format!("{name}.wasm")]);
        place.run(&["plan"]).ends_with(0);
        place
            .run(&["test", &format!("migrations/{name}.wasm"), "--on", "sqlite"])
            .ends_with(0);
    }
}

#[test]
fn what_would_be_refused_afterwards_is_not_built() {
    for (name, words) in [
        ("0002b", "`0002b.wasm` is not named as a step"),
        ("0001_x y.down", "`0001_x y.down.wasm` undoes another file"),
        ("x y", "`x y.wasm` is not named as a step"),
        (
            "0001_b",
            "two steps have the index 1: `0001_a.sql` and `0001_b.wasm`",
        ),
        (
            "0002_a_down",
            "`0002_a_down.wasm` undoes `0001_a` by its name",
        ),
        ("0002_undo", "`0002_undo.wasm` is called `undo`"),
        (
            "V2__x",
            "`0001_a.sql` has a number and `V2__x.wasm` a version",
        ),
    ] {
        let place = place();
        with_sources(&place, name);
        let place = place.with_sql("0001_a.sql", "SELECT 1;");
        place
            .run(&["build"])
            .ends_with(2)
            .and_says("nothing was built")
            .and_says(words);
        assert!(built(&place).is_empty(), "{name}");
    }
}

#[test]
fn every_directory_is_a_step_or_an_error() {
    let place = place();
    begin(&place, "x");
    for name in [".hidden", "target"] {
        std::fs::create_dir_all(place.path().join("steps").join(name)).unwrap();
    }
    std::fs::write(place.path().join("steps/README.md"), "").unwrap();
    std::fs::create_dir(place.path().join("steps/draft")).unwrap();
    place
        .run(&["build"])
        .ends_with(2)
        .and_says("steps/draft is no step to build");
    assert!(built(&place).is_empty());
    std::fs::remove_dir(place.path().join("steps/draft")).unwrap();
    place.run(&["build"]).ends_with(0);
}

#[test]
fn a_number_that_two_have_is_not_guessed() {
    let place = place();
    with_sources(&place, "0002_b");
    with_sources(&place, "0002_a");
    place
        .run(&["build", "2"])
        .ends_with(2)
        .and_says("`2` may be `0002_a` or `0002_b`: give the whole name");
    place
        .run(&["build"])
        .ends_with(2)
        .and_says("two steps have the index 2");
    place.run(&["build", "0002_b"]).ends_with(0);
    assert_eq!(built(&place), ["0002_b.wasm"]);
}

#[test]
fn two_sources_of_one_file_are_refused() {
    let place = place();
    begin(&place, "x");
    let elsewhere = place.path().join("drafts/0001_x");
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("step.c"), "").unwrap();
    place
        .run(&["build", "1", "drafts/0001_x"])
        .ends_with(2)
        .and_says("would be built into the same file, and nothing was built");
    assert!(built(&place).is_empty());
}

/// What cannot be written is said once.
#[test]
fn a_failure_is_told_once() {
    let place = place();
    begin(&place, "x");
    std::fs::write(place.path().join("steps/target"), "").unwrap();
    let said = place
        .run(&["build"])
        .ends_with(2)
        .and_says("cannot be written: File exists (os error 17)");
    assert_eq!(said.stderr.matches("File exists").count(), 1, "{said:#?}");
}
