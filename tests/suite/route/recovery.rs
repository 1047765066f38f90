//! What the real servers get wrong under stress: a host that dies at work, and commands that come together.

use super::client::Request;
use super::service::Service;
use super::steps::{TROUBLE, endless_check};
use super::{AT_ONCE, AT_THE_END, CURRENT, DIALECTS, FULL_OUTPUT, PROGRESS, obedient};
use crate::place::Place;

/// A host that was killed in a state, and the one that was started then.
fn killed(place: &Place, state: &str, command: &str) -> Service {
    let service = Service::start(place, AT_ONCE);
    service.ask(CURRENT, command);
    service.until_state(state);
    service.kill();
    Service::start(place, AT_THE_END)
}

#[test]
fn a_host_killed_while_it_prepares_leaves_nothing_behind() {
    let place = obedient().with_component("0002_endless.wasm", endless_check());
    let service = killed(&place, "migration_preparing", "migrate");
    assert_eq!(service.state(), "migration_required");
    std::fs::remove_file(place.step("0002_endless.wasm")).unwrap();
    assert_eq!(service.ask(CURRENT, "finalize")["status"], "finalized");
}

#[test]
fn a_host_killed_while_it_migrates_is_not_stuck() {
    for dialect in DIALECTS {
        let place = obedient();
        place.close("migrate");
        let service = killed(&place, "migration_running", "migrate");
        assert_eq!(service.state(), "migration_required");
        let progress = service.ask(dialect, "progress");
        assert_eq!(
            progress["status"],
            super::shown(dialect, "migration_required")
        );
        assert_eq!(progress.get("exception"), None, "{progress}");
        place.open("migrate");
        service.ask(dialect, "migrate");
        assert_eq!(service.state(), "finalization_required");
    }
}

#[test]
fn a_host_killed_while_it_finalizes_is_not_stuck() {
    for dialect in DIALECTS {
        let place = obedient();
        place.close("finalize");
        let service = killed(&place, "finalization_running", "finalize");
        assert_eq!(service.state(), "finalization_required");
        assert_eq!(service.stats(CURRENT).get("exception"), None);
        place.open("finalize");
        service.ask(dialect, "finalize");
        assert_eq!(service.state(), "finalized");
    }
}

#[test]
fn output_and_exception_outlive_their_host() {
    let place = super::steps::obeyed(Place::new())
        .with_component("0001_first.wasm", super::steps::speaker(&["one", "two"]))
        .with_component("0002_work.wasm", super::steps::work());
    place.break_down("migrate");
    let service = Service::start(&place, AT_THE_END);
    let answer = service.ask(FULL_OUTPUT, "migrate");
    assert_eq!(answer["output"], "one\ntwo\n");
    service.kill();
    let service = Service::start(&place, AT_THE_END);
    for command in ["progress", "stats"] {
        let mut again = service.ask(FULL_OUTPUT, command);
        let again = if command == "stats" {
            again["stats"].take()
        } else {
            again
        };
        assert_eq!(again["output"], answer["output"]);
        assert_eq!(again["exception"], answer["exception"]);
    }
    service.ask(PROGRESS, "stats");
}

#[test]
fn what_the_command_line_did_is_shown_too() {
    let place = obedient();
    place.break_down("migrate");
    let service = Service::start(&place, AT_THE_END);
    place.run(&["migrate"]).ends_with(1);
    assert_eq!(service.state(), "migration_failed");
    for dialect in DIALECTS {
        let exception = service.ask(dialect, "progress")["exception"].take();
        assert_eq!(exception, format!("0001_work, migrate: {TROUBLE}"));
    }
    place.fix("migrate");
    place.run(&["finalize"]).ends_with(0);
    let progress = service.ask(CURRENT, "progress");
    assert_eq!(progress["status"], "finalized");
    assert_eq!(progress.get("exception"), None, "{progress}");
}

/// Sends a command so many times at once to some hosts, and demands that exactly one of them starts the work.
#[track_caller]
fn together(hosts: &[Service], count: usize, dialect: &str) {
    let answers: Vec<_> = std::thread::scope(|scope| {
        let senders: Vec<_> = hosts
            .iter()
            .cycle()
            .take(count)
            .map(|host| scope.spawn(|| host.send(Request::command(dialect, "migrate"))))
            .collect();
        senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .collect()
    });
    let (started, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(started.len(), 1, "{started:#?}");
    started[0].succeeds();
    let message = match dialect {
        PROGRESS => "Migration is running, only 'progress' command is allowed",
        _ => "Migration is running, only 'stats' command is allowed.",
    };
    for answer in refused {
        answer.refuses(400, message);
    }
}

#[test]
fn of_commands_that_come_together_one_starts() {
    for dialect in DIALECTS {
        let place = obedient();
        place.close("migrate");
        let host = [Service::start(&place, AT_ONCE)];
        together(&host, 50, dialect);
        assert_eq!(host[0].native("GET", "runs").as_array().unwrap().len(), 1);
        place.open("migrate");
        host[0].until_state("finalization_required");
    }
}

#[test]
fn of_commands_that_come_together_to_two_hosts_one_starts() {
    let place = obedient();
    place.close("migrate");
    let hosts = [(); 2].map(|()| Service::start(&place, AT_ONCE));
    together(&hosts, 50, CURRENT);
    assert_eq!(hosts[0].native("GET", "runs").as_array().unwrap().len(), 1);
    place.open("migrate");
    hosts[1].until_state("finalization_required");
}
