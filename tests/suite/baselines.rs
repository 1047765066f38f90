//! Baselines: new databases begin with one file in the place of the steps that it stands for.

use crate::application::{self, Kind};
use crate::place::Place;

const A: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY);";
const B: &str = "-- wasmigrate:migrate\nCREATE TABLE b (id INTEGER PRIMARY KEY);\n-- wasmigrate:finalize\nINSERT INTO a VALUES (1);";
const C: &str = "-- wasmigrate:migrate\nCREATE TABLE c (id INTEGER PRIMARY KEY);\n-- wasmigrate:reset\nDROP TABLE c;";
const BOTH: &str = "-- squashed: 0001_a\n-- squashed: 0002_b\nCREATE TABLE a (id INTEGER PRIMARY KEY);
     CREATE TABLE b (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1); CREATE TABLE begun (id INTEGER);";

fn steps() -> Place {
    Place::new()
        .with_sql("0001_a.sql", A)
        .with_sql("0002_b.sql", B)
        .with_sql("0003_c.sql", C)
}

fn squashed(place: Place) -> Place {
    place.with_sql("0002_all.baseline.sql", BOTH)
}

fn without_single_steps(place: Place) -> Place {
    for file_name in ["0001_a.sql", "0002_b.sql"] {
        std::fs::remove_file(place.step(file_name)).unwrap();
    }
    place
}

#[test]
fn a_new_database_begins_with_it_and_the_steps_up_to_it_are_included() {
    let place = squashed(steps());
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("2 pending")
        .and_says("0002_all.baseline");
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("2 steps ran and were rolled back");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_a is included, and was not run")
        .and_says("0002_b is included, and was not run");
    assert!(place.has_table("begun") && place.has_table("c"));
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("3: 2 finalized, 1 migrated, 0 pending");
    place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("0002_all.baseline  migrate done")
        .and_says("0001_a is included");
    place.run(&["verify"]).ends_with(0);
    // Only what came after it is undone.
    place.run(&["reset"]).ends_with(0);
    assert!(place.has_table("begun") && !place.has_table("c"));
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 1);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    // The single steps may go now.
    let place = without_single_steps(place);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn it_needs_no_single_steps_on_a_new_database() {
    let place = without_single_steps(squashed(steps()));
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("begun") && place.has_table("c"));
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("nothing to do; the state is finalized");
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_database_that_has_the_steps_passes_it_over_and_they_may_go() {
    let place = steps();
    place.run(&["finalize", "--to", "2"]).ends_with(0);
    let place = without_single_steps(squashed(place));
    place.run(&["plan"]).ends_with(0).and_says("1 pending");
    place.run(&["finalize"]).ends_with(0);
    assert!(!place.has_table("begun") && place.has_table("c"));
}

#[test]
fn a_database_that_has_some_of_them_goes_on_while_they_are_there() {
    let place = steps();
    place.run(&["migrate", "--to", "1"]).ends_with(0);
    let place = squashed(place);
    place.run(&["finalize"]).ends_with(0);
    assert!(!place.has_table("begun") && place.has_table("b"));
    let place = steps();
    place.run(&["migrate", "--to", "1"]).ends_with(0);
    let place = without_single_steps(squashed(place));
    for command in ["migrate", "plan", "verify"] {
        place.run(&[command]).ends_with(2).and_says(
            "0002_b was never applied here, and its file is gone: `0002_all.baseline.sql` stands for it on new databases alone",
        );
    }
}

#[test]
fn one_that_fails_leaves_a_new_database() {
    let place = steps().with_sql(
        "0002_all.baseline.sql",
        "CREATE TABLE begun (id INTEGER); SELECT missing;",
    );
    place.run(&["migrate"]).ends_with(1).and_says("missing");
    assert!(!place.has_table("begun"));
    place.write_step("0002_all.baseline.sql", BOTH.as_bytes());
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("begun"));
}

#[test]
fn of_several_the_highest_counts() {
    let place = squashed(steps()).with_sql("0001_a.baseline.sql", "SELECT missing;");
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("begun"));
}

#[test]
fn flyways_stands_for_versions() {
    let place = Place::new()
        .with_sql("V1__a.sql", A)
        .with_sql("V1_2__b.sql", "SELECT missing;")
        .with_sql("B1_2__all.sql", "CREATE TABLE begun (id INTEGER);")
        .with_sql("V2__c.sql", C);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("B1_2__all migrated");
    assert!(place.has_table("begun") && place.has_table("c") && !place.has_table("a"));
}

#[test]
fn what_cannot_be_one_is_refused() {
    for (file_name, sql, said) in [
        (
            "B2__all.sql",
            "SELECT 1;",
            "`B2__all.sql` is a baseline for steps with versions, and the steps here have numbers",
        ),
        (
            "0002_all.baseline.sql",
            "-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\nSELECT 2;",
            "a baseline is neither finalized nor reset",
        ),
        (
            "all.baseline.sql",
            "SELECT 1;",
            "`all.baseline.sql` is not named as a step",
        ),
    ] {
        let place = steps().with_sql(file_name, sql);
        place.run(&["migrate"]).ends_with(2).and_says(said);
        assert!(!place.has_table("a"), "{file_name}");
    }
    let place = squashed(steps()).with_sql("0002_other.baseline.sql", "SELECT 1;");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0002_other.baseline.sql` stands for the same steps as `0002_all.baseline.sql`");
}

#[test]
fn an_existing_schema_is_taken_over_without_the_single_steps() {
    let place = without_single_steps(squashed(steps())).with_data(A);
    place
        .run(&["baseline", "--through", "2"])
        .ends_with(0)
        .and_says("0002_all.baseline");
    place.run(&["finalize"]).ends_with(0);
    assert!(!place.has_table("begun") && place.has_table("c"));
}

#[test]
fn parts_are_counted_with_it() {
    let place = squashed(steps());
    place.run(&["migrate", "--steps", "1"]).ends_with(0);
    assert!(place.has_table("begun") && !place.has_table("c"));
    let place = squashed(steps());
    place.run(&["migrate", "--to", "2"]).ends_with(0);
    assert!(place.has_table("begun") && !place.has_table("c"));
}

/// Where throw-away databases are made.
fn with_server(place: Place) -> Place {
    let place = place.with_variable("WASMIGRATE_TEST_CRASH_SECONDS", "1");
    match application::kind() {
        Kind::Sqlite => place,
        Kind::Postgres => {
            let url = place.url();
            let path = std::env::var("PATH").unwrap_or_default();
            place
                .with_variable("WASMIGRATE_TEST_SERVER", &url)
                .with_variable("PATH", &format!("/usr/lib/postgresql/15/bin:{path}"))
        }
    }
}

fn on() -> &'static str {
    Place::in_sql_of("sqlite", "postgres")
}

const ROWS: &str = "INSERT INTO a VALUES (7), (8);
     CREATE TABLE said (id INTEGER PRIMARY KEY, line TEXT, price NUMERIC);
     INSERT INTO said VALUES (1, 'it''s; -- \"so\"', 1.50), (2, NULL, NULL);
     CREATE INDEX by_line ON said (line);
     CREATE VIEW lines AS SELECT line FROM said;";

#[test]
fn one_is_made_of_the_steps_and_proven_to_come_to_the_same() {
    let place = with_server(
        Place::new()
            .with_sql("0001_a.sql", A)
            .with_sql("0002_rows.sql", ROWS)
            .with_sql("0003_c.sql", C),
    );
    let file_name = format!("0002_squashed.baseline.{}.sql", on());
    place
        .run(&["squash", "--to", "2"])
        .ends_with(0)
        .and_says(&file_name)
        .and_says("it stands for 2 steps on new databases");
    let text = std::fs::read_to_string(place.step(&file_name)).unwrap();
    assert!(
        text.contains("-- squashed: 0001_a\n-- squashed: 0002_rows\n"),
        "{text}"
    );
    assert!(!text.contains("wasmigrate"), "{text}");
    // What else is found of the steps, which have no reset, does not matter.
    place
        .run(&["test", "--on", on()])
        .and_says("0002_squashed.baseline")
        .and_says("✓ same as steps     schema, rows and sequences are those of 2 steps");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("0001_a is included");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM lines"), 2);
    assert!(place.has_table("c"));
    // It is never written over.
    place
        .run(&["squash", "--to", "2"])
        .ends_with(2)
        .and_says("cannot make");
    place
        .run(&["squash", "--to", "7"])
        .ends_with(2)
        .and_says("7");
}

#[test]
fn one_that_comes_to_something_else_is_found() {
    let place = with_server(squashed(steps()));
    place
        .run(&["test", "--on", on()])
        .ends_with(1)
        .and_says("0002_all.baseline")
        .and_says("begun is there with the baseline alone");
}

#[test]
fn flyways_manner_is_kept() {
    let place = with_server(
        Place::new()
            .with_sql("V1__a.sql", A)
            .with_sql("V1.2__c.sql", C),
    );
    place
        .run(&["squash", "--to", "V1.2", "--name", "all"])
        .ends_with(0)
        .and_says(&format!("B1.2__all.{}.sql", on()));
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("V1__a is included");
    assert!(place.has_table("a") && place.has_table("c"));
}
