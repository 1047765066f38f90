//! Baselines: new databases begin with one file in the place of the steps that it stands for.

mod squash;

use squash::with_server;

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
    let place = steps().with_sql("R__view.baseline.sql", "SELECT 1;");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("a repeatable step is no baseline");
    let place = Place::new()
        .with_sql("V1__a.sql", A)
        .with_sql("0001_x.baseline.sql", "SELECT 1;");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0001_x.baseline.sql` has a number and `V1__a.sql` a version");
    let place = steps().with_sql("0002_all.baseline.sql", "-- squashed: b\nSELECT 1;");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("names `b` as squashed, which cannot be a step");
}

#[test]
fn a_step_below_it_that_it_does_not_name_is_refused() {
    let late = || squashed(steps()).with_sql("0001_late.sql", "CREATE TABLE late (id INTEGER);");
    let place = late();
    std::fs::remove_file(place.step("0001_a.sql")).unwrap();
    for command in ["migrate", "plan", "status"] {
        place.run(&[command]).and_says(
            "`0001_late.sql` is at or below `0002_all.baseline.sql`, which does not stand for it",
        );
    }
    place.run(&["migrate"]).ends_with(2);
    assert!(!place.has_table("begun"));
    // One that says nothing stands for all up to its place, which is said.
    let place = steps().with_sql("0002_all.baseline.sql", "CREATE TABLE begun (id INTEGER);");
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("names no step that it stands for")
        .and_says("which does not run: 0001_a, 0002_b");
}

#[test]
fn a_step_that_has_changed_since_is_refused() {
    let place = with_server(steps());
    place.run(&["squash", "--to", "2"]).ends_with(0);
    place.write_step("0001_a.sql", b"CREATE TABLE other (id INTEGER);");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0001_a.sql` has changed since `0002_squashed.baseline.");
    assert!(!place.has_table("c"));
}

#[test]
fn files_that_come_back_run_on_no_database_that_was_begun_with_it() {
    let place = without_single_steps(squashed(steps()));
    place.run(&["finalize"]).ends_with(0);
    place.write_step("0001_a.sql", A.as_bytes());
    place.write_step("0002_b.sql", B.as_bytes());
    for command in ["migrate", "finalize", "verify"] {
        place.run(&[command]).ends_with(0);
    }
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("nothing is pending");
    place
        .run(&["migrate", "--out-of-order"])
        .ends_with(0)
        .and_says("nothing to do");
    // As in a checkout of before.
    std::fs::remove_file(place.step("0002_all.baseline.sql")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["verify"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 1);
}

#[test]
fn one_that_was_applied_is_there_and_must_not_change() {
    let place = without_single_steps(squashed(steps()));
    place.run(&["finalize"]).ends_with(0);
    let status = place.run(&["status"]).ends_with(0);
    assert!(!status.stdout.contains("gone"), "{status:?}");
    let repair = place.run(&["repair"]).ends_with(0);
    assert!(!repair.stdout.contains("gone"), "{repair:?}");
    place.write_step(
        "0002_all.baseline.sql",
        format!("{BOTH}\nSELECT 1;").as_bytes(),
    );
    for command in ["verify", "migrate"] {
        place
            .run(&[command])
            .ends_with(2)
            .and_says("`0002_all.baseline.sql` has changed since it was applied");
    }
}

#[test]
fn a_step_within_it_is_no_place_to_stop_at() {
    let place = squashed(steps());
    for arguments in [
        &["migrate", "--to", "1"],
        &["plan", "--to", "1"],
        &["finalize", "--to", "0001_a"],
    ] {
        place
            .run(arguments)
            .ends_with(2)
            .and_says("0001_a is included in the baseline 0002_all.baseline");
    }
    assert!(!place.has_table("begun"));
}

#[test]
fn what_is_migrated_and_squashed_is_finalized_without_its_file_unless_that_is_needed() {
    let place = with_server(
        Place::new()
            .with_sql("0001_a.sql", A)
            .with_sql("0002_b.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);"),
    );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["squash", "--to", "2"]).ends_with(0);
    let place = without_single_steps(place);
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("2: 2 finalized");
    let place = with_server(
        Place::new()
            .with_sql("0001_a.sql", A)
            .with_sql("0002_b.sql", B),
    );
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["squash", "--to", "2"])
        .ends_with(0)
        .and_says("has not finalized it");
    let place = without_single_steps(place);
    place
        .run(&["finalize"])
        .ends_with(2)
        .and_says("0002_b is not finalized, and its file is gone")
        .and_says("put it back until it is finalized");
}

#[test]
fn the_next_step_comes_after_it() {
    for (there, expected) in [
        (&["0042_x.baseline.sql"][..], "0043_add_z.sql"),
        (
            &["0041_a.sql", "0042_x.baseline.postgres.sql"],
            "0043_add_z.sql",
        ),
        (&["V1_1__a.sql", "B9__x.sql"], "V10__add_z.sql"),
        (&["B1_2__x.sql"], "V1_3__add_z.sql"),
    ] {
        let mut place = Place::new();
        for file_name in there {
            place = place.with_sql(file_name, "SELECT 1;");
        }
        place.run(&["new", "add z"]).ends_with(0).and_says(expected);
    }
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
