//! Files under `lib/`, which scripts share.

use std::fs;

use crate::place::Place;

fn place() -> Place {
    let place = Place::new().with_sql(
        "0001_names.js",
        "import { twice } from './lib/text.js';\nexport function migrate(db) {\n  db.execute('CREATE TABLE t (x TEXT)');\n  \
         db.execute('INSERT INTO t VALUES ($1)', [twice('a')]);\n}\n",
    );
    write(
        &place,
        "text.js",
        "import { join } from './deep/join.js';\nexport const twice = (x) => join(x, x);\n",
    );
    write(
        &place,
        "deep/join.js",
        "export const join = (...parts) => parts.join('-');\n",
    );
    place
}

fn write(place: &Place, name: &str, text: &str) {
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
    write(&place, "unused.js", "export const x = 1;");
    place.run(&["migrate"]).ends_with(0);
    write(&place, "unused.js", "export const x = 2;");
    place.run(&["finalize"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    write(
        &place,
        "deep/join.js",
        "export const join = (...parts) => parts.join('+');\n",
    );
    place.run(&["migrate"]).ends_with(2).and_says("0001_names");
    write(
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
    write(
        &place,
        "deep/join.js",
        "export const join = () => {\n  throw new Error('no');\n};\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("no (lib/deep/join.js, line 2");
}
