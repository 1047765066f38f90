//! What an operator knows of and lets pass, said to a service: what leads out of a state here leads out of it there.

use serde_json::json;

use super::process::Service;
use super::remote::Desk;
use crate::place::Place;
use crate::transform::replace::{failed_on_its_way, fix};

/// A step outside a transaction that was begun and failed, and whose file is mended.
fn mended() -> Place {
    let (broken, whole) = Place::in_sql_of(
        "PRAGMA auto_vacuum = FULL;|PRAGMA auto_vacuum = FULL; VACUUM;",
        "CREATE TABLE IF NOT EXISTS half (b INTEGER); SELECT missing;|CREATE TABLE IF NOT EXISTS half (b INTEGER);",
    )
    .split_once('|')
    .unwrap();
    let text = |sql: &str| format!("-- wasmigrate:no-transaction\n{sql}\n");
    let place = Place::new()
        .with_data("CREATE TABLE a (b INTEGER)")
        .with_sql("0001_a.sql", &text(broken));
    place.run(&["migrate"]).ends_with(1);
    place.write_step("0001_a.sql", text(whole).as_bytes());
    place
}

#[test]
fn a_step_that_was_begun_goes_on_from_a_mended_file() {
    let place = mended();
    let service = Service::start(&place);
    let desk = Desk::of(&service);
    for command in ["migrate", "finalize", "reset"] {
        desk.run(&[command])
            .ends_with(2)
            .and_says("`0001_a.sql` has changed since it was begun")
            .and_says("\"allow_changed\": true");
    }
    desk.run(&["finalize", "--allow-changed"])
        .ends_with(0)
        .and_says("done; the state is finalized");
    desk.run(&["verify"]).ends_with(0);
    service.terminate();

    let place = mended();
    let service = Service::start(&place);
    let order = json!({"command": "migrate", "allow_changed": true});
    let answer = service.post("/api/v1/runs", &order);
    assert_eq!(answer.status, 202, "{answer:?}");
    let run = answer.json()["run"].as_i64().unwrap();
    assert_eq!(service.outcome(run), "done");
    assert_eq!(service.state(), "finalization_required");
}

#[test]
fn steps_may_be_gone_there_as_here() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("0002_b.sql", "CREATE TABLE b (b INTEGER);");
    place.run(&["finalize"]).ends_with(0);
    std::fs::remove_file(place.step("0001_a.sql")).unwrap();
    place.write_step("0003_c.sql", b"CREATE TABLE c (b INTEGER);");
    let service = Service::start(&place);
    let desk = Desk::of(&service);
    desk.run(&["migrate"])
        .ends_with(2)
        .and_says("its file is gone");
    desk.run(&["migrate", "--allow-missing"]).ends_with(0);
    assert!(place.has_table("c"));
    // It is said of one command.
    desk.run(&["finalize"])
        .ends_with(2)
        .and_says("its file is gone");
    // Questions are answered by what the service itself is told.
    desk.run(&["verify", "--allow-missing"])
        .ends_with(2)
        .and_says("for `migrate`, `finalize` and `reset` alone");
}

#[test]
fn a_transformation_goes_on_or_starts_over_there_as_here() {
    for flag in ["--replace", "--restart"] {
        let place = failed_on_its_way();
        fix(&place);
        let service = Service::start(&place);
        let desk = Desk::of(&service);
        desk.run(&["migrate"])
            .ends_with(2)
            .and_says("has changed since it began to compute rows")
            .and_says("\"replacement\": \"restart\"");
        desk.run(&["migrate", flag]).ends_with(0);
        let all = place.one::<i64>("SELECT count(*) FROM word WHERE shout LIKE '%!'");
        assert_eq!(all == 2_000, flag == "--restart", "{all}");
        assert_eq!(place.one::<i64>("SELECT count(shout) FROM word"), 2_000);
    }
}
