//! Steps that break in the middle of what they do.

use crate::hostile::attack;
use crate::hostile::component::{Component, sql, writes};

/// Breaks some calls deep, so that there is a backtrace to show.
const BREAKS: &str = "(call $outer_part)";
const PARTS: &str = "(func $outer_part (call $inner_part))\n(func $inner_part unreachable)";

fn breaking_in(export: &'static str) -> Component {
    Component::new()
        .with(export, writes() + BREAKS)
        .defining(PARTS)
}

/// A component that migrates well and breaks in a later phase.
fn breaking_after_migrate(export: &'static str) -> Component {
    breaking_in(export).with(
        "migrate",
        sql("UPDATE account SET balance = balance + 1")
            + &sql("CREATE TABLE bonus (amount INTEGER)"),
    )
}

#[test]
fn a_trap_before_the_run_refuses_it() {
    for export in ["check", "count"] {
        attack(breaking_in(export))
            .gets_refused()
            .saying("0001_hostile, prepare: the component trapped: wasm trap: wasm `unreachable`")
            .saying("0: inner_part")
            .saying("1: outer_part")
            .saying(&format!("2: {export}"))
            .and_the_host_works_on();
    }
}

#[test]
fn a_trap_in_the_description_refuses_the_run() {
    attack(Component::new().with("describe", BREAKS).defining(PARTS))
        .gets_refused()
        .saying("0001_hostile, prepare: the component trapped")
        .saying("2: describe")
        .and_the_host_works_on();
}

#[test]
fn a_trap_while_migrating_undoes_the_step() {
    attack(breaking_in("migrate"))
        .fails()
        .saying("0001_hostile, migrate: the component trapped: wasm trap: wasm `unreachable`")
        .saying("backtrace of the component:")
        .saying("0: inner_part")
        .saying("1: outer_part")
        .saying("2: migrate")
        .and_the_host_works_on();
}

#[test]
fn a_trap_in_the_cut_over_keeps_what_was_migrated() {
    let place = attack(breaking_after_migrate("finalize"))
        .migrates_but_fails_to("finalize")
        .saying("0001_hostile, finalize: the component trapped")
        .saying("2: finalize")
        .place;
    assert_eq!(place.one::<i64>("SELECT sum(balance) FROM account"), 603);
    place.run(&["reset"]).ends_with(0);
}

#[test]
fn a_trap_while_resetting_keeps_what_was_migrated() {
    let place = attack(breaking_after_migrate("reset"))
        .migrates_but_fails_to("reset")
        .saying("0001_hostile, reset: the component trapped")
        .saying("2: reset")
        .place;
    assert_eq!(place.one::<i64>("SELECT sum(balance) FROM account"), 603);
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn what_a_step_changes_while_it_is_asked_is_rolled_back() {
    for export in ["check", "count"] {
        let before = attack(Component::new()).place.content();
        let place = attack(Component::new().with(export, writes()))
            .succeeds()
            .place;
        assert_eq!(place.content(), before);
    }
}

#[test]
fn the_other_traps_are_named_too() {
    for (body, cause) in [
        (
            "(drop (i32.div_u (i32.const 1) (local.get $i)))",
            "integer divide by zero",
        ),
        (
            "(drop (i32.load (i32.const -4)))",
            "out of bounds memory access",
        ),
        ("(call_indirect $t (local.get $i))", "uninitialized element"),
    ] {
        attack(Component::migrating(writes() + body).defining("(table $t 1 funcref)"))
            .fails()
            .saying(cause)
            .and_the_host_works_on();
    }
}

#[test]
fn a_trap_behind_a_checkpoint_undoes_only_what_came_after_it() {
    let body = sql("INSERT INTO audit VALUES ('before')")
        + &crate::hostile::component::must("$checkpoint")
        + &sql("INSERT INTO audit VALUES ('after')")
        + BREAKS;
    let place = attack(Component::migrating(body).defining(PARTS)).place;
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0: inner_part");
    assert_eq!(place.texts("SELECT note FROM audit"), ["before"]);
}

#[test]
fn names_in_a_component_cannot_steer_the_terminal() {
    // The name section is the component's own, and ends up in the backtrace.
    let name = "$\"\\1b[2J\\1b]0;owned\\07\"";
    let place = attack(
        Component::migrating(format!("(call {name})"))
            .defining(&format!("(func {name} unreachable)")),
    )
    .fails()
    .saying("[2J]0;owned")
    .place;
    for command in ["migrate", "status", "history"] {
        let said = place.run(&[command]);
        let both = said.stdout + &said.stderr;
        assert!(!both.contains(['\u{1b}', '\u{7}']), "{command}: {both:?}");
    }
}
