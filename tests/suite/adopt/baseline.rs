//! `baseline`: steps whose work was done before.

use crate::place::Place;

/// Two steps whose work is done, and one whose work is not.
fn done_by_hand() -> Place {
    Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b BIGINT);")
        .with_sql("0002_b.sql", "CREATE TABLE b (c BIGINT);")
        .with_sql("0003_c.sql", "CREATE TABLE c (d BIGINT);")
        .with_data("CREATE TABLE a (b BIGINT); CREATE TABLE b (c BIGINT);")
}

#[test]
fn only_what_is_behind_it_runs() {
    let place = done_by_hand();
    place
        .run(&[
            "baseline",
            "--through",
            "2",
            "--reason",
            "made by hand in 2019",
        ])
        .ends_with(0)
        .and_says("  0001_a")
        .and_says("  0002_b")
        .and_says("run 1 wrote down 2 as applied, and ran nothing");
    assert!(!place.has_table("c"));
    place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("run 1  baseline  done")
        .and_says("reason: made by hand in 2019")
        .and_says("0002_b was written down as applied, and not run");
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("what run 1 left");
    let said = place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("0003_c migrated");
    assert!(!said.stdout.contains("0002_b"), "{said:#?}");
    place.run(&["status"]).ends_with(0).and_says("finalized");
}

#[test]
fn without_a_number_all_steps_are_written_down_and_a_second_time_nothing() {
    let place = done_by_hand().with_data("CREATE TABLE c (d BIGINT)");
    let json = place.run(&["baseline", "--json"]).ends_with(0).json();
    assert_eq!(json["run"], 1);
    assert_eq!(json["files"].as_array().unwrap().len(), 3);
    let before = place.everything();
    place
        .run(&["baseline"])
        .ends_with(0)
        .and_says("nothing to do; all of it is written down already");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    assert!(place.everything() == before);
}

#[test]
fn a_dry_run_only_says_what_it_would_write() {
    let place = done_by_hand();
    let before = place.everything();
    place
        .run(&["baseline", "--through", "2", "--dry-run"])
        .ends_with(0)
        .and_says("  0002_b")
        .and_says("would write down 2 as applied, and run nothing; nothing was changed");
    assert!(place.everything() == before);
}

#[test]
fn a_step_that_was_begun_is_not_written_over() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "-- wasmigrate:migrate\nCREATE TABLE a (b BIGINT);\n-- wasmigrate:reset\nDROP TABLE a;\n",
    );
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0002_b.sql", b"CREATE TABLE b (c BIGINT);");
    place
        .run(&["baseline"])
        .ends_with(2)
        .and_says("0001_a was begun and is not finalized: `finalize` or `reset` first");
    place.run(&["reset"]).ends_with(0);
    place
        .run(&["baseline"])
        .ends_with(0)
        .and_says("wrote down 2 as applied");
}

#[test]
fn a_gap_is_refused() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b BIGINT);")
        .with_sql("0005_e.sql", "CREATE TABLE e (f BIGINT);");
    place.run(&["finalize"]).ends_with(0);
    place.write_step("0002_b.sql", b"CREATE TABLE b (c BIGINT);");
    place.write_step("0003_c.sql", b"CREATE TABLE c (d BIGINT);");
    place
        .run(&["baseline", "--through", "2"])
        .ends_with(2)
        .and_says("`0003_c.sql` was never applied, but `0005_e` after it was");
    place.run(&["baseline", "--through", "3"]).ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn a_number_without_a_step_is_refused() {
    done_by_hand()
        .run(&["baseline", "--through", "7"])
        .ends_with(2)
        .and_says("there is no step 7 to go through to: the last is 0003_c");
}
