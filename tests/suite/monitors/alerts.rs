//! The documented alert rules, by Prometheus' own means: each fires when it should, and none over a healthy history.
//!
//! <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/>

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

const RULES: &str = include_str!("../../../docs/monitoring/alerts.yml");

/// A series and its values, a minute apart, in the notation of the tool.
type Series = (&'static str, &'static str);

/// What is the same whatever happens.
const ALWAYS: [Series; 4] = [
    ("wasmigrate_target_up", "1+0x3000"),
    ("wasmigrate_problems", "0+0x3000"),
    ("wasmigrate_bad_rows", "0+0x3000"),
    (
        r#"wasmigrate_notices_total{outcome="failed",webhook="chat"}"#,
        "0+0x3000",
    ),
];

const RUNNING: &str = r#"wasmigrate_state{state="migration_running"}"#;
const PAUSED: &str = "wasmigrate_paused";
const WAITING: &str = "wasmigrate_waiting";
const ROWS: &str = r#"wasmigrate_step_done{phase="migrate",step="0001_a",unit="rows"}"#;
const BYTES: &str = r#"wasmigrate_step_done{phase="migrate",step="0001_a",unit="bytes"}"#;
const SINCE: &str = r#"wasmigrate_step_running_seconds{phase="migrate",step="0001_a"}"#;
const LEASE: &str = "wasmigrate_lease_age_seconds";

/// Histories in which nobody has to do anything.
fn healthy() -> BTreeMap<&'static str, Vec<Series>> {
    BTreeMap::from([
        (
            "a fresh service, whose steps wait for somebody",
            vec![(
                r#"wasmigrate_state{state="migration_required"}"#,
                "1+0x3000",
            )],
        ),
        (
            "all is done, for two days",
            vec![
                (r#"wasmigrate_state{state="finalized"}"#, "1+0x3000"),
                ("wasmigrate_drifted", "0+0x3000"),
            ],
        ),
        (
            "a step goes through rows for ten hours",
            vec![
                (RUNNING, "1+0x600"),
                (ROWS, "0+1000x600"),
                (SINCE, "0+60x600"),
                (LEASE, "3+0x600"),
            ],
        ),
        (
            "rows come every ten minutes, a day long",
            vec![
                (RUNNING, "1+0x1440"),
                (
                    ROWS,
                    "0+0x9 1000+0x9 2000+0x9 3000+0x9 4000+0x9 5000+0x9 6000+0x9",
                ),
                (SINCE, "0+60x69"),
            ],
        ),
        (
            "a run is paused over the night",
            vec![
                (RUNNING, "1+0x660"),
                (PAUSED, "1+0x660"),
                (ROWS, "7+0x660"),
                (SINCE, "0+60x660"),
            ],
        ),
        (
            "a run waits for a replica",
            vec![
                (RUNNING, "1+0x300"),
                (WAITING, "1+0x300"),
                (ROWS, "7+0x300"),
                (SINCE, "0+60x300"),
            ],
        ),
        (
            "an index takes five hours",
            vec![
                (RUNNING, "1+0x300"),
                (BYTES, "120+0x300"),
                (SINCE, "0+60x300"),
                (LEASE, "2+0x300"),
            ],
        ),
        (
            "a step that counted its rows has just been followed by another",
            vec![
                (RUNNING, "1+0x60"),
                (ROWS, "0+1000x29 stale"),
                (SINCE, "0+60x29 stale"),
                (
                    r#"wasmigrate_step_done{phase="migrate",step="0002_b",unit="rows"}"#,
                    "_x29 0+10x30",
                ),
                (
                    r#"wasmigrate_step_running_seconds{phase="migrate",step="0002_b"}"#,
                    "_x29 0+60x30",
                ),
            ],
        ),
        (
            "the database is restarted",
            vec![(
                "wasmigrate_target_up{instance=\"restarted\"}",
                "1+0x30 0 1+0x60",
            )],
        ),
        (
            "it is migrated, and finalized after lunch",
            vec![
                (
                    r#"wasmigrate_state{state="finalization_required"}"#,
                    "1+0x180 0+0x600",
                ),
                (r#"wasmigrate_state{state="finalized"}"#, "0+0x180 1+0x600"),
            ],
        ),
        (
            "tenants are behind while a run comes to them, and one fails and is tried again",
            vec![
                (RUNNING, "1+0x60 0+0x60"),
                (r#"wasmigrate_tenants{state="behind"}"#, "500-5x60 200+0x60"),
                (r#"wasmigrate_tenants{state="failed"}"#, "1+0x60 0+0x60"),
            ],
        ),
        (
            "somebody asks for what there is not",
            vec![(
                r#"wasmigrate_http_requests_total{status="404"}"#,
                "0+100x300",
            )],
        ),
    ])
}

/// What each alert is there for: it fires in the last minute, and not in the first.
fn unhealthy() -> BTreeMap<&'static str, Vec<Series>> {
    BTreeMap::from([
        (
            "MigrationFailed",
            vec![(
                r#"wasmigrate_state{state="migration_failed"}"#,
                "0x10 1+0x10",
            )],
        ),
        (
            "MigrationTargetUnreadable",
            vec![("wasmigrate_target_up{instance=\"away\"}", "1+0x10 0+0x10")],
        ),
        (
            "MigrationCommandsRefused",
            vec![("wasmigrate_problems{instance=\"changed\"}", "0+0x10 2+0x20")],
        ),
        ("MigrationHostNotHeardOf", vec![(LEASE, "3+0x10 30+60x10")]),
        (
            "MigrationMakesNoProgress",
            vec![
                (RUNNING, "1+0x120"),
                (ROWS, "0+1000x40 40000+0x80"),
                (SINCE, "0+60x120"),
                (PAUSED, "0+0x120"),
                (WAITING, "0+0x120"),
            ],
        ),
        (
            "MigrationStepTakesLong",
            vec![
                (RUNNING, "1+0x500"),
                (BYTES, "7+0x500"),
                (SINCE, "0+60x500"),
            ],
        ),
        ("MigrationPausedForLong", vec![(PAUSED, "0+0x10 1+0x800")]),
        (
            "MigrationBadRows",
            vec![("wasmigrate_bad_rows{instance=\"rows\"}", "0+0x10 2+0x20")],
        ),
        (
            "MigrationTenantsFailed",
            vec![(r#"wasmigrate_tenants{state="failed"}"#, "0+0x10 3+0x20")],
        ),
        (
            "MigrationSchemaDrifted",
            vec![("wasmigrate_drifted", "0+0x10 1+0x20")],
        ),
        (
            "MigrationWaitsForFinalize",
            vec![(
                r#"wasmigrate_state{state="finalization_required"}"#,
                "0+0x10 1+0x1500",
            )],
        ),
        (
            "MigrationNoticesLost",
            vec![(
                r#"wasmigrate_notices_total{instance="lost",outcome="failed",webhook="chat"}"#,
                "0+0x10 1+1x10",
            )],
        ),
        (
            "MigrationServiceErrors",
            vec![(
                r#"wasmigrate_http_requests_total{status="503"}"#,
                "0+0x10 0+60x20",
            )],
        ),
    ])
}

/// The names of all alerts.
fn alerts() -> Vec<&'static str> {
    let names = RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.collect()
}

/// How many minutes a history has.
fn minutes(series: &[Series]) -> usize {
    let length = |(_, values): &Series| {
        let blocks = values.split(' ');
        let of_block = |block: &str| match block.rsplit_once('x') {
            Some((_, times)) => times.parse::<usize>().unwrap() + 1,
            None => 1,
        };
        blocks.map(of_block).sum::<usize>()
    };
    series.iter().map(length).max().unwrap()
}

fn test(name: &str, series: Vec<Series>, asked: Vec<Value>) -> Value {
    // Series of the history count, where both have one.
    let of_history: Vec<&str> = series.iter().map(|(name, _)| *name).collect();
    let always = ALWAYS.iter().filter(|(name, _)| !of_history.contains(name));
    let all = series.iter().chain(always).map(|(name, values)| {
        let name = match name.split_once('{') {
            Some((_, labels)) if labels.contains("instance=") => (*name).to_owned(),
            Some((metric, labels)) => format!("{metric}{{instance=\"shop\",{labels}"),
            None => format!("{name}{{instance=\"shop\"}}"),
        };
        json!({ "series": name, "values": values })
    });
    json!({
        "name": name,
        "interval": "1m",
        "input_series": all.collect::<Vec<_>>(),
        "alert_rule_test": asked,
    })
}

/// Whether an alert fires `at` so many minutes, by what Prometheus computes.
#[track_caller]
fn run(tests: &[Value]) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("alerts.yml"), RULES).unwrap();
    // JSON is YAML.
    let tests = json!({
        "rule_files": ["alerts.yml"],
        "evaluation_interval": "1m",
        "tests": tests,
    });
    let file = directory.path().join("tests.yml");
    std::fs::write(&file, tests.to_string()).unwrap();
    let said = Command::new("promtool")
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .expect("prometheus is installed by `cargo xtask test`");
    assert!(
        said.status.success(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
}

#[test]
fn no_alert_fires_over_a_healthy_history() {
    let tests = healthy().into_iter().map(|(name, series)| {
        let end = minutes(&series);
        // At every quarter of the history, and at its end.
        let times = (1..=4).map(|quarter| end * quarter / 4);
        let asked = times.flat_map(|at| {
            alerts().into_iter().map(move |alert| {
                json!({ "eval_time": format!("{at}m"), "alertname": alert, "exp_alerts": [] })
            })
        });
        test(name, series, asked.collect())
    });
    let tests: Vec<Value> = tests.collect();
    assert!(tests.len() >= 10);
    run(&tests);
}

/// The tool compares all labels and texts; that there is anything at all is seen by what it says of an alert that is expected not
/// to fire.
#[test]
fn each_alert_fires_when_it_should() {
    let unhealthy = unhealthy();
    assert_eq!(
        alerts()
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>(),
        unhealthy.keys().copied().collect()
    );
    for (alert, series) in unhealthy {
        let end = minutes(&series) - 1;
        let silent = |at: usize| json!({ "eval_time": format!("{at}m"), "alertname": alert, "exp_alerts": [] });
        run(&[test(alert, series.clone(), vec![silent(5)])]);
        let fires = std::panic::catch_unwind(|| {
            run(&[test(alert, series.clone(), vec![silent(end)])]);
        });
        assert!(fires.is_err(), "{alert} does not fire");
    }
}
