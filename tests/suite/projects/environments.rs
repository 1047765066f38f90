//! Several directories of migrations with their sources in one place: each step is built for the one for which it was begun.

use super::{begin, place};
use crate::place::Place;

fn two() -> Place {
    let place = place();
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "migrations = \"migrations\"\n[env.other]\nmigrations = \"others\"\n",
    )
    .unwrap();
    std::fs::create_dir(place.path().join("others")).unwrap();
    begin(&place, "one");
    place
        .run(&["new", "two", "--lang", "c", "--env", "other"])
        .ends_with(0)
        .and_says("made steps/0001_two/step.c");
    place
}

fn is_built(place: &Place, file: &str) -> bool {
    place.path().join(file).exists()
}

#[test]
fn each_step_is_built_for_its_directory() {
    let place = two();
    place
        .run(&["build", "--migrations", "others"])
        .ends_with(0)
        .and_says("built others/0001_two.wasm");
    assert!(!is_built(&place, "others/0001_one.wasm"));
    assert!(!is_built(&place, "migrations/0001_one.wasm"));
    // What is for the other is not missed here.
    place
        .run(&["plan"])
        .ends_with(2)
        .and_says("steps/0001_one` was never built");
    place.run(&["plan", "--env", "other"]).ends_with(0);
    place
        .run(&["build", "0001_one", "--migrations", "others"])
        .ends_with(2)
        .and_says("steps/0001_one was begun for `migrations`");
    place
        .run(&["build"])
        .ends_with(0)
        .and_says("built migrations/0001_one.wasm")
        .and_says("unchanged others/0001_two.wasm");
    assert!(!is_built(&place, "migrations/0001_two.wasm"));
}

#[test]
fn sources_that_do_not_say_for_which_are_not_guessed() {
    let place = two();
    std::fs::remove_file(place.path().join("steps/0001_one/.step.toml")).unwrap();
    place
        .run(&["build"])
        .ends_with(2)
        .and_says("steps/0001_one does not say whether it is for `migrations` or for `others`")
        .and_says("wasmigrate build 0001_one --migrations DIR");
    assert!(!is_built(&place, "migrations/0001_one.wasm"));
    place.run(&["build", "0001_two"]).ends_with(0);
    place
        .run(&["build", "0001_one", "--migrations", "others"])
        .ends_with(2)
        .and_says("two steps have the index 1");
    place
        .run(&["build", "0001_one", "--migrations", "migrations"])
        .ends_with(0);
    // It is written down from then on.
    place.run(&["build"]).ends_with(0);
    assert!(!is_built(&place, "others/0001_one.wasm"));
}

/// A directory that has another name by now takes its sources with it.
#[test]
fn a_directory_that_is_gone_is_not_made_again() {
    let place = place();
    begin(&place, "x");
    std::fs::rename(place.step(""), place.path().join("other")).unwrap();
    let other = ["--migrations", "other"];
    place
        .run(&["plan", other[0], other[1]])
        .ends_with(2)
        .and_says("steps/0001_x` was never built");
    place
        .run(&["build", other[0], other[1]])
        .ends_with(0)
        .and_says("built other/0001_x.wasm");
    place.run(&["plan", other[0], other[1]]).ends_with(0);
    assert!(!place.step("").exists());
}

/// A note that leads elsewhere is no place to write to.
#[test]
fn a_note_leads_nowhere_else() {
    let place = place();
    begin(&place, "x");
    let note = place.path().join("steps/0001_x/.step.toml");
    std::fs::write(note, "migrations = \"../outside\"\n").unwrap();
    place
        .run(&["build"])
        .ends_with(2)
        .and_says("`../outside` names no directory beside that of the sources");
}
