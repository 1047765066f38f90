//! What takes a server: hosts that write to the journal while another one's run goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::balancer::Balancer;
use crate::dashboard::browser::Browser;
use crate::hosts::host::until;
use crate::place::Place;
use crate::service::client::Request;
use crate::service::process::Service;
use crate::service::remote::Desk;
use crate::service::{applied, gated, held_in, open_gate, outcomes};

/// Services that have the target and the secrets in common, and nothing else.
fn replicas<const COUNT: usize>(place: &Place) -> [Service; COUNT] {
    std::array::from_fn(|number| {
        Service::start_with(place, &["--cache", &format!("cache-{number}")])
    })
}

fn cancel(run: i64) -> String {
    format!("/api/v1/runs/{run}/cancel")
}

fn with_key(key: &str, body: &Value) -> Request {
    Request::post("/api/v1/runs", body).with("Idempotency-Key", key)
}

#[test]
fn a_session_holds_on_each_and_the_page_does_not_hammer() {
    let place = gated();
    let [one, other] = replicas(&place);
    let balancer = Balancer::before(&[&one, &other]);
    let browser = Browser::open_at(balancer.address());
    browser.sees("#link", "live");
    browser.sees("#stepper [aria-current]", "Migration required");
    let before = balancer.requests();
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(10));
    let requests = balancer.requests() - before;
    assert!(
        requests < 10,
        "{requests} requests in {:?}",
        began.elapsed()
    );
    browser.sees("#link", "live");
    browser.is_content();
}

#[test]
fn a_page_sees_and_cancels_the_run_of_another() {
    let place = held_in("migrate");
    let [one, other] = replicas(&place);
    let browser = Browser::open(&other);
    browser.sees("#stepper [aria-current]", "Migration required");
    let run = one.run("migrate");
    browser.sees("#stepper [aria-current]", "Migrating");
    browser.sees("#timeline .done", "0001_first");
    browser.sees("#lines", "first is done");
    browser.click("#cancel");
    browser.click("#confirm-yes");
    assert_eq!(one.outcome(run), "cancelled");
    browser.sees("#stepper [aria-current]", "Migration required");
    assert_eq!(applied(&place), ["first"]);
}

#[test]
fn each_takes_what_is_said_to_the_run_of_another_and_the_history_says_who_said_it() {
    let place = held_in("migrate");
    let [one, other] = replicas(&place);
    let run = one.run("migrate");
    one.until_output(run, "ready");
    for word in ["pause", "resume"] {
        let answer = other.post(&format!("/api/v1/{word}"), &Value::Null);
        assert_eq!((answer.status, answer.json()), (200, json!({ "run": run })));
    }
    let answer = other.post(&cancel(run), &Value::Null);
    assert_eq!((answer.status, answer.json()), (202, json!({ "run": run })));
    assert_eq!(one.outcome(run), "cancelled");
    other
        .post(&cancel(run), &Value::Null)
        .is_problem(409, "has ended: cancelled");
    let run = other.get(&format!("/api/v1/runs/{run}")).json();
    let said: Vec<&str> = run["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| order["command"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["pause", "resume", "cancel"]);
    for by in [&run["commanded_by"], &run["orders"][2]["commanded_by"]] {
        assert_eq!(by["name"], "token");
        assert_eq!(by["via"], "api");
        assert_eq!(by["from"], "127.0.0.1");
    }
}

#[test]
fn a_request_that_is_repeated_elsewhere_is_not_done_twice() {
    let place = gated();
    let [one, other] = replicas(&place);
    let migrate = json!({ "command": "migrate" });
    let first = with_key("only-once", &migrate).send(one.address());
    assert_eq!((first.status, first.json()), (202, json!({ "run": 1 })));
    let again = with_key("only-once", &migrate).send(other.address());
    assert_eq!((again.status, again.json()), (202, json!({ "run": 1 })));
    assert_eq!(one.outcome(1), "done");
    other.does("reset");
    // It would be done now, if the key was forgotten.
    one.kill();
    let anew = Service::start(&place);
    for service in [&other, &anew] {
        let again = with_key("only-once", &migrate).send(service.address());
        assert_eq!((again.status, again.json()), (202, json!({ "run": 1 })));
        with_key("only-once", &json!({ "command": "finalize" }))
            .send(service.address())
            .is_problem(422, "was used for `migrate`");
    }
    assert_eq!(outcomes(&place), ["done", "done"]);
}

#[test]
fn the_same_request_to_all_at_once_becomes_one_run() {
    let place = gated();
    let services: [Service; 3] = replicas(&place);
    let migrate = json!({ "command": "migrate" });
    std::thread::scope(|scope| {
        for service in services.iter().cycle().take(12) {
            let request = with_key("at-once", &migrate);
            scope.spawn(move || {
                let answer = request.send(service.address());
                assert_eq!((answer.status, answer.json()), (202, json!({ "run": 1 })));
            });
        }
    });
    assert_eq!(services[0].outcome(1), "done");
    assert_eq!(applied(&place), ["first"]);
}

#[test]
fn a_command_is_followed_through_whichever_answers() {
    let place = gated().with_sql(
        "0002_second.sql",
        "CREATE TABLE second (id INTEGER PRIMARY KEY);",
    );
    let [one, other] = replicas(&place);
    let balancer = Balancer::before(&[&one, &other]);
    let desk = Desk::before(balancer.address());
    // Whichever gets the command, the other one gets the next request.
    desk.run(&["migrate", "--steps", "1"])
        .ends_with(0)
        .and_says("first is done")
        .and_says("0001_first migrated");
    desk.run(&["migrate"])
        .ends_with(0)
        .and_says("0002_second migrated");
    desk.run(&["history"])
        .ends_with(0)
        .and_says("commanded by token by the API, from 127.0.0.1");
    desk.run(&["lease"])
        .ends_with(0)
        .and_says("nobody holds the lease");
    desk.run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
}

#[test]
fn when_one_is_killed_in_the_middle_the_others_go_on() {
    let place = held_in("migrate");
    let [one, other, third] = replicas(&place);
    let balancer = Balancer::before(&[&one, &other, &third]);
    let desk = Desk::before(balancer.address());
    let follower = desk.start(&["migrate"]);
    until("the run has come to its second step", || {
        other.output(1).iter().any(|line| line == "first is done")
    });
    let mut services = vec![one, other, third];
    let runs_it = services
        .iter()
        .position(|service| service.get("/api/v1/status").json()["running"].is_object());
    services.remove(runs_it.unwrap()).kill();
    open_gate(&place);
    // Its lease is not live any more: its process has ended.
    let said = follower.end();
    said.ends_with(1).and_says("has died or lost its lease");
    desk.run(&["migrate"])
        .ends_with(0)
        .and_says("0002_held migrated");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
    assert_eq!(outcomes(&place), ["interrupted", "done"]);
}

#[test]
fn a_lease_is_broken_through_the_service() {
    let place = held_in("migrate");
    let [one, other] = replicas(&place);
    let run = one.run("migrate");
    one.until_output(run, "ready");
    let desk = Desk::of(&other);
    desk.run(&["lease"]).ends_with(0).and_says("live");
    desk.run(&["lease", "break", "--reason", "it hangs"])
        .ends_with(0)
        .and_says("(run 1) is broken");
    assert_eq!(other.outcome(run), "interrupted");
    let run = other.get(&format!("/api/v1/runs/{run}")).json();
    let why = run["error"]["message"].as_str().unwrap();
    assert_eq!(
        why,
        "token by the API, from 127.0.0.1 broke its lease: it hangs"
    );
    assert_eq!(run["orders"][0]["command"], "lease break");
}
