//! Two phases over all tenants.

use super::{Tenants as _, counting};
use crate::place::Place;

fn phased() -> Place {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step(
        "tenants/002_phases.sql",
        b"-- wasmigrate:migrate
          INSERT INTO {schema}.counted VALUES (10, 'migrate');
          -- wasmigrate:finalize
          INSERT INTO {schema}.counted VALUES (100, 'finalize');
          -- wasmigrate:reset
          DELETE FROM {schema}.counted WHERE value = 10;",
    );
    place
}

fn sums(place: &Place) -> [String; 2] {
    ["acme", "beta"].map(|tenant| place.sum(tenant))
}

fn migrates_resets_and_finalizes(how: &[&str]) {
    let place = phased();
    let run = |command: &str| place.run(&[&[command], how].concat()).ends_with(0);
    run("migrate").and_says("finalization_required");
    assert_eq!(sums(&place), ["11", "11"]);
    run("reset").and_says("migration_required");
    assert_eq!(sums(&place), ["1", "1"]);
    run("reset").and_says("nothing to do");
    run("migrate");
    run("finalize").and_says("the state is finalized");
    assert_eq!(sums(&place), ["111", "111"]);
    run("finalize").and_says("nothing to do");
}

#[test]
fn all_tenants_are_migrated_reset_and_finalized_at_once() {
    migrates_resets_and_finalizes(&["--atomic"]);
}

#[test]
fn all_tenants_are_migrated_reset_and_finalized_beside_each_other() {
    migrates_resets_and_finalizes(&["--parallel", "2"]);
}

#[test]
fn finalize_alone_does_both() {
    for how in [
        &["finalize", "--atomic"][..],
        &["finalize", "--parallel", "2"],
    ] {
        let place = phased();
        place
            .run(how)
            .ends_with(0)
            .and_says("the state is finalized");
        assert_eq!(sums(&place), ["111", "111"]);
    }
}

#[test]
fn a_file_without_a_way_back_is_not_reset() {
    let place = phased();
    place.write_step("tenants/003_add.sql", super::ADD.as_bytes());
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("003_add.sql")
        .and_says("reset");
    assert_eq!(sums(&place), ["21", "21"]);
}
