//! What a user reads, and what machines do.

use super::{people, test};
use crate::application;
use crate::place::Place;

#[test]
fn a_table_for_people() {
    let place = people().with_sql(
        "0002_step.sql",
        "CREATE INDEX person_name ON person (name);",
    );
    let on = application::kind_name();
    let mut command = place.command(&["test", "2", "--on", on]);
    command.env("WASMIGRATE_TEST_SERVER", application::server_url());
    let said = crate::place::Said::from(command.output().unwrap()).ends_with(1);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[0], "0002_step");
    assert!(
        lines[1].starts_with("  ✓ applies           an empty database and 1 fixture"),
        "{said:#?}"
    );
    let said = said
        .and_says("✗ reset undoes")
        .and_says("→ write a reset that undoes what migrate did");
    assert!(
        said.stdout
            .trim_end()
            .lines()
            .last()
            .unwrap()
            .starts_with("1 failed and"),
        "{said:#?}"
    );
}

#[test]
fn a_report_for_ci() {
    let place = people().with_sql(
        "0002_step.sql",
        "CREATE INDEX person_name ON person (name);",
    );
    test(&place, &["2", "--junit", "report.xml"]).ends_with(1);
    let report = std::fs::read_to_string(place.path().join("report.xml")).unwrap();
    assert!(
        report.contains("<testsuite name=\"0002_step\" tests=\"11\" failures=\"1\""),
        "{report}"
    );
    assert!(
        report.contains("<testcase name=\"reset undoes\" classname=\"0002_step\""),
        "{report}"
    );
    assert!(report.contains("<failure message=\""), "{report}");
    assert!(!report.contains('\u{1b}'), "{report}");
}

#[test]
fn a_server_must_be_named() {
    let place = Place::new().with_sql("0001_step.sql", "SELECT 1;");
    let said = place.run(&["test", "--on", "postgres"]);
    said.ends_with(2)
        .and_says("--server postgres://USER@HOST/NAME");
}

#[test]
fn nothing_is_said_of_a_step_after_one_that_failed() {
    let place = Place::new()
        .with_sql("0001_first.sql", "SELECT * FROM missing;")
        .with_sql("0002_second.sql", "CREATE TABLE second (id INTEGER);");
    let report = test(&place, &[]).ends_with(1).json();
    let second = report["steps"][1]["checks"].as_array().unwrap();
    assert!(!second.is_empty(), "{report}");
    for check in second {
        assert_eq!(check["verdict"], "skipped", "{check}");
    }
}
