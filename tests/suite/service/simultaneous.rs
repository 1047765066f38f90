//! Many clients want the same at once.

use std::sync::Barrier;

use super::client::Answer;
use super::process::Service;
use super::{applied, gated, held_in, open_gate, outcomes};
use crate::place::Place;

const CLIENTS: usize = 50;

/// Sends `migrate` from so many clients at once, spread over the services.
fn migrate_together(services: &[Service]) -> Vec<Answer> {
    let start = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let service = &services[client % services.len()];
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    service.command("migrate")
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    })
}

/// Exactly one of the clients starts a run, all others are told so.
fn one_run_starts(place: &Place, services: &[Service]) {
    let answers = migrate_together(services);
    let (started, refused): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(started.len(), 1, "{started:#?}\n{refused:#?}");
    assert_eq!(started[0].json()["success"], true, "{started:?}");
    for answer in &refused {
        answer.is_refusal(
            400,
            "Migration is running, only 'stats' command is allowed.",
        );
    }
    assert_eq!(outcomes(place), ["running"]);
    assert_eq!(applied(place), ["first"]);
}

#[test]
fn one_of_fifty_clients_starts_the_run() {
    let place = held_in("migrate");
    let mut service = Service::start(&place);
    one_run_starts(&place, std::slice::from_ref(&service));
    service.is_well();
    service.kill();
    open_gate(&place);
    Service::start(&place).does("migrate");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
}

#[test]
fn one_of_fifty_clients_of_two_services_starts_the_run() {
    let place = held_in("migrate");
    let services = [Service::start(&place), Service::start(&place)];
    one_run_starts(&place, &services);
    // Both say the same.
    for service in &services {
        assert_eq!(service.state(), "migration_running");
    }
    drop(services);
    open_gate(&place);
    Service::start(&place).does("migrate");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
}

#[test]
fn quick_work_is_done_once_whoever_asks_for_it() {
    let place = gated();
    let services = [Service::start(&place), Service::start(&place)];
    for answer in migrate_together(&services) {
        if answer.status != 200 {
            answer.is_refusal(
                400,
                "Migration is running, only 'stats' command is allowed.",
            );
        }
    }
    assert_eq!(services[0].outcome(1), "done");
    assert_eq!(outcomes(&place), ["done"]);
    assert_eq!(applied(&place), ["first"]);
}
