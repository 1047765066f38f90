//! `repair`: an operator says for good that the journal is to follow the files.

use crate::place::Place;
use crate::tenants::{Tenants as _, counting};
use crate::transform::replace::{failed_on_its_way, fix};

fn applied() -> Place {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b BIGINT);\n")
        .with_sql("0002_b.sql", "CREATE TABLE b (c BIGINT);\n");
    place.run(&["finalize"]).ends_with(0);
    place
}

/// The SHA-256 that the journal has of a step.
fn digest(place: &Place, index: u64) -> String {
    place.one(&format!(
        "SELECT digest FROM wasmigrate_step WHERE step_index = {index}"
    ))
}

#[test]
fn a_changed_file_is_accepted_for_good() {
    let place = applied();
    let before = digest(&place, 2);
    place.write_step("0002_b.sql", b"-- a comment\nCREATE TABLE b (c BIGINT);\n");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`wasmigrate repair --accept 0002_b.sql --reason …`");
    let untouched = place.everything();
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("  0002_b  changed; its SHA-256 was")
        .and_says("--accept STEP");
    assert!(place.everything() == untouched, "looking changed something");
    place
        .run(&["repair", "--accept", "0002_b.sql", "--reason", "a comment"])
        .ends_with(0)
        .and_says("  0002_b  its changed file is accepted")
        .and_says("run 2 repaired 1 step, and ran nothing");
    assert_ne!(digest(&place, 2), before);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("2 applied steps are what they were")
        .and_says("what run 2 left");
    for command in ["status", "history"] {
        place
            .run(&[command])
            .ends_with(0)
            .and_says("0002_b: the changed file is accepted")
            .and_says(&format!("was {before} and is"))
            .and_says("reason: a comment");
    }
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("nothing to repair");
}

#[test]
fn a_repair_hides_no_drift_of_the_schema() {
    let place = applied().with_data("CREATE TABLE by_hand (a BIGINT)");
    place.write_step("0001_a.sql", b"CREATE TABLE a (b BIGINT); -- a\n");
    place
        .run(&["repair", "--accept", "1", "--reason", "a comment"])
        .ends_with(0);
    place
        .run(&["verify"])
        .ends_with(2)
        .and_says("by_hand")
        .and_says("the schema is not what run 2 left");
}

#[test]
fn a_step_whose_file_is_gone_is_removed() {
    let place = applied();
    std::fs::remove_file(place.step("0001_a.sql")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`wasmigrate repair --remove 0001_a --reason …`");
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("  0001_a  its file is gone");
    place
        .run(&["repair", "--accept", "0001_a", "--reason", "gone"])
        .ends_with(2)
        .and_says("0001_a: its file is gone: put it back, or say `--remove`");
    place
        .run(&["repair", "--remove", "0001_a", "--reason", "squashed"])
        .ends_with(0)
        .and_says("  0001_a  removed from the journal");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("steps   1: 1 finalized")
        .and_says("0001_a: removed, because its file is gone for good")
        .and_says("reason: squashed");
}

#[test]
fn what_does_not_differ_so_is_refused_and_nothing_is_written() {
    let place = applied();
    place.write_step("0001_a.sql", b"CREATE TABLE a (b BIGINT, c BIGINT);\n");
    let before = place.everything();
    for (arguments, why) in [
        (
            &["--accept", "0002_b", "--reason", "x"][..],
            "`0002_b` is no applied step whose file has changed: changed have 0001_a",
        ),
        (
            &["--remove", "0001_a", "--reason", "x"],
            "0001_a: its file is there and has changed",
        ),
        (
            &["--accept", "0001_a", "--remove", "9", "--reason", "x"],
            "`9` is no applied step whose file is gone: there is no applied step whose file is gone",
        ),
        (&["--accept", "0001_a"], "--reason"),
        (
            &["--accept", "0001_a", "--reason", " "],
            "say why with `--reason`",
        ),
    ] {
        let all: Vec<&str> = ["repair"].iter().chain(arguments).copied().collect();
        place.run(&all).ends_with(2).and_says(why);
    }
    assert!(place.everything() == before);
    place
        .run(&["repair", "--normalise"])
        .ends_with(0)
        .and_says("nothing to do");
    assert!(place.everything() == before);
}

#[test]
fn digests_of_other_line_ends_are_written_anew() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a\r\n(b BIGINT);\r\n");
    place.run(&["migrate"]).ends_with(0);
    let before = digest(&place, 1);
    place.write_step("0001_a.sql", b"CREATE TABLE a\n(b BIGINT);\n");
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("  0001_a  differs in its line ends alone")
        .and_says("--normalise");
    place
        .run(&["repair", "--normalise"])
        .ends_with(0)
        .and_says("  0001_a  its SHA-256 is written down anew");
    assert_ne!(digest(&place, 1), before);
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("nothing to repair");
    // The earlier file is still the same one.
    place.write_step("0001_a.sql", b"CREATE TABLE a\r\n(b BIGINT);\r\n");
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("nothing to repair");
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn a_migrated_step_is_finalized_and_reset_from_the_accepted_file() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b BIGINT);");
    place.run(&["migrate"]).ends_with(0);
    place.write_step(
        "0001_a.sql",
        b"-- wasmigrate:migrate\nCREATE TABLE a (b BIGINT);\n-- wasmigrate:reset\nDROP TABLE a;\n",
    );
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("repair --accept");
    place
        .run(&[
            "repair",
            "--accept",
            "0001_a",
            "--reason",
            "it had no reset",
        ])
        .ends_with(0);
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("a"));
}

#[test]
fn files_for_tenants_are_repaired_too() {
    let place = counting().with_tenants(&["ann", "bob"]);
    place.run(&["finalize"]).ends_with(0);
    place.write_step(
        "tenants/001_begin.sql",
        b"CREATE TABLE {schema}.counted (value INTEGER NOT NULL, who TEXT NOT NULL); -- changed\n",
    );
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("tenants/001_begin.sql")
        .and_says("`wasmigrate repair --accept FILE --reason …`");
    place
        .run(&[
            "repair",
            "--accept",
            "tenants/001_begin.sql",
            "--reason",
            "why not",
        ])
        .ends_with(0)
        .and_says("  tenants/001_begin.sql  its changed file is accepted");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("tenants/001_begin.sql: the changed file is accepted")
        .and_says("reason: why not");
    assert_eq!(place.sum("ann"), "1");
    // Who comes later gets the accepted file.
    place.run(&["tenants", "add", "eve"]).ends_with(0);
}

#[test]
fn a_transformation_in_progress_is_not_accepted() {
    let place = failed_on_its_way();
    fix(&place);
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("0001_shout  changed")
        .and_says("its transformation is in progress");
    place
        .run(&["repair", "--accept", "0001_shout", "--reason", "better"])
        .ends_with(2)
        .and_says("0001_shout: its transformation is in progress")
        .and_says("`--replace`");
    place.run(&["migrate", "--replace"]).ends_with(0);
}

#[test]
fn what_is_committed_is_whole_or_nothing() {
    let place = applied();
    place.write_step("0001_a.sql", b"CREATE TABLE a (b BIGINT); -- a\n");
    std::fs::remove_file(place.step("0002_b.sql")).unwrap();
    place
        .run(&[
            "repair", "--accept", "0001_a", "--remove", "0002_b", "--reason", "both",
        ])
        .ends_with(0)
        .and_says("run 2 repaired 2 steps");
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("nothing to repair");
}

#[test]
fn a_repair_takes_no_failure_away() {
    let place = applied().with_sql(
        "0003_c.sql",
        "-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\nDROP TABLE nowhere;\n",
    );
    place.run(&["finalize"]).ends_with(1);
    place.write_step("0002_b.sql", b"-- a comment\nCREATE TABLE b (c BIGINT);\n");
    place
        .run(&["repair", "--accept", "0002_b.sql", "--reason", "a comment"])
        .ends_with(0);
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("state   finalization_failed")
        .and_says("last failure")
        .and_says("nowhere");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("the last finalize failed");
}

/// What undoes a step is a part of it, wherever it stands.
#[test]
fn a_changed_or_missing_undo_file_is_drift() {
    let up = "CREATE TABLE a (b BIGINT);\n";
    for (step, undo) in [
        ("0001_a.up.sql", "0001_a.down.sql"),
        ("V1__a.sql", "U1__a.sql"),
        ("2024-01-01-000000_a/up.sql", "2024-01-01-000000_a/down.sql"),
    ] {
        let place = Place::new();
        std::fs::create_dir_all(place.step(step).parent().unwrap()).unwrap();
        let place = place.with_sql(step, up).with_sql(undo, "DROP TABLE a;\n");
        place.run(&["migrate"]).ends_with(0);
        // Line ends are no change.
        place.write_step(undo, b"DROP TABLE a;\r\n");
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("nothing to do");
        place
            .run(&["repair"])
            .ends_with(0)
            .and_says("nothing to repair");
        place.write_step(undo, b"DROP TABLE IF EXISTS a;\n");
        let said = format!("`{step}` has changed since it was applied");
        for command in ["migrate", "finalize", "reset"] {
            place
                .run(&[command])
                .ends_with(2)
                .and_says(&said)
                .and_says("(with the file that undoes it)");
        }
        place.run(&["plan"]).ends_with(2).and_says(&said);
        std::fs::remove_file(place.step(undo)).unwrap();
        place.run(&["migrate"]).ends_with(2).and_says(&said);
        place.write_step(undo, b"DROP TABLE IF EXISTS a;\n");
        place
            .run(&["repair", "--accept", step, "--reason", "mended"])
            .ends_with(0);
        place.run(&["reset"]).ends_with(0);
        assert!(!place.has_table("a"));
    }
}

/// Earlier versions wrote down the digest of the file alone.
#[test]
fn a_journal_that_knows_nothing_of_undo_files_stands() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b BIGINT);\n");
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0001_a.down.sql", b"DROP TABLE a;\n");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says("nothing to repair");
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("a"));
}
