//! Releases with scripts, which bring along what they import.

use serde_json::json;

use super::hostile::{Content, Hostile};
use super::registry::Registry;
use super::{files, push};
use crate::place::Place;

/// A place with scripts, and with a file that says how its step runs.
fn place() -> Place {
    let place = Place::new().with_own_cache();
    place.write_step(
        "0001_names.js",
        b"import { names } from './lib/names.js';\nexport function migrate(db) {\n  db.execute('CREATE TABLE name (name TEXT)');\n\
          for (const name of names) db.execute('INSERT INTO name VALUES ($1)', [name]);\n}\n",
    );
    std::fs::create_dir(place.step("lib")).unwrap();
    place.write_step(
        "lib/names.js",
        b"import { last } from './more.js';\r\nexport const names = ['a', last];\r\n",
    );
    place.write_step("lib/more.js", b"export const last = 'z';\n");
    place.write_step("lib/unused.js", b"export const unused = 1;\n");
    place
        .with_sql(
            "0002_again.js",
            "import { last } from './lib/more.js';\nexport function migrate(db) {\n\
             db.execute('INSERT INTO name VALUES ($1)', [last]);\n}\n",
        )
        .with_sql("0003_index.sql", "CREATE INDEX name_name ON name (name);")
        .with_sql("0003_index.sql.conf", "executeInTransaction=false\n")
}

fn names(place: &Place) -> Vec<String> {
    place.texts("SELECT name FROM name ORDER BY name")
}

#[test]
fn scripts_run_from_a_release_with_what_they_import() {
    let (place, other, registry) = (place(), place(), Registry::plain());
    let first = registry.at("shop/migrations:1.0.0");
    let said = place
        .run(&push(&first))
        .ends_with(0)
        .and_says("lib/unused.js (no step imports it)");
    assert!(!said.stderr.contains("left out: lib ("), "{said:?}");
    let pushed = said.json();
    let release = pushed["reference"].as_str().unwrap();
    other.run(&["migrate"]).ends_with(0);
    place
        .run(&["release", "copy", &first, "oci-layout:bundle.tar"])
        .ends_with(0);
    place
        .run(&["inspect", &first])
        .ends_with(0)
        .and_says("    with lib/more.js  sha256:")
        .and_says("    with 0003_index.sql.conf  sha256:");
    place
        .run(&["inspect", &first, "--step", "1"])
        .ends_with(0)
        .and_says("read and change the database");
    place
        .run(&["release", "pull", &first, "-o", "back"])
        .ends_with(0);
    let back = files(&place.path().join("back/lib"));
    let back: Vec<&str> = back.iter().map(|(name, _)| &**name).collect();
    // What nobody imports stays away.
    assert_eq!(back, ["more.js", "names.js"]);
    std::fs::remove_dir_all(place.path().join("migrations")).unwrap();

    place
        .run(&["migrate", "--migrations", release])
        .ends_with(0);
    assert_eq!(names(&place), ["a", "z", "z"]);
    // To the journal they are the same steps, wherever they are.
    for steps in [release, "back", "oci-layout:bundle.tar:1.0.0"] {
        place
            .run(&["verify", "--migrations", steps])
            .ends_with(0)
            .and_says("3 applied steps");
    }
    other
        .run(&[
            "verify",
            "--migrations",
            &format!("oci-layout:{}/bundle.tar:1.0.0", place.path().display()),
        ])
        .ends_with(0)
        .and_says("3 applied steps");
}

#[test]
fn what_a_script_imports_is_a_part_of_its_step() {
    let place = place();
    let digest = |version: &str| {
        let to = format!("oci-layout:layout:{version}");
        let pushed = place.run(&push(&to)).ends_with(0).json();
        pushed["reference"].as_str().unwrap().to_owned()
    };
    let first = digest("1.0.0");
    place.write_step("lib/more.js", b"export const last = 'y';\n");
    let second = digest("1.1.0");
    place
        .run(&["release", "diff", &first, &second])
        .ends_with(0)
        .and_says("~ 0001_names.js")
        .and_says("    lib/more.js differs")
        .and_says("~ 0002_again.js")
        .and_says("1 unchanged");
    place.run(&["migrate", "--migrations", &first]).ends_with(0);
    place
        .run(&["migrate", "--migrations", &second])
        .ends_with(2)
        .and_says("0001_names");

    // What is changed in the cache is fetched anew.
    let digest = first.rsplit(':').next().unwrap();
    let library = place
        .path()
        .join("cache/oci/releases")
        .join(digest)
        .join("lib");
    let changed = library.join("more.js");
    std::fs::remove_file(&changed).unwrap();
    std::fs::write(&changed, "export const last = 'evil';").unwrap();
    std::fs::write(library.join("evil.js"), "").unwrap();
    place
        .run(&["verify", "--migrations", &first])
        .ends_with(0)
        .and_says("3 applied steps");
    assert_eq!(
        std::fs::read(changed).unwrap(),
        b"export const last = 'z';\n"
    );
}

#[test]
fn what_stands_beside_a_step_stays_in_its_place() {
    let place = place();
    place.run(&push("oci-layout:layout:1.0.0")).ends_with(0);
    let content = Content::of_layout(&place.path().join("layout"));
    let beside = |file: &str| {
        let list = json!([{"file": file, "sha256": "0".repeat(64), "size": 1}]);
        list.to_string()
    };
    let twice = beside("lib/a.js").replace("}]", "},") + &beside("lib/a.js")[1..];
    for (step, list, why) in [
        (0, beside("../evil.js"), "is refused"),
        (0, beside("lib/../../evil.js"), "is refused"),
        (0, beside("lib/.hidden.js"), "is refused"),
        (0, beside("lib//a.js"), "is refused"),
        (0, beside("/lib/a.js"), "is refused"),
        (0, beside("evil.js"), "is no part of"),
        (0, beside("lib/evil.sql"), "is no part of"),
        (0, beside("0003_index.sql.conf"), "is no part of"),
        (2, beside("lib/more.js"), "is no part of"),
        (0, twice, "not in order"),
        (0, "{}".to_owned(), "no list of files"),
        // Another content than the one that the next step imports.
        (0, beside("lib/more.js"), "two files `lib/more.js`"),
    ] {
        let content = content.changed(|index| {
            index["manifests"][step]["annotations"]["dev.wasmigrate.step.beside"] = json!(list);
        });
        let registry = Hostile::serve(move |request, _| content.answer(request));
        place
            .run(&["release", "pull", &registry.at("a/b:1.0.0")])
            .ends_with(2)
            .and_says(why);
        assert_eq!(registry.count("GET", "/blobs/"), 0, "{why}");
    }
}
