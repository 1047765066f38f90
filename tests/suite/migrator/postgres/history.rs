//! `GET /v1/migrations/applied` with a long history.

use std::io::Read as _;
use std::time::{Duration, Instant};

use super::{Fleet, add, apply, get, request};
use crate::hosts::host::until;
use crate::service::client;

/// Rows of scripts, each with contents of some length.
const ROWS: usize = 100_000;

/// What a history in memory would take many times over.
const MOST_KIB: u64 = 40 << 10;

/// A fleet with a history of many runs of a script.
fn long() -> Fleet {
    let fleet = Fleet::new();
    fleet.write(
        "ref-scripts/1.sql",
        format!("select 1; -- {}\n", "x".repeat(1_000)),
    );
    let service = fleet.serve();
    apply(&service);
    drop(service);
    fleet.place.connect().run(&format!(
        "INSERT INTO wasmigrate_applied
             (id, source, tenant, once, run, state, started_at, seed, migrated_at, finalized_at)
         SELECT id + number, source, tenant, once + number, run, state, started_at, seed, migrated_at, finalized_at
         FROM wasmigrate_applied, generate_series(1, {}) AS number",
        ROWS - 1
    ));
    fleet
}

/// The most memory that a process ever had, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[test]
fn a_long_history_takes_little_memory() {
    let fleet = long();
    let service = fleet.serve();
    assert_eq!(get(&service, "/v1/tenants").status, 200);
    let before = peak(service.process_id());
    let mut connection = client::connect(service.address()).unwrap();
    let request = request("GET", "/v1/migrations/applied", "");
    std::io::Write::write_all(&mut connection, &request.bytes()).unwrap();
    let (mut rows, mut bytes, mut buffer) = (0, 0, vec![0; 1 << 20]);
    let mut tail = Vec::new();
    loop {
        let length = connection.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        bytes += length;
        tail.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&tail);
        rows += text.matches("\"appliedAt\":").count();
        tail = tail.split_off(tail.len().saturating_sub(12));
    }
    assert_eq!(rows, ROWS);
    assert!(bytes > ROWS * 1_000, "{bytes}");
    let grown = peak(service.process_id()) - before;
    println!("{bytes} bytes, {grown} KiB more");
    assert!(grown < MOST_KIB, "{grown} KiB more");
    assert!(
        String::from_utf8_lossy(&tail).ends_with("0\r\n\r\n"),
        "{tail:?}"
    );
}

#[test]
fn a_client_that_goes_away_ends_the_query_and_slow_ones_hold_up_nobody() {
    let fleet = long();
    let service = fleet.serve();
    add(&service, "one");
    let request = request("GET", "/v1/migrations/applied", "");
    let slow: Vec<_> = (0..12)
        .map(|_| {
            let mut connection = client::connect(service.address()).unwrap();
            std::io::Write::write_all(&mut connection, &request.bytes()).unwrap();
            connection
        })
        .collect();
    let queries = "pg_stat_activity WHERE usename = 'app' AND datname = current_database()
                   AND application_name = 'wasmigrate' AND state <> 'idle'";
    until("some are at work", || fleet.count(queries) > 0);
    let began = Instant::now();
    for path in ["/v1/tenants", "/v1/migrations/source"] {
        assert_eq!(get(&service, path).status, 200);
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let most = fleet.count(queries);
    assert!(most <= 4, "{most} queries");
    drop(slow);
    until("all are gone", || fleet.count(queries) == 0);
    assert_eq!(get(&service, "/v1/tenants").status, 200);
}
