//! Files under `lib/`, which scripts share.

use std::fs;
use std::os::unix::fs::symlink;

use crate::place::Place;

fn place() -> Place {
    let place = Place::new().with_sql(
        "0001_names.js",
        "import { twice } from './lib/text.js';\nexport function migrate(db) {\n  db.execute('CREATE TABLE t (x TEXT)');\n  \
         db.execute('INSERT INTO t VALUES ($1)', [twice('a')]);\n}\n",
    );
    library(
        &place,
        "text.js",
        "import { join } from './deep/join.js';\nexport const twice = (x) => join(x, x);\n",
    );
    library(
        &place,
        "deep/join.js",
        "export const join = (...parts) => parts.join('-');\n",
    );
    place
}

pub fn library(place: &Place, name: &str, text: &str) {
    let path = place.path().join("migrations/lib").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_script_imports_from_the_library() {
    let place = place();
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT x FROM t"), ["a-a"]);
}

#[test]
fn a_file_that_was_imported_is_part_of_the_step() {
    let place = place();
    library(&place, "unused.js", "export const x = 1;");
    place.run(&["migrate"]).ends_with(0);
    library(&place, "unused.js", "export const x = 2;");
    place.run(&["finalize"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    library(
        &place,
        "deep/join.js",
        "export const join = (...parts) => parts.join('+');\n",
    );
    place.run(&["migrate"]).ends_with(2).and_says("0001_names");
    library(
        &place,
        "deep/join.js",
        "export const join = (...parts) => parts.join('-');\n",
    );
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn nothing_outside_the_library_can_be_imported() {
    for path in [
        "./other.js",
        "../secret.js",
        "/etc/passwd",
        "./lib/../other.js",
        "lib/text.js",
    ] {
        let place = place();
        fs::write(place.path().join("secret.js"), "export const x = 1;").unwrap();
        place.write_step(
            "0002_bad.js",
            format!("import x from '{path}';\nexport function migrate() {{}}\n").as_bytes(),
        );
        place
            .run(&["migrate"])
            .and_says("0002_bad")
            .and_says("may import");
        assert!(!place.has_table("t"), "{path}");
    }
}

#[test]
fn an_error_in_the_library_is_told_with_its_file() {
    let place = place();
    library(
        &place,
        "deep/join.js",
        "export const join = () => {\n  throw new Error('no');\n};\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("no (lib/deep/join.js, line 2");
}

#[test]
fn a_link_out_of_the_library_is_not_followed() {
    let place = place();
    let secret = place.path().join("secret.js");
    fs::write(&secret, "export const join = 'TOPSECRET';\n").unwrap();
    let beside = place.step("beside.js");
    fs::write(&beside, "export const join = 'TOPSECRET';\n").unwrap();
    let join = place.step("lib/deep/join.js");
    for aim in [&secret, &beside, std::path::Path::new("../../beside.js")] {
        fs::remove_file(&join).unwrap();
        symlink(aim, &join).unwrap();
        let said = place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("0001_names")
            .and_says("`lib/deep/join.js`: it is a link to a file outside of this directory");
        assert!(!format!("{said:?}").contains("TOPSECRET"), "{said:#?}");
    }
    // A directory is held to the same.
    let elsewhere = place.path().join("elsewhere");
    fs::rename(place.step("lib"), &elsewhere).unwrap();
    symlink(&elsewhere, place.step("lib")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`lib/text.js`: it is a link to a file outside of this directory");
    assert!(!place.has_table("t"));
}

#[test]
fn a_link_within_the_library_is_followed() {
    let place = place();
    let join = place.step("lib/deep/join.js");
    fs::rename(&join, place.step("lib/joining.js")).unwrap();
    symlink("../joining.js", &join).unwrap();
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT x FROM t"), ["a-a"]);
}

#[test]
fn a_text_that_looks_like_a_path_is_none() {
    let place = Place::new();
    let long = "x".repeat(300);
    place.write_step(
        "0001_a.js",
        format!(
            "const texts = ['./lib/{long}', './lib/a.js/b', './lib/', './lib', './lib/..', './lib/no.js'];\n\
             export function migrate(db) {{\n  db.execute('CREATE TABLE t (x TEXT)');\n  \
             db.load('t', ['x'], texts.map((text) => [text]));\n}}\n"
        )
        .as_bytes(),
    );
    library(&place, "a.js", "");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM t"), 6);
}

#[test]
fn what_is_imported_without_end_is_refused() {
    let place = place();
    fs::remove_file(place.step("lib/deep/join.js")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(place.step("lib/deep/join.js"))
        .status();
    assert!(made.unwrap().success());
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`lib/deep/join.js`: it is a pipe, a socket or a device");
    fs::remove_file(place.step("lib/deep/join.js")).unwrap();
    library(&place, "deep/join.js", &"// 8 MiB\n".repeat(1 << 20));
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("data belongs into the database");
}
