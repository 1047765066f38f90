//! A file for the target itself waits for all tenants, also for those that have failed.

use super::{Tenants as _, counting};
use crate::place::Place;

/// Three tenants; a file that fails for `beta`, one for the target that takes away what it may read, and one after it.
fn place() -> Place {
    let place = counting().with_tenants(&["acme", "beta", "gamma"]);
    place.connect().run("CREATE TABLE shared (id INTEGER)");
    place
        .of_tenant("beta")
        .run("CREATE TABLE extra (id INTEGER)");
    place.write_step(
        "tenants/002_extra.sql",
        b"CREATE TABLE {schema}.extra (id INTEGER);
          INSERT INTO {schema}.counted VALUES (10, '{schema}');",
    );
    place.write_step("single/003.sql", b"DROP TABLE shared;");
    place.write_step(
        "tenants/004_add.sql",
        b"INSERT INTO {schema}.counted VALUES (100, '{schema}');",
    );
    place
}

/// The same, where what fails for `beta` and what takes away is in the finalize.
fn migrated() -> Place {
    let place = place();
    for (name, finalize) in [
        (
            "tenants/002_extra.sql",
            "CREATE TABLE {schema}.extra (id INTEGER); INSERT INTO {schema}.counted VALUES (10, '{schema}');",
        ),
        ("single/003.sql", "DROP TABLE shared;"),
        (
            "tenants/004_add.sql",
            "INSERT INTO {schema}.counted VALUES (100, '{schema}');",
        ),
    ] {
        let sql = format!("-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\n{finalize}");
        place.write_step(name, sql.as_bytes());
    }
    place.run(&["migrate", "--parallel", "2"]).ends_with(0);
    place
}

fn fix(place: &Place) {
    place.of_tenant("beta").run("DROP TABLE extra");
}

fn sums(place: &Place) -> [String; 3] {
    ["acme", "beta", "gamma"].map(|tenant| place.sum(tenant))
}

#[test]
fn a_file_for_the_target_waits_for_a_tenant_that_failed_before_it() {
    for (command, how) in [
        ("migrate", &["--parallel", "2"][..]),
        ("finalize", &["--parallel", "2"]),
        ("finalize", &["--atomic"]),
    ] {
        let place = place();
        place
            .run(&[command, "--parallel", "2"])
            .ends_with(1)
            .and_says("1 of 3 tenants failed; the first was `beta`")
            .and_says("`single/003.sql` is for the target itself and waits for `beta`")
            .and_says("migration_failed");
        assert!(place.has_table("shared"), "{command}");
        assert_eq!(sums(&place), ["11", "1", "11"]);
        fix(&place);
        place.run(&[&[command], how].concat()).ends_with(0);
        assert!(!place.has_table("shared"));
        assert_eq!(sums(&place), ["111", "111", "111"]);
        place.run(&["finalize"]).ends_with(0);
    }
}

#[test]
fn it_waits_for_tenants_that_were_not_begun_and_are_not_wanted() {
    let place = place();
    place
        .run(&["migrate", "--parallel", "1", "--stop-after", "1"])
        .ends_with(1);
    assert_eq!(sums(&place), ["11", "1", "1"]);
    fix(&place);
    let only_failed = ["migrate", "--parallel", "1", "--only-failed"];
    place
        .run(&only_failed)
        .ends_with(1)
        .and_says("waits for `gamma`")
        .and_says("run it without `--only-failed`");
    assert_eq!(sums(&place), ["11", "11", "1"]);
    place
        .run(&only_failed)
        .ends_with(2)
        .and_says("waits for `gamma`")
        .and_says("nothing was run");
    assert!(place.has_table("shared"));
    place.run(&["migrate", "--parallel", "1"]).ends_with(0);
    assert!(!place.has_table("shared"));
    assert_eq!(sums(&place), ["111", "111", "111"]);
}

#[test]
fn only_the_failed_are_enough_where_the_others_are_done() {
    let place = place();
    place.run(&["migrate", "--parallel", "2"]).ends_with(1);
    fix(&place);
    place
        .run(&["migrate", "--parallel", "2", "--only-failed"])
        .ends_with(0);
    assert!(!place.has_table("shared"));
    assert_eq!(sums(&place), ["11", "111", "11"]);
    place.run(&["finalize", "--parallel", "2"]).ends_with(0);
    assert_eq!(sums(&place), ["111", "111", "111"]);
}

#[test]
fn the_finalize_of_a_file_for_the_target_waits_for_a_tenant_that_failed_before_it() {
    for how in [
        &["--parallel", "2"][..],
        &["--parallel", "2", "--only-failed"],
    ] {
        let place = migrated();
        place
            .run(&["finalize", "--parallel", "2"])
            .ends_with(1)
            .and_says("`single/003.sql` is for the target itself and waits for `beta`")
            .and_says("finalization_failed");
        assert!(place.has_table("shared"));
        assert_eq!(sums(&place), ["11", "1", "11"]);
        fix(&place);
        place.run(&[&["finalize"], how].concat()).ends_with(0);
        assert!(!place.has_table("shared"));
        place.run(&["finalize", "--parallel", "2"]).ends_with(0);
        assert_eq!(sums(&place), ["111", "111", "111"]);
        place.run(&["status"]).and_says("state   finalized");
    }
}
