//! `exception`: there exactly as long as the cause of a failure matters.

use serde_json::{Value, json};

use super::service::Service;
use super::steps::{TROUBLE, obeyed};
use super::{AT_THE_END, CURRENT, DIALECTS, FULL_OUTPUT, PROGRESS, obedient};
use crate::place::Place;

/// What each way of asking shows: `progress` of all dialects, and `stats` of those that have it there.
fn exceptions(service: &Service) -> Vec<Value> {
    let mut shown = DIALECTS
        .map(|dialect| service.ask(dialect, "progress")["exception"].take())
        .to_vec();
    shown.extend([CURRENT, FULL_OUTPUT].map(|dialect| service.stats(dialect)["exception"].take()));
    shown
}

#[track_caller]
fn show(service: &Service, exception: Option<&str>) {
    assert_eq!(exceptions(service), vec![json!(exception); 5]);
    let stats = service.ask(PROGRESS, "stats")["output"].to_string();
    assert_eq!(
        stats.contains("Failed on: "),
        exception.is_some(),
        "{stats}"
    );
    assert!(stats.contains(exception.unwrap_or_default()), "{stats}");
}

/// In each phase that can fail, and in which state this leaves the target.
const FAILURES: [(&str, &str); 3] = [
    ("check", "migration_required"),
    ("migrate", "migration_failed"),
    ("finalize", "finalization_failed"),
];

#[test]
fn a_failure_is_shown_until_it_is_reset() {
    for (phase, state) in FAILURES {
        let place = obedient();
        place.break_down(phase);
        let service = Service::start(&place, AT_THE_END);
        show(&service, None);
        let answer = service.ask(CURRENT, "finalize");
        let named = if phase == "check" { "prepare" } else { phase };
        let exception = format!("0001_work, {named}: {TROUBLE}");
        assert_eq!(
            answer,
            json!({ "success": true, "status": state, "exception": exception })
        );
        show(&service, Some(&exception));
        let reset = service.ask(CURRENT, "reset");
        assert_eq!(
            reset,
            json!({ "success": true, "status": "migration_required" })
        );
        show(&service, None);
        place.fix(phase);
        let answer = service.ask(CURRENT, "finalize");
        assert_eq!(answer, json!({ "success": true, "status": "finalized" }));
        show(&service, None);
    }
}

#[test]
fn a_command_that_a_check_turned_down_may_be_tried_again_and_success_clears_it() {
    for dialect in DIALECTS {
        let place = obedient();
        place.break_down("check");
        let service = Service::start(&place, AT_THE_END);
        let exception = format!("0001_work, prepare: {TROUBLE}");
        for _ in 0..2 {
            let answer = service.ask(dialect, "migrate");
            assert_eq!(answer["exception"], exception);
            assert_eq!(
                answer["status"],
                super::shown(dialect, "migration_required")
            );
        }
        show(&service, Some(&exception));
        place.fix("check");
        let answer = service.ask(dialect, "migrate");
        assert_eq!(answer.get("exception"), None, "{answer}");
        show(&service, None);
    }
}

#[test]
fn a_failure_survives_a_restart() {
    for (phase, state) in FAILURES {
        let place = obedient();
        place.break_down(phase);
        let service = Service::start(&place, AT_THE_END);
        let exception = service.ask(CURRENT, "finalize")["exception"].take();
        service.kill();
        let service = Service::start(&place, AT_THE_END);
        assert_eq!(service.state(), state);
        show(&service, exception.as_str());
        service.ask(CURRENT, "reset");
        let service = Service::start(&place, AT_THE_END);
        show(&service, None);
    }
}

#[test]
fn a_success_survives_a_restart_without_an_exception() {
    let place = obedient();
    Service::start(&place, AT_THE_END).ask(CURRENT, "finalize");
    let service = Service::start(&place, AT_THE_END);
    assert_eq!(service.state(), "finalized");
    show(&service, None);
}

#[test]
fn a_cancelled_run_is_no_failure() {
    let place = obedient();
    place.close("migrate");
    let service = Service::start(&place, super::AT_ONCE);
    service.ask(CURRENT, "migrate");
    service.until_state("migration_running");
    show(&service, None);
    service.cancel();
    service.until_state("migration_required");
    show(&service, None);
}

#[test]
fn a_reset_that_is_turned_down_says_why_until_the_next_success() {
    let place = Place::new().with_sql("0001_oneway.sql", "CREATE TABLE oneway (id INTEGER);");
    let service = Service::start(&place, AT_THE_END);
    service.ask(CURRENT, "migrate");
    let answer = service.ask(CURRENT, "reset");
    assert_eq!(answer["status"], "finalization_required");
    let exception = answer["exception"].as_str().unwrap();
    assert!(exception.starts_with("0001_oneway, reset: "), "{exception}");
    show(&service, Some(exception));
    let answer = service.ask(CURRENT, "finalize");
    assert_eq!(answer, json!({ "success": true, "status": "finalized" }));
    show(&service, None);
}

/// Where nothing is left to do, nobody could clear it: every command would be answered without being run.
#[test]
fn a_finalized_target_shows_no_exception() {
    let place = obedient();
    let service = Service::start(&place, AT_THE_END);
    service.ask(CURRENT, "finalize");
    place.break_down("check");
    let place = place.with_component("0002_more.wasm", super::steps::work());
    let answer = service.ask(CURRENT, "migrate");
    assert_eq!(
        answer["exception"],
        format!("0002_more, prepare: {TROUBLE}")
    );
    std::fs::remove_file(place.step("0002_more.wasm")).unwrap();
    assert_eq!(service.state(), "finalized");
    show(&service, None);
}

/// The database's own words reach the operator.
#[test]
fn the_cause_of_a_failure_is_not_swallowed() {
    let place = obeyed(Place::new()).with_sql(
        "0001_broken.sql",
        "CREATE TABLE first (id INTEGER);\nINSERT INTO nowhere VALUES (1);",
    );
    let service = Service::start(&place, AT_THE_END);
    let answer = service.ask(CURRENT, "migrate");
    let exception = answer["exception"].as_str().unwrap();
    let cause = Place::in_sql_of(
        "no such table: nowhere",
        "relation \"nowhere\" does not exist",
    );
    for part in ["0001_broken, migrate", cause] {
        assert!(exception.contains(part), "{exception}");
    }
    let message = service.command(CURRENT, "finalize").refusal();
    assert!(
        message.ends_with(&format!("Failed on: {exception}")),
        "{message}"
    );
}

#[test]
fn two_hosts_on_one_database_show_the_same() {
    let place = obedient();
    place.break_down("migrate");
    let hosts = [(); 2].map(|()| Service::start(&place, AT_THE_END));
    let exception = hosts[0].ask(CURRENT, "migrate")["exception"].take();
    for host in &hosts {
        show(host, exception.as_str());
    }
    hosts[1].ask(CURRENT, "reset");
    for host in &hosts {
        assert_eq!(host.state(), "migration_required");
        show(host, None);
    }
}
