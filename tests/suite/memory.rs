//! The host's memory does not grow with the rows.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::place::Place;

/// Ten million take PostgreSQL and a host that is not optimized more than two minutes, and as little memory.
const ROWS: i64 = 5_000_000;

/// The host with its compiler and a component; all rows at once would take several times as much.
const MOST_KIB: u64 = 150 << 10;

#[test]
fn five_million_rows_are_rewritten_in_bounded_memory() {
    let place = Place::new()
        .with_data(Place::in_sql_of(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;",
            "SELECT 1",
        ))
        .with_data(&format!(
            "CREATE {unlogged} TABLE source (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c DOUBLE PRECISION, d TEXT);
             CREATE {unlogged} TABLE target (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c DOUBLE PRECISION, d TEXT);
             INSERT INTO source
             WITH {numbers}
             SELECT n, n * 7 % 1000, ' name ' || n, n / 4.0, CASE WHEN n % 3 = 0 THEN NULL ELSE 'remark' END FROM number;",
            unlogged = Place::in_sql_of("", "UNLOGGED"),
            numbers = Place::in_sql_of(
                "RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT ROWS)",
                "number (n) AS (SELECT generate_series(1, ROWS))",
            )
            .replace("ROWS", &ROWS.to_string()),
        ))
        .with_guest("0001_rewrite.wasm", "rewrite");
    let began = Instant::now();
    let peak = peak_memory(&place, &["migrate"]);
    println!(
        "{ROWS} rows in {:?}, {peak} KiB at the peak",
        began.elapsed()
    );
    assert_eq!(
        place.one::<i64>(
            "SELECT count(*) FROM target JOIN source USING (id) WHERE target.a = source.a + 1"
        ),
        ROWS
    );
    assert_eq!(
        place.one::<String>("SELECT b FROM target WHERE id = 4999999"),
        "NAME 4999999"
    );
    assert!(peak < MOST_KIB, "{peak} KiB at the peak");
}

/// Runs a command to its end, which is a good one; returns the most memory that it ever had, in KiB.
pub fn peak_memory(place: &Place, arguments: &[&str]) -> u64 {
    let (status, peak) = watched(place, arguments);
    assert_eq!(
        status,
        Some(0),
        "{}",
        std::fs::read_to_string(place.path().join("output")).unwrap()
    );
    peak
}

/// Runs a command to its end; returns its exit status, and the most memory that it ever had, in KiB.
pub fn watched(place: &Place, arguments: &[&str]) -> (Option<i32>, u64) {
    let output = place.path().join("output");
    let mut process = place
        .command(arguments)
        .stdout(File::create(&output).unwrap())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", process.id());
    let mut peak = 0;
    let ended = loop {
        // Of a process that has ended there is no such line any more.
        let status = std::fs::read_to_string(&status).unwrap();
        if let Some(most) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            peak = most.trim().trim_end_matches(" kB").parse().unwrap();
        }
        if let Some(ended) = process.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    (ended.code(), peak)
}
