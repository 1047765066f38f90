//! What only the oldest dialect has: numbers for states, output that must be fetched, commands that are done at once.

use serde_json::{Value, json};

use super::service::Service;
use super::steps::{TROUBLE, gate, obeyed, says, speaker};
use super::{AT_ONCE, AT_THE_END, CURRENT, PROGRESS, obedient};
use crate::hostile::component::Component;
use crate::place::Place;

const UNREAD: &str = "Last migration output not read yet. Please call 'progress' first.";

fn talkative() -> Place {
    obeyed(Place::new())
        .with_component("0001_first.wasm", speaker(&["one", "two"]))
        .with_component("0002_gate.wasm", gate())
}

fn progress(service: &Service) -> Value {
    service.ask(PROGRESS, "progress")
}

/// A migration that waits until it is released, and whose end nobody has heard of then.
fn finished_unseen(place: &Place) -> Service {
    place.close("migrate");
    let service = Service::start(place, AT_ONCE);
    assert_eq!(service.ask(PROGRESS, "migrate")["status"], 1);
    place.open("migrate");
    service.until_state("finalization_required");
    service
}

#[test]
fn numbers_tell_of_nothing_a_run_and_its_end() {
    let place = talkative();
    place.close("migrate");
    let service = Service::start(&place, AT_ONCE);
    assert_eq!(progress(&service), json!({ "success": true, "status": 0 }));
    assert_eq!(service.ask(PROGRESS, "migrate")["status"], 1);
    service.until_written("two");
    let running = json!({ "success": true, "status": 1, "output": "one\ntwo\n" });
    assert_eq!(progress(&service), running);
    assert_eq!(progress(&service), running);
    place.open("migrate");
    service.until_state("finalization_required");
    let finished = json!({ "success": true, "status": 2, "output": "one\ntwo\nbehind the gate\n" });
    assert_eq!(progress(&service), finished);
    assert_eq!(progress(&service), finished);
}

#[test]
fn nothing_else_is_answered_until_the_output_was_fetched() {
    let place = talkative();
    let service = finished_unseen(&place);
    for command in [
        "migrate",
        "finalize",
        "reset",
        "stats",
        "clear-collectionfield-tables",
    ] {
        service.command(PROGRESS, command).refuses(400, UNREAD);
    }
    assert_eq!(service.state(), "finalization_required");
    // The other dialects know of no such rule.
    assert_eq!(
        service.ask(CURRENT, "migrate")["status"],
        "finalization_required"
    );
    service.command(PROGRESS, "stats").refuses(400, UNREAD);
    assert_eq!(progress(&service)["status"], 2);
    service.ask(PROGRESS, "stats");
    service.ask(PROGRESS, "clear-collectionfield-tables");
    service.ask(PROGRESS, "finalize");
}

#[test]
fn what_the_answer_itself_showed_to_the_end_was_fetched() {
    let place = talkative();
    let service = Service::start(&place, AT_THE_END);
    let answer = service.ask(PROGRESS, "migrate");
    assert_eq!(
        answer,
        json!({ "success": true, "status": 2, "output": "one\ntwo\nbehind the gate\n" })
    );
    service.ask(PROGRESS, "stats");
    assert_eq!(service.ask(PROGRESS, "finalize")["status"], 2);
    service.ask(PROGRESS, "stats");
}

#[test]
fn progress_while_it_runs_does_not_count_as_fetched() {
    let place = talkative();
    place.close("migrate");
    let service = Service::start(&place, AT_ONCE);
    service.ask(PROGRESS, "migrate");
    assert_eq!(progress(&service)["status"], 1);
    place.open("migrate");
    service.until_state("finalization_required");
    service.command(PROGRESS, "finalize").refuses(400, UNREAD);
}

#[test]
fn a_failed_run_is_finished_and_names_its_cause() {
    let place = obedient();
    place.break_down("migrate");
    let service = Service::start(&place, AT_ONCE);
    service.ask(PROGRESS, "migrate");
    service.until_state("migration_failed");
    let expected = json!({
        "success": true,
        "status": 2,
        "exception": format!("0001_work, migrate: {TROUBLE}"),
    });
    assert_eq!(progress(&service), expected);
    assert_eq!(progress(&service), expected);
}

#[test]
fn reset_is_done_when_it_is_answered() {
    let place = obeyed(Place::new()).with_component(
        "0001_back.wasm",
        Component::new().with("reset", says("went back")),
    );
    let service = Service::start(&place, AT_ONCE);
    service.ask(PROGRESS, "migrate");
    service.until_state("finalization_required");
    progress(&service);
    let answer = service.ask(PROGRESS, "reset");
    assert_eq!(service.state(), "migration_required");
    assert_eq!(answer.get("status"), None, "{answer}");
    assert!(
        answer["output"]
            .as_str()
            .unwrap()
            .starts_with("went back\n"),
        "{answer}"
    );
    // Nothing is left to be fetched.
    service.ask(PROGRESS, "stats");
}

#[test]
fn reset_with_nothing_to_do_does_not_tell_of_an_earlier_run() {
    let place = talkative();
    let service = Service::start(&place, AT_THE_END);
    service.ask(PROGRESS, "finalize");
    let answer = service.ask(PROGRESS, "reset");
    assert!(
        !answer["output"].as_str().unwrap().contains("one"),
        "{answer}"
    );
    assert_eq!(service.state(), "finalized");
}

#[test]
fn reset_that_fails_says_why() {
    let place = obedient();
    place.break_down("reset");
    let service = Service::start(&place, AT_THE_END);
    service.ask(PROGRESS, "migrate");
    let answer = service.command(PROGRESS, "reset");
    answer.refuses(400, &format!("0001_work, reset: {TROUBLE}"));
    assert_eq!(service.state(), "finalization_required");
    place.fix("reset");
    service.ask(PROGRESS, "reset");
    assert_eq!(service.state(), "migration_required");
}

#[test]
fn stats_and_clear_are_words_without_a_status() {
    let place = obedient();
    let service = Service::start(&place, AT_THE_END);
    for command in ["stats", "clear-collectionfield-tables"] {
        let answer = service.ask(PROGRESS, command);
        let output = answer["output"].as_str().unwrap();
        assert!(output.ends_with('\n'), "{answer}");
        assert_eq!(answer, json!({ "success": true, "output": output }));
    }
}
