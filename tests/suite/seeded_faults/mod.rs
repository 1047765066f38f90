//! Steps with one seeded fault each. `wasmigrate test` catches each by the right check, with words that say what to fix;
//! the same step without its mistake passes everything.

mod against;
mod collateral;
mod components;
mod either;
mod inserts;
mod postgres;
mod reports;
mod sql;
mod transformations;
mod tried;

use serde_json::Value as Json;

use crate::application;
use crate::place::{Place, Said};

/// The table that most of these steps begin with.
const PERSON: &str = "-- wasmigrate:migrate
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
-- wasmigrate:reset
DROP TABLE person;
";

/// People, not in the order of their names.
const PEOPLE: &str = "id,name,note
1,Zoe,2024-02-29
2,Ann,2025-01-01
3,Ann,2026-01-01
4,Bob,
5,Eve,1970-01-01
";

/// A place with the table of people as the first step, and people as a fixture.
fn people() -> Place {
    let place = Place::new().with_sql("0001_person.sql", PERSON);
    fixture(&place, "person.csv", PEOPLE);
    place
}

/// Puts a fixture beside the steps.
fn fixture(place: &Place, file_name: &str, content: &str) {
    let directory = place.path().join("migrations/fixtures");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(file_name), content).unwrap();
}

/// Tries steps on the database that this run of the suite is on.
fn test(place: &Place, arguments: &[&str]) -> Said {
    test_on(place, application::kind_name(), arguments)
}

/// Tries steps on these databases.
fn test_on(place: &Place, on: &str, arguments: &[&str]) -> Said {
    let mut command = place.command(&["test", "--on", on, "--json"]);
    // The commits come first, where all of the mistakes show.
    command.env("WASMIGRATE_TEST_CRASH_SECONDS", "2");
    if on.contains("postgres") {
        command.env("WASMIGRATE_TEST_SERVER", application::server_url());
    }
    Said::from(command.args(arguments).output().unwrap())
}

/// One check of the last step that was tried.
fn check(said: &Said, name: &str) -> Json {
    let report = said.json();
    let checks = report["steps"].as_array().unwrap().last().unwrap()["checks"].clone();
    let of_name = |check: &&Json| check["check"] == name;
    checks
        .as_array()
        .unwrap()
        .iter()
        .find(of_name)
        .unwrap()
        .clone()
}

/// Demands that this check failed, and that a finding says this.
#[track_caller]
fn caught(said: Said, name: &str, says: &str) -> Said {
    let said = said.ends_with(1);
    let check = check(&said, name);
    assert_eq!(check["verdict"], "failed", "{said:#?}");
    let findings = check["findings"].to_string();
    assert!(findings.contains(says), "`{says}` is not in {findings}");
    said
}

/// Demands that nothing was found.
#[track_caller]
fn clean(said: Said) -> Said {
    said.ends_with(0)
}

/// Demands that a second step in SQL is found wrong by a check that says so, and its twin right. Neither has a reset.
#[track_caller]
fn twins(place: &Place, check: &str, (wrong, says): (&str, &str), right: &str) {
    let declared = place.path().join("migrations/0002_step.test.toml");
    std::fs::write(&declared, "reversible = false\n").unwrap();
    place.write_step("0002_step.sql", wrong.as_bytes());
    caught(test(place, &["2"]), check, says);
    place.write_step("0002_step.sql", right.as_bytes());
    clean(test(place, &["2"]));
}
