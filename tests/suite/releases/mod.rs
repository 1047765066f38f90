//! Releases: real registries, tools that know nothing of us, and registries that answer whatever they like.

mod either;
mod hostile;
mod outages;
mod registry;
mod running;
mod scripts;
mod told;

use crate::place::Place;

/// A component that does nothing.
const COMPONENT: &str = r#"(component
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f")))
    (export "migrate" (func $f)))"#;

/// A place with steps of all kinds that a release can have.
fn shop() -> Place {
    let place = Place::new()
        .with_own_cache()
        .with_sql(
            "0001_customers.sql",
            "CREATE TABLE customers (id INTEGER PRIMARY KEY)",
        )
        .with_sql("0001_customers.down.sql", "DROP TABLE customers")
        .with_sql("0003_notes.sqlite.sql", "CREATE TABLE notes (id INTEGER)")
        .with_sql("0003_notes.postgres.sql", "CREATE TABLE notes (id INTEGER)")
        .with_sql("R__view.sql", "SELECT 1");
    place.write_step("0002_split.wasm", &wat::parse_str(COMPONENT).unwrap());
    place.write_step("README.md", b"What the steps are for.");
    place
}

/// The names and the bytes of the files of a directory.
fn files(directory: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// The arguments of a push of the place's steps.
fn push(to: &str) -> Vec<&str> {
    vec!["release", "push", to, "--lineage", "shop", "--json"]
}
