//! Files of `[sources]` that were applied and are gone, or have another name: nothing passes them by, and each has a way out.

use crate::place::Place;
use crate::tenants::{Tenants as _, counting};

const FIRST: &str = "CREATE TABLE a (b BIGINT); INSERT INTO a VALUES (1);";

/// Two applied files in one directory, without tenants.
fn applied() -> Place {
    let place = Place::new()
        .with_sql("0001_a.sql", FIRST)
        .with_sql("0002_b.sql", "INSERT INTO a VALUES (2);");
    let settings = "[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n";
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    place.run(&["finalize"]).ends_with(0);
    place
}

fn rename(place: &Place, from: &str, to: &str) {
    std::fs::rename(place.step(from), place.step(to)).unwrap();
}

/// Demands that every command says this, and that none changes anything.
#[track_caller]
fn is_refused(place: &Place, said: &str) {
    let before = place.everything();
    place.run(&["status"]).and_says(said);
    for command in [
        &["plan", "--dry-run"][..],
        &["migrate"],
        &["finalize"],
        &["reset"],
        &["verify"],
    ] {
        place.run(command).ends_with(2).and_says(said);
    }
    assert!(place.everything() == before, "{said}");
}

#[test]
fn a_renamed_file_does_not_run_again() {
    let place = applied();
    rename(&place, "0002_b.sql", "0002_more.sql");
    is_refused(
        &place,
        "`migrations/0002_b.sql` was applied and is gone, and `migrations/0002_more.sql`, which was never applied, holds the same",
    );
    place
        .run(&["migrate", "--allow-missing"])
        .ends_with(2)
        .and_says("repair --accept migrations/0002_more.sql");
    place
        .run(&["repair"])
        .ends_with(0)
        .and_says(
            "  migrations/0002_more.sql  was renamed; it was applied as migrations/0002_b.sql",
        )
        .and_says("--accept NEW-NAME");
    let both = [
        "repair",
        "--reason",
        "x",
        "--accept",
        "0002_more.sql",
        "--remove",
        "migrations/0002_b.sql",
    ];
    place.run(&both).ends_with(2).and_says("say one");
    place
        .run(&[
            "repair",
            "--accept",
            "0002_more.sql",
            "--reason",
            "a better name",
        ])
        .ends_with(0)
        .and_says("migrations/0002_more.sql  its new name is accepted");
    place
        .run(&["history"])
        .and_says("the new name is accepted; it was migrations/0002_b.sql; reason: a better name");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["verify"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 2);
    // From now on it is known by that name.
    place.write_step("0002_more.sql", b"SELECT 1;");
    place
        .run(&["verify"])
        .ends_with(2)
        .and_says("`migrations/0002_more.sql` has changed");
}

#[test]
fn other_line_ends_are_no_other_content() {
    let place = applied();
    std::fs::remove_file(place.step("0001_a.sql")).unwrap();
    place.write_step("0001_b.sql", format!("{FIRST}\r\n").as_bytes());
    is_refused(&place, "`migrations/0001_a.sql` was applied and is gone");
}

#[test]
fn a_file_of_the_same_content_may_be_a_new_one() {
    let place = applied();
    rename(&place, "0002_b.sql", "0003_again.sql");
    place
        .run(&[
            "repair",
            "--remove",
            "migrations/0002_b.sql",
            "--reason",
            "it is another one",
        ])
        .ends_with(0)
        .and_says("removed from the journal");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 3);
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_missing_file_is_named() {
    let place = applied();
    std::fs::remove_file(place.step("0001_a.sql")).unwrap();
    is_refused(
        &place,
        "step migrations/0001_a.sql was applied, but its file is gone: put it back, or pass `--allow-missing`",
    );
    place.write_step("0003_c.sql", b"INSERT INTO a VALUES (3);");
    place.run(&["migrate", "--allow-missing"]).ends_with(0);
    place
        .run(&[
            "repair",
            "--remove",
            "migrations/0001_a.sql",
            "--reason",
            "gone for good",
        ])
        .ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    place.run(&["status"]).and_says("finalized");
    place.run(&["history"]).ends_with(0).and_says("0001_a.sql");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 3);
}

#[test]
fn a_missing_file_that_is_not_finalized_is_not_passed_by() {
    let place = applied();
    place.write_step("0003_c.sql", b"INSERT INTO a VALUES (3);");
    place.run(&["migrate"]).ends_with(0);
    std::fs::remove_file(place.step("0003_c.sql")).unwrap();
    for command in ["finalize", "reset"] {
        place
            .run(&[command, "--allow-missing"])
            .ends_with(2)
            .and_says("`migrations/0003_c.sql` is not finalized, and its file is gone");
    }
    place
        .run(&[
            "repair",
            "--remove",
            "migrations/0003_c.sql",
            "--reason",
            "lost",
        ])
        .ends_with(0);
    place.run(&["status"]).and_says("finalized");
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn files_for_tenants_are_missed_too() {
    let place = counting().with_tenants(&["ann", "bob"]);
    std::fs::rename(
        place.step("tenants/001_begin.sql"),
        place.step("tenants/001_start.sql"),
    )
    .unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`tenants/001_begin.sql` was applied and is gone");
    place
        .run(&[
            "repair",
            "--accept",
            "tenants/001_start.sql",
            "--reason",
            "renamed",
        ])
        .ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["tenants", "add", "eve"]).ends_with(0);
    for tenant in ["ann", "bob", "eve"] {
        assert_eq!(place.sum(tenant), "1");
    }
    std::fs::remove_file(place.step("tenants/001_start.sql")).unwrap();
    for command in [&["migrate"][..], &["tenants", "add", "zoe"], &["verify"]] {
        place
            .run(command)
            .ends_with(2)
            .and_says("step tenants/001_start.sql was applied, but its file is gone");
    }
    place
        .run(&[
            "repair",
            "--remove",
            "tenants/001_start.sql",
            "--reason",
            "lost",
        ])
        .ends_with(0);
    place.run(&["verify"]).ends_with(0);
    // One of its name is a new one.
    place.write_step(
        "tenants/001_start.sql",
        b"INSERT INTO {schema}.counted VALUES (10, '{schema}');",
    );
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.sum("ann"), "11");
    place.run(&["history"]).ends_with(0);
}
