//! More connections than the service bears.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hosts::host::until;
use crate::service::client::{self, Answer, Request};
use crate::service::process::Service;
use crate::service::{applied, held_in, open_gate};

/// Connections of one address that are served at once.
const SERVED: usize = 256;

/// Connections in all, where this process may open as many.
const CLIENTS: usize = 10_000;

/// How long all of them may take to be told; a test machine may have much else to do.
const SOON: Duration = Duration::from_secs(25);

/// How many connections this process may open, leaving enough for what else it does.
fn affordable() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    let soft = soft.parse().unwrap_or(usize::MAX);
    CLIENTS.min(soft.saturating_sub(1_000).max(SERVED + 100))
}

#[track_caller]
fn is_told(answer: &Answer) {
    answer.is_refusal(503, "too many connections");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn connections_beyond_the_limit_are_told_so_and_the_migration_goes_on() {
    let place = held_in("migrate");
    let mut service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");

    let health = Request::get("/healthz").bytes();
    let open = |_| client::connect(service.address()).unwrap();
    let idle: Vec<TcpStream> = (0..SERVED).map(open).collect();
    let late: Vec<TcpStream> = (0..100).map(open).collect();
    for connection in late {
        is_told(&client::read_answer(connection).unwrap().unwrap());
    }
    // Those in time are served, however many came after them.
    for mut connection in idle {
        connection.write_all(&health).unwrap();
        let answer = client::read_answer(connection).unwrap().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    let began = Instant::now();
    let flood: Vec<TcpStream> = (0..affordable())
        .map(|_| {
            let mut connection = client::connect(service.address()).unwrap();
            // It may have been told already.
            let _ = connection.write_all(&health);
            connection
        })
        .collect();
    for connection in flood {
        let answer = client::read_answer(connection).unwrap().unwrap();
        if answer.status != 200 {
            is_told(&answer);
        }
    }

    // Whoever finds no room in the system's queue waits for seconds.
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    until("there is room again", || {
        let answer = client::exchange(service.address(), &health).unwrap();
        answer.is_some_and(|answer| answer.status == 200)
    });
    assert_eq!(service.state(), "migration_running");
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    open_gate(&place);
    service.does("migrate");
    assert_eq!(applied(&place), ["first", "begun", "done"]);
    service.is_well();
}
