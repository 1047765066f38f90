//! Steps that were begun and not built, or not since their sources have changed: nobody leaves them out without a word.

use super::{begin, place};
use crate::application;
use crate::place::{Place, Said};

const WORDS: &str =
    "steps/0002_x` was never built, so that its step would be left out: run `wasmigrate build`";

fn begun() -> Place {
    let place = place().with_sql(
        "0001_a.sql",
        "-- wasmigrate:migrate\nCREATE TABLE a (b INTEGER);\n-- wasmigrate:reset\nDROP TABLE a;\n",
    );
    place.run(&["migrate"]).ends_with(0);
    begin(&place, "x");
    place
}

#[test]
fn what_was_never_built_is_an_error_of_what_would_leave_it_out() {
    let place = begun();
    let before = place.everything();
    for command in [
        &["migrate"][..],
        &["finalize"],
        &["plan"],
        &["plan", "--dry-run"],
        &["verify"],
        &["test", "--on", "sqlite"],
    ] {
        place.run(command).ends_with(2).and_says(WORDS);
    }
    place.run(&["status"]).ends_with(0).and_says(WORDS);
    assert!(place.everything() == before);
    // A baseline of what comes before it is whole.
    let mut squash = place.command(&["squash", "--to", "1"]);
    if application::kind_name() == "postgres" {
        squash.env("WASMIGRATE_TEST_SERVER", application::server_url());
    }
    Said::from(squash.output().unwrap()).ends_with(0);
    std::fs::remove_dir_all(place.path().join("steps/0002_x")).unwrap();
    place.run(&["migrate"]).ends_with(0);
}

/// Directories of this name may be anything.
#[test]
fn other_directories_called_steps_are_passed_over() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    for name in ["steps/login", "steps/0002_x/src", "steps/sdk/c"] {
        std::fs::create_dir_all(place.path().join(name)).unwrap();
    }
    std::fs::write(place.path().join("steps/login/step.py"), "").unwrap();
    place.run(&["migrate"]).ends_with(0);
    // A file of this name, too.
    std::fs::remove_dir_all(place.path().join("steps")).unwrap();
    std::fs::write(place.path().join("steps"), "").unwrap();
    place.run(&["plan"]).ends_with(0);
}

#[test]
fn what_has_changed_since_it_was_built_is_named() {
    const CHANGED: &str = "steps/0002_x has changed since its step was built";
    let place = begun();
    place.run(&["build"]).ends_with(0);
    let said = place.run(&["plan"]).ends_with(0);
    assert!(!said.stderr.contains("has changed"), "{said:#?}");
    let source = place.path().join("steps/0002_x/step.c");
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::write(&source, format!("{text}// more\n")).unwrap();
    for command in ["plan", "status", "migrate", "test"] {
        place.run(&[command]).ends_with(0).and_says(CHANGED);
    }
    place.run(&["build"]).ends_with(0);
    let said = place.run(&["plan"]).ends_with(0);
    assert!(!said.stderr.contains("has changed"), "{said:#?}");
}

#[test]
fn files_for_tenants_have_sources_beside_them_too() {
    let place = begun();
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n",
    )
    .unwrap();
    place
        .run(&["migrate", "--database", "sqlite:other.db"])
        .ends_with(2)
        .and_says(WORDS);
}
