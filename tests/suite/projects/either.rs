//! What `new` and `build` refuse, and what they leave alone.

use std::path::Path;

use super::place;

/// What was begun and not built takes a number, too; and a file of the SDK that somebody has changed stays.
#[test]
fn sources_that_are_not_built_have_their_numbers() {
    let place = place();
    place.run(&["new", "one", "--lang", "c"]).ends_with(0);
    let header = place.path().join("steps/sdk/c/wasmigrate.h");
    std::fs::write(&header, "// mine\n").unwrap();
    place
        .run(&["new", "two", "--lang", "zig"])
        .ends_with(0)
        .and_says("made steps/0002_two/step.zig");
    place
        .run(&["new", "three"])
        .ends_with(0)
        .and_says("migrations/0003_three.sql");
    let said = place.run(&["new", "four", "--lang", "c", "--json"]);
    let files = said.ends_with(0).json();
    assert_eq!(files["files"][0], "steps/0004_four/step.c", "{files}");
    assert_eq!(std::fs::read_to_string(header).unwrap(), "// mine\n");
}

#[test]
fn what_cannot_be_built_is_refused_in_words() {
    let place = place();
    place
        .run(&["build"])
        .ends_with(2)
        .and_says("there are no sources of a step in steps");
    place
        .run(&["build", "--host", "http://127.0.0.1:1"])
        .ends_with(2)
        .and_says("where its sources are");
    place
        .run(&["new", "x", "--transform"])
        .ends_with(2)
        .and_says("choose another language by `--lang`");
    place.run(&["new", "x", "--lang", "c"]).ends_with(0);
    place
        .run(&["build", "7"])
        .ends_with(2)
        .and_says("steps/7 is no step to build");
    let step = place.path().join("steps/0001_x/step.c");
    std::fs::write(&step, "this is no C\n").unwrap();
    place
        .run(&["build"])
        .ends_with(2)
        .and_says("unknown type name")
        .and_says("`0001_x` could not be built: clang ended with");
    std::fs::write(&step, "int nothing;\n").unwrap();
    place
        .run(&["build"])
        .ends_with(2)
        .and_says("it exports neither the functions of a step");
    assert!(!place.step("0001_x.wasm").exists());
    // A function of a row has no database.
    std::fs::write(
        &step,
        "#include \"wasmigrate.h\"\n\
         static bool row(wm_rows *row, wm_writer *derived) { (void)row; (void)derived; return wm_execute(\"SELECT 1\"); }\n\
         WASMIGRATE_TRANSFORM = {.table = \"a\", .inputs = (const char *[]){NULL}, .derives = (wm_derived[]){{0}}, .row = row};\n",
    )
    .unwrap();
    place
        .run(&["build"])
        .ends_with(2)
        .and_says("a transformation is a function of its row alone");
}

/// What a tool has made of one step is never taken for another.
#[test]
fn a_compiler_that_makes_nothing_makes_no_step() {
    let place = place();
    place.run(&["new", "one", "--lang", "c"]).ends_with(0);
    place.run(&["build"]).ends_with(0);
    let place = place.with_variable("WASMIGRATE_CC", "true");
    place.run(&["new", "two", "--lang", "c"]).ends_with(0);
    place
        .run(&["build", "2"])
        .ends_with(2)
        .and_says("made.wasm cannot be read");
    assert!(!place.step("0002_two.wasm").exists());
}

/// A tool that is not there is named with what installs it.
#[test]
fn a_missing_tool_is_named_with_what_installs_it() {
    for (language, words) in [
        (
            "rust",
            "Rust is needed, and not found: install it by rustup.rs",
        ),
        ("zig", "Zig is needed, and not found: `pip install ziglang`"),
        (
            "c",
            "apt-get install clang lld wasi-libc libclang-rt-dev-wasm32",
        ),
    ] {
        let place = crate::place::Place::new().with_variable("PATH", "/nowhere");
        place.run(&["new", "x", "--lang", language]).ends_with(0);
        place
            .run(&["build"])
            .ends_with(2)
            .and_says(words)
            .and_says("tested with");
    }
}

/// A module that asks for WASI's first preview, as the libraries of languages do, gets what stands in for it.
#[test]
fn a_step_that_prints_is_a_step() {
    let place = place();
    place.run(&["new", "x", "--lang", "c"]).ends_with(0);
    std::fs::write(
        place.path().join("steps/0001_x/step.c"),
        "#include \"wasmigrate.h\"\n#include <stdio.h>\n\
         static bool migrate(const wm_bytes *resume) { (void)resume; printf(\"from printf\\n\"); fflush(stdout); return true; }\n\
         WASMIGRATE_STEP = {.summary = \"prints\", .migrate = migrate};\n",
    )
    .unwrap();
    place.run(&["build"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0).and_says("from printf");
}

/// The directory of the migrations may itself be called as that of the sources is.
#[test]
fn migrations_called_steps_have_their_sources_elsewhere() {
    let place = place();
    place
        .run(&["new", "x", "--lang", "c", "--migrations", "steps"])
        .ends_with(0);
    assert!(Path::new(&place.path().join("steps-sources/0001_x/step.c")).exists());
    place.run(&["build", "--migrations", "steps"]).ends_with(0);
    assert!(place.path().join("steps/0001_x.wasm").exists());
}

#[test]
fn sources_are_not_written_through_a_link() {
    let place = place();
    let outside = place.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let migrations = place.path().join("project/migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::os::unix::fs::symlink(&outside, place.path().join("project/steps")).unwrap();
    place
        .run(&[
            "new",
            "x",
            "--lang",
            "c",
            "--migrations",
            "project/migrations",
        ])
        .ends_with(2)
        .and_says("it is a link to a place outside of");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}
