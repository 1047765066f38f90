//! Steps in compiled languages: begun by `new`, built by `build` with the languages' own tools, proved by `test`.
//!
//! The two examples of every SDK do the same, and leave the same behind. A language whose tool cannot be had is left out by its
//! module's name, as `cargo xtask test` says.

mod c;
mod either;
mod environments;
mod names;
mod old_contract;
mod python;
mod rust;
mod scripts;
mod unbuilt;
mod zig;

use std::path::{Path, PathBuf};

use crate::place::Place;

/// A place where the tools of languages find what is theirs: what they have downloaded and built before.
fn place() -> Place {
    let mut place = Place::new();
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        if let Ok(value) = std::env::var(name) {
            place = place.with_variable(name, &value);
        }
    }
    match std::env::var("WASMIGRATE_ZIG") {
        Ok(zig) => place.with_variable("WASMIGRATE_ZIG", &zig),
        Err(_) => place,
    }
}

/// Begins a step in C; returns the directory of its sources.
fn begin(place: &Place, name: &str) -> PathBuf {
    let said = place
        .run(&["new", name, "--lang", "c", "--reset", "--json"])
        .ends_with(0);
    let made = said.json()["files"][0].as_str().unwrap().to_owned();
    place.path().join(made).parent().unwrap().to_owned()
}

/// The tables that steps of this language begin with.
const CUSTOMERS: &str = "-- wasmigrate:migrate
    CREATE TABLE customer (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO customer VALUES (1, 'Ada Lovelace'), (2, 'Żofia  Kielan-Jaworowska '), (3, 'Plato'), (4, '');
    -- wasmigrate:reset
    DROP TABLE customer;";

/// What `new` begins in a compiled language is built, passes `test`, and runs: a step, and a transformation.
fn templates_are_steps(language: &str, prepare: impl Fn(&Place)) {
    let place = place().with_sql("0001_customers.sql", CUSTOMERS);
    prepare(&place);
    begin_both(&place, language);
    place
        .run(&["build"])
        .ends_with(0)
        .and_says("built migrations/0002_add_greetings.wasm")
        .and_says("built migrations/0003_split_names.wasm");
    let said = place
        .run(&["build", "3"])
        .ends_with(0)
        .and_says("unchanged");
    assert!(!said.stdout.contains("0002"), "{said:#?}");
    both_run(&place);
}

/// The same of a scripting language, where there is nothing to build.
fn templates_are_scripts(place: Place, language: &str) {
    let place = place.with_sql("0001_customers.sql", CUSTOMERS);
    begin_both(&place, language);
    both_run(&place);
}

fn begin_both(place: &Place, language: &str) {
    place
        .run(&["new", "Add greetings", "--lang", language, "--reset"])
        .ends_with(0)
        .and_says("0002_add_greetings");
    place
        .run(&["new", "split names", "--lang", language, "--transform"])
        .ends_with(0)
        .and_says("0003_split_names");
}

fn both_run(place: &Place) {
    place.run(&["test"]).ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do yet");
    assert_eq!(
        place.texts("SELECT family_name FROM customer ORDER BY id"),
        ["Lovelace", "Kielan-Jaworowska", "Plato", ""]
    );
    place.run(&["reset"]).ends_with(0);
}

/// What the examples of the SDKs work on.
const LINES: &str = "-- wasmigrate:migrate
    CREATE TABLE order_line (id BIGINT PRIMARY KEY, line TEXT NOT NULL);
    INSERT INTO order_line VALUES
        (1, ' Żofia  Kowalska|2 x tea|1.200,50 EUR'), (2, 'Ada|12x green	tea |7 EUR '), (3, 'Ada|1x a'), (4, 'Ada|x tea|1 EUR'),
        (5, 'Ada|1 x tea|1 USD'), (6, 'Ada|1 x tea|1,5 EUR'), (7, ' |1 x tea|1 EUR'), (8, 'Ada|0 x tea|1 EUR'), (9, '李|3x 茶|,5 EUR'),
        (10, '李|3x 茶|5,05EUR'), (11, 'Ada|1 x |1 EUR'), (12, ''), (13, 'a|b|c|d'), (14, 'Ada|7 y|1 EUR');
    CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL, phone TEXT);
    INSERT INTO person VALUES
        (1, 'Ada Lovelace', '0 44 12345'), (2, ' Plato ', NULL), (3, 'Żofia  Kielan-Jaworowska', '+48 (22) 1234567'),
        (4, 'Jean Luc  Picard', '0033 1 23 45 67'), (5, '', ''), (6, 'A B', '12345678'), (7, 'C', '+1'), (8, 'D 李', '01234567890123456789');
    -- wasmigrate:reset
    DROP TABLE person;
    DROP TABLE order_line;";

/// The two examples of a compiled language.
fn examples_do_the_same(language: &str) {
    let place = place();
    // The SDK comes with the first step that is begun.
    place
        .run(&["new", "first", "--lang", language])
        .ends_with(0);
    let steps = place.path().join("steps");
    std::fs::remove_dir_all(steps.join("0001_first")).unwrap();
    for example in ["0002_parse_orders", "0003_people"] {
        let (from, to) = (
            sdk(language).join("examples").join(example),
            steps.join(example),
        );
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    place.run(&["build"]).ends_with(0);
    the_same_as_in_rust(place);
}

/// The two examples of a scripting language.
fn example_scripts_do_the_same(place: Place, directory: &str, ending: &str) {
    for example in ["0002_parse_orders", "0003_people"] {
        let name = format!("{example}.{ending}");
        let script = sdk(directory).join("examples").join(&name);
        place.write_step(&name, &std::fs::read(script).unwrap());
    }
    the_same_as_in_rust(place);
}

/// Both examples pass `test`, and leave behind what those in Rust do.
fn the_same_as_in_rust(place: Place) {
    let place = place.with_sql("0001_lines.sql", LINES);
    place.run(&["test"]).ends_with(0);
    let rust = in_rust();
    for place in [&place, &rust] {
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("3 purchases, 11 bad lines")
            .and_says("3 customers");
        place.run(&["finalize"]).ends_with(0);
    }
    assert_eq!(place.content(), rust.content());
    assert_eq!(
        place.texts("SELECT id || ' ' || reason FROM bad_line ORDER BY id"),
        [
            "3 not three parts",
            "4 no quantity",
            "5 no currency",
            "6 no price",
            "7 something is empty",
            "8 something is empty",
            "9 no price",
            "11 something is empty",
            "12 not three parts",
            "13 not three parts",
            "14 no quantity"
        ]
    );
    let people = "SELECT coalesce(given_name, '-') || '/' || family_name || '/' || coalesce(phone, '-') FROM person ORDER BY id";
    assert_eq!(
        place.texts(people),
        [
            "Ada/Lovelace/+494412345",
            "-/Plato/-",
            "Żofia/Kielan-Jaworowska/+48221234567",
            "Jean Luc/Picard/+331234567",
            "-//-",
            "A/B/-",
            "-/C/-",
            "D/李/-"
        ]
    );
}

fn in_rust() -> Place {
    place()
        .with_sql("0001_lines.sql", LINES)
        .with_guest("0002_parse_orders.wasm", "parse_orders")
        .with_guest("0003_people.wasm", "people")
}

/// The directory of an SDK in this repository.
fn sdk(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../sdk")
        .join(language)
}
