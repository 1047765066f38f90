//! Calls of the contract at the wrong time, in the wrong order, or with somebody else's handles.

use crate::place::Place;

use super::attack;
use super::component::{Component, must, sql, swallow, writes};

/// Opens a cursor and keeps its handle.
const OPENS: &str =
    "(drop (call $query {{SELECT * FROM account}})) (local.set $handle (call $value))";

/// Opens two savepoints and keeps their handles.
const SAVES_TWICE: &str = "(drop (call $savepoint)) (local.set $handle (call $value))
    (drop (call $savepoint)) (local.set $i (call $value))";

#[test]
fn a_cursor_that_was_dropped_is_gone() {
    for call in [
        "(drop (call $next (local.get $handle)))",
        "(call $drop_cursor (local.get $handle))",
    ] {
        let body = format!("{OPENS} (call $drop_cursor (local.get $handle)) {call}");
        attack(Component::migrating(writes() + &body))
            .fails()
            .saying("the component trapped: unknown handle index")
            .and_the_host_works_on();
    }
}

#[test]
fn handles_are_not_guessed() {
    for call in [
        "(drop (call $next (i32.const 77)))",
        "(call $drop_cursor (i32.const -1))",
        "(drop (call $release (i32.const 1)))",
    ] {
        attack(Component::migrating(writes() + call))
            .fails()
            .saying("the component trapped: unknown handle index")
            .and_the_host_works_on();
    }
}

#[test]
fn a_cursor_is_no_savepoint() {
    for call in [
        "(drop (call $release (local.get $handle)))",
        "(call $drop_savepoint (local.get $handle))",
    ] {
        attack(Component::migrating(writes() + OPENS + call))
            .fails()
            .saying("the component trapped: handle index")
            .and_the_host_works_on();
    }
}

#[test]
fn a_checkpoint_closes_cursors() {
    let body = must("$checkpoint");
    attack(Component::migrating(
        OPENS.to_owned() + &body + &must("$next (local.get $handle)"),
    ))
    .place
    .run(&["migrate"])
    .ends_with(1)
    .and_says("the cursor is closed: a checkpoint, or a rollback to an earlier savepoint, ended it")
    .and_says("SELECT * FROM account");
}

#[test]
fn a_rollback_to_a_savepoint_closes_cursors() {
    let body = "(drop (call $savepoint)) (local.set $i (call $value))".to_owned()
        + OPENS
        + "(call $drop_savepoint (local.get $i))"
        + &must("$next (local.get $handle)");
    attack(Component::migrating(writes() + &body))
        .fails()
        .saying("the cursor is closed")
        .and_the_host_works_on();
}

#[test]
fn savepoints_end_in_the_order_they_were_opened_in() {
    let body = SAVES_TWICE.to_owned()
        + &must("$release (local.get $handle)")
        + &must("$release (local.get $i)");
    attack(Component::migrating(writes() + &body))
        .fails()
        .saying("the savepoint is gone")
        .and_the_host_works_on();
}

#[test]
fn a_savepoint_that_is_gone_undoes_nothing_more() {
    let body = SAVES_TWICE.to_owned()
        + &must("$release (local.get $handle)")
        + &sql("INSERT INTO audit VALUES ('kept')")
        + "(call $drop_savepoint (local.get $i))";
    let place = attack(Component::migrating(body)).succeeds().place;
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
}

#[test]
fn a_savepoint_that_is_left_open_keeps_what_was_done() {
    let body = must("$savepoint") + &sql("INSERT INTO audit VALUES ('kept')");
    let place = attack(Component::migrating(body)).succeeds().place;
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
}

#[test]
fn a_cursor_that_is_left_open_holds_up_nobody() {
    // More rows than the host takes at once.
    let opens = OPENS.replace(
        "account",
        "account AS a, account AS b, account AS c, account AS d",
    );
    let body = opens + &must("$next (local.get $handle)") + &sql("DROP TABLE account");
    attack(Component::migrating(writes() + &body))
        .fails()
        .saying(Place::in_sql_of(
            "database table is locked",
            "cannot DROP TABLE \"account\" because it is being used by active queries in this session",
        ))
        .and_the_host_works_on();
    let body = OPENS.to_owned() + &must("$next (local.get $handle)");
    attack(Component::migrating(writes() + &body))
        .succeeds()
        .saying("0001_hostile migrated");
}

#[test]
fn a_checkpoint_waits_for_savepoints() {
    let body = must("$savepoint") + &must("$checkpoint");
    attack(Component::migrating(writes() + &body))
        .fails()
        .saying("a checkpoint while a savepoint is open: release it first")
        .and_the_host_works_on();
}

#[test]
fn a_checkpoint_outside_migrate_commits_nothing() {
    for export in ["check", "count"] {
        let body = writes() + &must("$checkpoint");
        attack(Component::new().with(export, body))
            .gets_refused()
            .saying("a checkpoint in prepare: only `migrate` can be continued")
            .and_the_host_works_on();
    }
    for export in ["finalize", "reset"] {
        let body = sql("INSERT INTO audit VALUES ('half')") + &must("$checkpoint");
        attack(Component::new().with(export, body))
            .migrates_but_fails_to(export)
            .saying(&format!(
                "a checkpoint in {export}: only `migrate` can be continued"
            ));
    }
}

#[test]
fn a_cursor_of_a_checkpoint_has_a_length() {
    let body = "(call $report_checkpoint (i32.const 4096) (i32.const 65537) (i32.const 1024))
         (if (call $refused) (then (return (call $give_up))))";
    attack(Component::migrating(writes() + body).with_memory(128 << 10))
        .fails()
        .saying("a checkpoint's cursor has at most 65536 bytes, this one has 65537")
        .and_the_host_works_on();
}

#[test]
fn a_refused_checkpoint_is_none() {
    let body = sql("INSERT INTO audit VALUES ('half')")
        + &must("$savepoint")
        + &swallow("$checkpoint")
        + "unreachable";
    attack(Component::migrating(body))
        .fails()
        .saying("unreachable")
        .and_the_host_works_on();
}
