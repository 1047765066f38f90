//! What each command does in each state, in each dialect.

use serde_json::{Value, json};

use super::client::Answer;
use super::service::Service;
use super::steps::{TROUBLE, endless_check};
use super::{AT_ONCE, AT_THE_END, CURRENT, DIALECTS, PROGRESS, obedient, shown};
use crate::place::Place;

const COMMANDS: [&str; 3] = ["migrate", "finalize", "reset"];

/// What the database holds of the step's work.
fn work(place: &Place) -> Vec<String> {
    tables(place, &["work", "done"])
}

/// Those of these tables that the database has.
fn tables(place: &Place, names: &[&str]) -> Vec<String> {
    let all = Place::in_sql_of(
        "SELECT name FROM sqlite_master WHERE type = 'table'",
        "SELECT tablename FROM pg_tables",
    );
    let mut found = place.texts(all);
    found.retain(|table| names.contains(&table.as_str()));
    found
}

/// Demands that a command is answered with a state, in the dialect's words.
#[track_caller]
fn shows(dialect: &str, command: &str, answer: &Answer, state: &str) {
    let body = answer.succeeds();
    assert_eq!(body.get("exception"), None, "{dialect} {command}: {body}");
    match (dialect, command) {
        (PROGRESS, "reset") => {
            assert!(body["output"].is_string(), "{body}");
            assert_eq!(body.get("status"), None, "{body}");
        }
        _ => assert_eq!(body["status"], shown(dialect, state), "{dialect} {command}"),
    }
}

/// Commands that tell where things stand are answered in every state.
#[track_caller]
fn tells(service: &Service, state: &str) {
    assert_eq!(service.state(), state);
    for dialect in DIALECTS {
        let progress = service.ask(dialect, "progress");
        assert_eq!(progress["status"], shown(dialect, state), "{dialect}");
        let stats = service.ask(dialect, "stats");
        match dialect {
            PROGRESS => {
                let line = format!("- State: {state}\n");
                let output = stats["output"].as_str().unwrap();
                assert!(output.contains(&line), "{output}");
                assert_eq!(stats.get("status"), None);
            }
            _ => assert_eq!(stats["stats"]["status"], shown(dialect, state), "{dialect}"),
        }
    }
}

/// Every command is refused, in every dialect, and changes nothing.
#[track_caller]
fn refuses_all(service: &Service, state: &str) {
    let activity = match state {
        "finalization_running" => "Finalization",
        _ => "Migration",
    };
    for dialect in DIALECTS {
        for command in COMMANDS {
            let message = match dialect {
                PROGRESS => "Migration is running, only 'progress' command is allowed".to_owned(),
                _ => format!("{activity} is running, only 'stats' command is allowed."),
            };
            service.command(dialect, command).refuses(400, &message);
        }
    }
    let clear = service.command(PROGRESS, "clear-collectionfield-tables");
    clear.refuses(
        400,
        "Migration is running, only 'progress' command is allowed",
    );
    assert_eq!(service.state(), state);
}

fn failed_on(command: &str, phase: &str) -> String {
    format!(
        "Migration in a failed state. Reset before trying to {command} again. Failed on: 0001_work, {phase}: {TROUBLE}"
    )
}

/// A place whose step fails in this phase, in the state that this leads to.
fn failed(phase: &str) -> (Place, Service) {
    let place = obedient();
    place.break_down(phase);
    let service = Service::start(&place, AT_THE_END);
    let answer = service.ask(CURRENT, "finalize");
    assert_eq!(
        answer["exception"],
        format!("0001_work, {phase}: {TROUBLE}")
    );
    (place, service)
}

#[test]
fn migration_required() {
    for dialect in DIALECTS {
        let place = obedient();
        let service = Service::start(&place, AT_THE_END);
        let reset = service.command(dialect, "reset");
        match dialect {
            PROGRESS => shows(dialect, "reset", &reset, ""),
            _ => assert_eq!(reset.succeeds()["status"], "migration_required"),
        }
        assert_eq!(service.native("GET", "runs"), json!([]));
        let migrate = service.command(dialect, "migrate");
        shows(dialect, "migrate", &migrate, "finalization_required");
        assert_eq!(work(&place), ["work"]);
        tells(&service, "finalization_required");
        let reset = service.command(dialect, "reset");
        shows(dialect, "reset", &reset, "migration_required");
        assert!(work(&place).is_empty());
        tells(&service, "migration_required");
        let finalize = service.command(dialect, "finalize");
        shows(dialect, "finalize", &finalize, "finalized");
        assert_eq!(work(&place), ["done"]);
        tells(&service, "finalized");
    }
}

#[test]
fn migration_preparing() {
    let place = obedient().with_component("0002_endless.wasm", endless_check());
    let service = Service::start(&place, AT_ONCE);
    for dialect in DIALECTS {
        let answer = service.ask(dialect, "migrate");
        assert_eq!(answer["status"], shown(dialect, "migration_preparing"));
        service.until_written("checking");
        refuses_all(&service, "migration_preparing");
        tells(&service, "migration_preparing");
        assert!(work(&place).is_empty());
        service.cancel();
        service.until_state("migration_required");
        tells(&service, "migration_required");
    }
}

#[test]
fn migration_running() {
    let place = obedient();
    place.close("migrate");
    let service = Service::start(&place, AT_ONCE);
    for (dialect, command) in DIALECTS.into_iter().zip(["migrate", "finalize", "migrate"]) {
        let status = service.ask(dialect, command)["status"].take();
        let preparing = shown(dialect, "migration_preparing");
        assert!(
            [preparing, shown(dialect, "migration_running")].contains(&status),
            "{status}"
        );
        service.until_state("migration_running");
        refuses_all(&service, "migration_running");
        tells(&service, "migration_running");
        service.cancel();
        service.until_state("migration_required");
    }
    service.ask(CURRENT, "migrate");
    service.until_state("migration_running");
    place.open("migrate");
    service.until_state("finalization_required");
}

#[test]
fn migration_failed() {
    for dialect in DIALECTS {
        let (place, service) = failed("migrate");
        tells(&service, "migration_failed");
        for command in ["migrate", "finalize"] {
            let answer = service.command(dialect, command);
            answer.refuses(400, &failed_on(command, "migrate"));
        }
        place.fix("migrate");
        // Mended or not: first comes the reset.
        let migrate = service.command(dialect, "migrate");
        migrate.refuses(400, &failed_on("migrate", "migrate"));
        let reset = service.command(dialect, "reset");
        shows(dialect, "reset", &reset, "migration_required");
        tells(&service, "migration_required");
        let migrate = service.command(dialect, "migrate");
        shows(dialect, "migrate", &migrate, "finalization_required");
    }
}

#[test]
fn finalization_required() {
    for dialect in DIALECTS {
        let place = obedient();
        let service = Service::start(&place, AT_THE_END);
        service.ask(dialect, "migrate");
        let runs = service.native("GET", "runs");
        let migrate = service.command(dialect, "migrate");
        shows(dialect, "migrate", &migrate, "finalization_required");
        assert_eq!(service.native("GET", "runs"), runs);
        let finalize = service.command(dialect, "finalize");
        shows(dialect, "finalize", &finalize, "finalized");
        assert_eq!(work(&place), ["done"]);
    }
}

#[test]
fn finalization_running() {
    let place = obedient();
    place.close("finalize");
    let service = Service::start(&place, AT_ONCE);
    service.ask(CURRENT, "migrate");
    service.until_state("finalization_required");
    for dialect in DIALECTS {
        service.ask(dialect, "finalize");
        service.until_state("finalization_running");
        refuses_all(&service, "finalization_running");
        tells(&service, "finalization_running");
        service.cancel();
        service.until_state("finalization_required");
    }
    service.ask(CURRENT, "progress");
    service.ask(CURRENT, "finalize");
    service.until_state("finalization_running");
    place.open("finalize");
    service.until_state("finalized");
}

#[test]
fn finalization_failed() {
    for dialect in DIALECTS {
        let (place, service) = failed("finalize");
        tells(&service, "finalization_failed");
        for command in ["migrate", "finalize"] {
            let answer = service.command(dialect, command);
            answer.refuses(400, &failed_on(command, "finalize"));
        }
        // Nothing of the finalize took effect, and the reset undoes what was migrated.
        assert_eq!(work(&place), ["work"]);
        let reset = service.command(dialect, "reset");
        shows(dialect, "reset", &reset, "migration_required");
        assert!(work(&place).is_empty());
        tells(&service, "migration_required");
        place.fix("finalize");
        let finalize = service.command(dialect, "finalize");
        shows(dialect, "finalize", &finalize, "finalized");
    }
}

#[test]
fn finalized() {
    let place = obedient();
    let service = Service::start(&place, AT_THE_END);
    service.ask(CURRENT, "finalize");
    let runs = service.native("GET", "runs");
    for dialect in DIALECTS {
        for command in COMMANDS {
            let answer = service.command(dialect, command);
            shows(dialect, command, &answer, "finalized");
        }
    }
    assert_eq!(service.native("GET", "runs"), runs);
    assert_eq!(work(&place), ["done"]);
    tells(&service, "finalized");
}

#[test]
fn finalize_never_shows_the_state_between_its_halves() {
    let place = obedient();
    place.close("migrate");
    place.close("finalize");
    let service = Service::start(&place, AT_ONCE);
    let mut seen: Vec<Value> = vec![service.ask(CURRENT, "finalize")["status"].take()];
    let mut look = |until: &str| {
        while seen.last().unwrap() != until {
            let status = service.stats(CURRENT)["status"].take();
            if seen.last() != Some(&status) {
                seen.push(status);
            }
        }
    };
    look("migration_running");
    place.open("migrate");
    look("finalization_running");
    place.open("finalize");
    look("finalized");
    seen.retain(|status| status != "migration_preparing");
    assert_eq!(
        seen,
        ["migration_running", "finalization_running", "finalized"]
    );
}

#[test]
fn a_database_ahead_of_the_files_is_only_looked_at() {
    let place = obedient().with_sql("0007_ahead.sql", "CREATE TABLE ahead (id INTEGER);");
    let service = Service::start(&place, AT_THE_END);
    service.ask(CURRENT, "migrate");
    std::fs::remove_file(place.step("0007_ahead.sql")).unwrap();
    let message =
        "The database has a higher migration index (7) than the registered migrations (1)";
    for dialect in DIALECTS {
        for command in COMMANDS {
            service.command(dialect, command).refuses(400, message);
        }
        service.ask(dialect, "progress");
        service.ask(dialect, "stats");
    }
    assert_eq!(service.stats(CURRENT)["target_migration_index"], 1);
    assert_eq!(tables(&place, &["ahead"]), ["ahead"]);
}

#[test]
fn an_answer_waits_for_the_end_but_not_for_long() {
    let place = obedient();
    let wait = 300;
    let service = Service::start(&place, wait);
    place.close("migrate");
    let asked = std::time::Instant::now();
    let status = service.ask(CURRENT, "migrate")["status"].take();
    assert!(
        ["migration_preparing", "migration_running"].contains(&status.as_str().unwrap()),
        "{status}"
    );
    assert!(asked.elapsed().as_millis() >= u128::from(wait));
    place.open("migrate");
    service.until_state("finalization_required");
}
