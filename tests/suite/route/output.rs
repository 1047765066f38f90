//! What `output` holds: what was not read yet, or all, as the dialect has it.

use serde_json::{Value, json};

use super::client::Request;
use super::service::Service;
use super::steps::{gate, obeyed, says, speaker, whispers};
use super::{AT_ONCE, AT_THE_END, CURRENT, DIALECTS, FULL_OUTPUT, PROGRESS, obedient};
use crate::hostile::component::Component;
use crate::place::Place;

/// A step that says two lines, one that waits, and one that says a last line.
fn talkative() -> Place {
    obeyed(Place::new())
        .with_component("0001_first.wasm", speaker(&["one", "two"]))
        .with_component("0002_gate.wasm", gate())
        .with_component("0003_last.wasm", speaker(&["three"]))
}

const BEFORE: &str = "one\ntwo\n";
const BEHIND: &str = "behind the gate\nthree\n";
const ALL: &str = "one\ntwo\nbehind the gate\nthree\n";
const FINALIZED: &str = "one finalized\nfinalized behind the gate\nthree finalized\n";

fn output(answer: &Value) -> &str {
    answer["output"].as_str().unwrap_or_default()
}

/// Starts a migration that waits in its middle. Returns the output that the command's answer held.
fn held(place: &Place, service: &Service, dialect: &str) -> String {
    place.close("migrate");
    let answer = service.ask(dialect, "migrate");
    service.until_written("two");
    output(&answer).to_owned()
}

fn release(place: &Place, service: &Service) {
    place.open("migrate");
    service.until_state("finalization_required");
}

#[test]
fn current_commands_hold_what_was_not_read_and_the_same_again_when_nothing_is_new() {
    let place = talkative();
    let service = Service::start(&place, AT_ONCE);
    let first = held(&place, &service, CURRENT);
    release(&place, &service);
    // There is nothing to migrate, so the buffer stays.
    let second = service.ask(CURRENT, "migrate");
    assert_eq!(first + output(&second), ALL);
    assert_eq!(service.ask(CURRENT, "migrate"), second);
    assert_eq!(service.ask(CURRENT, "migrate"), second);
}

#[test]
fn current_stats_have_a_cursor_of_their_own() {
    let place = talkative();
    let service = Service::start(&place, AT_ONCE);
    let first = held(&place, &service, CURRENT);
    assert_eq!(output(&service.stats(CURRENT)), BEFORE);
    service.ask(CURRENT, "progress");
    assert_eq!(output(&service.stats(CURRENT)), BEFORE);
    release(&place, &service);
    let second = service.ask(CURRENT, "migrate");
    assert_eq!(first + output(&second), ALL);
    assert_eq!(output(&service.stats(CURRENT)), BEHIND);
    assert_eq!(output(&service.stats(CURRENT)), BEHIND);
}

#[test]
fn current_progress_shows_each_line_once_and_none_that_the_command_showed() {
    let place = talkative();
    let service = Service::start(&place, AT_ONCE);
    let mut read = held(&place, &service, CURRENT);
    service.stats(CURRENT);
    read += output(&service.ask(CURRENT, "progress"));
    assert_eq!(read, BEFORE);
    let nothing = service.ask(CURRENT, "progress");
    assert_eq!(
        nothing,
        json!({ "success": true, "status": "migration_running" })
    );
    release(&place, &service);
    assert_eq!(output(&service.ask(CURRENT, "progress")), BEHIND);
    let nothing = service.ask(CURRENT, "progress");
    assert_eq!(
        nothing,
        json!({ "success": true, "status": "finalization_required" })
    );
}

#[test]
fn full_output_is_everything_in_every_answer() {
    let place = talkative();
    let service = Service::start(&place, AT_ONCE);
    held(&place, &service, FULL_OUTPUT);
    for _ in 0..2 {
        assert_eq!(output(&service.ask(FULL_OUTPUT, "progress")), BEFORE);
        assert_eq!(output(&service.stats(FULL_OUTPUT)), BEFORE);
    }
    release(&place, &service);
    for _ in 0..2 {
        assert_eq!(output(&service.ask(FULL_OUTPUT, "migrate")), ALL);
        assert_eq!(output(&service.ask(FULL_OUTPUT, "progress")), ALL);
        assert_eq!(output(&service.stats(FULL_OUTPUT)), ALL);
    }
}

#[test]
fn an_accepted_command_begins_a_new_buffer() {
    let place = talkative();
    let service = Service::start(&place, AT_THE_END);
    for dialect in DIALECTS {
        assert_eq!(output(&service.ask(dialect, "migrate")), ALL, "{dialect}");
        // Nothing is said while it is reset.
        let reset = service.ask(dialect, "reset");
        match dialect {
            PROGRESS => assert!(!output(&reset).contains("one"), "{reset}"),
            _ => assert_eq!(
                reset,
                json!({ "success": true, "status": "migration_required" })
            ),
        }
        assert_eq!(service.ask(CURRENT, "progress").get("output"), None);
        assert_eq!(service.stats(CURRENT).get("output"), None);
    }
    service.ask(CURRENT, "migrate");
    assert_eq!(output(&service.ask(CURRENT, "finalize")), FINALIZED);
    assert_eq!(output(&service.stats(CURRENT)), FINALIZED);
    assert_eq!(output(&service.ask(FULL_OUTPUT, "progress")), FINALIZED);
    assert_eq!(output(&service.ask(PROGRESS, "progress")), FINALIZED);
}

#[test]
fn output_is_left_out_when_there_is_none() {
    let place = obedient();
    let service = Service::start(&place, AT_THE_END);
    for dialect in DIALECTS {
        assert_eq!(service.ask(dialect, "progress").get("output"), None);
    }
    assert_eq!(service.stats(CURRENT).get("output"), None);
    for (dialect, command) in DIALECTS.into_iter().zip(["migrate", "migrate", "finalize"]) {
        let answer = service.ask(dialect, command);
        assert_eq!(answer.get("output"), None, "{answer}");
        assert_eq!(answer.get("exception"), None, "{answer}");
    }
}

#[test]
fn debug_lines_are_shown_to_who_asked_for_them() {
    let migrate = whispers("hush") + &says("aloud") + &whispers("again");
    for (verbose, expected) in [
        (json!(true), "hush\naloud\nagain\n"),
        (json!(false), "aloud\n"),
        (json!("true"), "aloud\n"),
        (json!(1), "aloud\n"),
        (json!(null), "aloud\n"),
    ] {
        for dialect in DIALECTS {
            let place = obeyed(Place::new())
                .with_component("0001_quiet.wasm", Component::migrating(migrate.clone()));
            let service = Service::start(&place, AT_THE_END);
            let path = format!("/internal/migrations/dialects/{dialect}/");
            let body = json!({ "cmd": "migrate", "verbose": verbose }).to_string();
            let answer = service.send(Request::post(&path, body)).succeeds();
            assert_eq!(output(&answer), expected, "{dialect} {verbose}");
        }
    }
}

/// A debug line that is not shown is nothing new.
#[test]
fn hidden_lines_do_not_make_the_shown_ones_read() {
    let whisperer = Component::migrating(whispers("hush"));
    let place = obeyed(Place::new())
        .with_component("0001_first.wasm", speaker(&["one", "two"]))
        .with_component("0002_gate.wasm", gate_before(&whispers("hush")))
        .with_component("0003_quiet.wasm", whisperer);
    let service = Service::start(&place, AT_ONCE);
    held(&place, &service, CURRENT);
    assert_eq!(output(&service.stats(CURRENT)), BEFORE);
    release(&place, &service);
    assert_eq!(output(&service.stats(CURRENT)), BEFORE);
}

/// A step that waits, and then does something.
fn gate_before(body: &str) -> Component {
    Component::migrating(super::steps::obeys("migrate") + body)
}

#[test]
fn what_a_check_says_stays_readable_to_the_end() {
    let check = says("checked");
    let place = talkative().with_component(
        "0001_first.wasm",
        speaker(&["one", "two"]).with("check", check),
    );
    let service = Service::start(&place, AT_THE_END);
    let answer = service.ask(FULL_OUTPUT, "migrate");
    assert_eq!(output(&answer), format!("checked\n{ALL}"));
}

#[test]
fn what_was_said_before_a_failure_stays_readable() {
    for dialect in [CURRENT, FULL_OUTPUT] {
        for (phase, expected) in [
            ("check", "checked\n"),
            ("migrate", "checked\none\n"),
            ("finalize", "checked\none\none finalized\n"),
        ] {
            let place = obeyed(Place::new())
                .with_component(
                    "0001_first.wasm",
                    speaker(&["one"]).with("check", says("checked")),
                )
                .with_component("0002_work.wasm", super::steps::work());
            place.break_down(phase);
            let service = Service::start(&place, AT_THE_END);
            let answer = service.ask(dialect, "finalize");
            assert_eq!(output(&answer), expected, "{phase}");
        }
    }
}

/// A finalize that is tried again says its lines again; what was read of the earlier try does not vanish.
#[test]
fn full_output_never_shrinks_while_a_finalize_is_tried_again() {
    let place = talkative();
    place.close("finalize");
    let service = Service::start(&place, AT_ONCE);
    service.ask(FULL_OUTPUT, "finalize");
    let mut read = String::new();
    while !read.ends_with(FINALIZED) {
        if read.matches("one finalized").count() == 3 {
            place.open("finalize");
        }
        let now = output(&service.ask(FULL_OUTPUT, "progress")).to_owned();
        assert!(now.starts_with(&read), "{read:?} became {now:?}");
        read = now;
    }
    service.until_state("finalized");
    assert_eq!(output(&service.ask(FULL_OUTPUT, "progress")), read);
}

#[test]
fn another_host_on_the_same_database_shows_the_same() {
    let place = talkative();
    let (one, other) = (
        Service::start(&place, AT_ONCE),
        Service::start(&place, AT_ONCE),
    );
    held(&place, &one, CURRENT);
    other.until_written("two");
    assert_eq!(output(&other.stats(CURRENT)), BEFORE);
    assert_eq!(output(&other.ask(PROGRESS, "progress")), BEFORE);
    other.command(CURRENT, "migrate").refuses(
        400,
        "Migration is running, only 'stats' command is allowed.",
    );
    release(&place, &one);
    assert_eq!(output(&other.ask(FULL_OUTPUT, "progress")), ALL);
    assert_eq!(output(&other.ask(CURRENT, "migrate")), ALL);
}
