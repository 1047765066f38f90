//! What load balancers, orchestrators and monitoring see.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::client::Request;
use super::process::Service;
use super::{gated, note, open_gate, wait};
use crate::application::{Kind, kind};
use crate::hostile::component::Component;
use crate::hosts::host::until;
use crate::place::Place;

/// A second step that announces rows, is done with some, and waits.
fn counting(expected: u64, done: u64) -> Place {
    let place = gated();
    let count = format!(
        "(i32.store8 (i32.const 648) (i32.const 1)) (i64.store (i32.const 656) (i64.const {expected}))
         (return (i32.const 640))"
    );
    let progress = format!("(call $progress (i64.const {done}) (i32.const 0) (i64.const 0))");
    let body = note("begun") + &progress + super::READY + &wait();
    let step = Component::migrating(body).with("count", count);
    place.write_step("0002_counting.wasm", &step.build());
    place
}

/// A metric's lines: labels and value.
type Samples = BTreeMap<String, Vec<(BTreeMap<String, String>, f64)>>;

/// Reads the text format, in which every line must be right:
/// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
fn metrics(service: &Service) -> Samples {
    let answer = Request::get("/metrics")
        .without("Authorization")
        .send(service.address());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.media_type(), "application/openmetrics-text");
    let text = answer.body.strip_suffix("# EOF\n").expect("an end");
    let (mut samples, mut types) = (Samples::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').unwrap();
            let (name, rest) = rest.split_once(' ').unwrap();
            match kind {
                "HELP" => assert!(!rest.is_empty(), "{line}"),
                "TYPE" => {
                    let again = types.insert(name.to_owned(), rest.to_owned());
                    assert!(again.is_none(), "{line}: told twice");
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value
            .parse()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(value.is_finite(), "{line}");
        let (name, labels) = match name.split_once('{') {
            None => (name, BTreeMap::new()),
            Some((name, labels)) => (name, read_labels(labels.strip_suffix('}').unwrap())),
        };
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{line}"
        );
        let is_typed = types.iter().any(|(family, kind)| {
            let suffixes: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "gauge" => &[""],
                other => panic!("{family} is a {other}"),
            };
            suffixes
                .iter()
                .any(|suffix| format!("{family}{suffix}") == name)
        });
        assert!(is_typed, "{line} has no type");
        samples
            .entry(name.to_owned())
            .or_default()
            .push((labels, value));
    }
    samples
}

fn read_labels(labels: &str) -> BTreeMap<String, String> {
    let label = |label: &str| {
        let (name, value) = label.split_once("=\"").unwrap();
        (name.to_owned(), value.strip_suffix('"').unwrap().to_owned())
    };
    labels.split(',').map(label).collect()
}

/// The value of the line that has this label, or of the only line when there is no label.
#[track_caller]
fn value(samples: &Samples, name: &str, label: Option<(&str, &str)>) -> f64 {
    let lines = samples
        .get(name)
        .unwrap_or_else(|| panic!("{name} is not in {samples:#?}"));
    let has = |labels: &BTreeMap<String, String>| {
        label.is_none_or(|(name, value)| labels.get(name).is_some_and(|is| is == value))
    };
    let mut matching = lines.iter().filter(|(labels, _)| has(labels));
    let found = matching
        .next()
        .unwrap_or_else(|| panic!("{name} has no {label:?}"));
    assert!(matching.next().is_none(), "{name} has {label:?} twice");
    found.1
}

/// The one state whose line is 1.
fn state(samples: &Samples) -> &str {
    let set = samples["wasmigrate_state"]
        .iter()
        .filter(|(_, value)| *value == 1.0);
    let set: Vec<&str> = set.map(|(labels, _)| labels["state"].as_str()).collect();
    assert_eq!(set.len(), 1, "{set:?}");
    assert_eq!(samples["wasmigrate_state"].len(), 8);
    set[0]
}

#[track_caller]
fn ready(service: &Service) -> Value {
    let answer = Request::get("/readyz")
        .without("Authorization")
        .send(service.address());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn a_service_at_work_is_up_and_says_how_far_it_is() {
    let place = counting(200, 80);
    let service = Service::start(&place);
    assert_eq!(
        ready(&service),
        json!({ "status": "ready", "state": "migration_required", "percent": null })
    );
    let run = service.run("migrate");
    service.until_output(run, "ready");
    assert_eq!(
        ready(&service),
        json!({ "status": "migrating", "state": "migration_running", "percent": 40 })
    );
    let up = Request::get("/healthz").without("Authorization");
    assert_eq!(up.send(service.address()).json(), json!({ "status": "up" }));

    let samples = metrics(&service);
    assert_eq!(state(&samples), "migration_running");
    for (name, expected) in [
        ("wasmigrate_target_up", 1.0),
        ("wasmigrate_rows_expected", 200.0),
        ("wasmigrate_rows_done", 80.0),
        ("wasmigrate_lease_held", 1.0),
    ] {
        assert_eq!(value(&samples, name, None), expected, "{name}");
    }
    assert!(value(&samples, "wasmigrate_rows_per_second", None) > 0.0);
    assert!(value(&samples, "wasmigrate_lease_age_seconds", None) >= 0.0);
    let steps = |progress: &str| value(&samples, "wasmigrate_steps", Some(("progress", progress)));
    assert_eq!(
        (steps("migrated"), steps("pending"), steps("finalized")),
        (1.0, 1.0, 0.0)
    );
    let seconds = value(
        &samples,
        "wasmigrate_step_seconds",
        Some(("step", "0001_first")),
    );
    assert!((0.0..60.0).contains(&seconds), "{seconds}");

    // Another process on the same database says the same, but for what is not committed.
    let other = Service::start(&place);
    assert_eq!(ready(&other)["status"], "migrating");
    assert_eq!(state(&metrics(&other)), "migration_running");
}

#[test]
fn metrics_follow_the_steps_and_the_requests() {
    let place = counting(10, 10);
    open_gate(&place);
    let service = Service::start(&place);
    service.does("finalize");
    let samples = metrics(&service);
    assert_eq!(state(&samples), "finalized");
    assert_eq!(value(&samples, "wasmigrate_lease_held", None), 0.0);
    let finalized = Some(("progress", "finalized"));
    assert_eq!(value(&samples, "wasmigrate_steps", finalized), 2.0);
    for (labels, seconds) in &samples["wasmigrate_step_seconds"] {
        assert!(*seconds >= 0.0 && labels["outcome"] == "done", "{labels:?}");
    }
    assert_eq!(samples["wasmigrate_step_seconds"].len(), 4);

    let count = |status: &str| {
        let samples = metrics(&service);
        value(
            &samples,
            "wasmigrate_http_requests_total",
            Some(("status", status)),
        )
    };
    assert_eq!(service.get("/nowhere").status, 404);
    let before = count("404");
    assert_eq!(service.get("/nowhere").status, 404);
    assert_eq!(count("404"), before + 1.0);
    let samples = metrics(&service);
    let all: f64 = samples["wasmigrate_http_requests_total"]
        .iter()
        .map(|(_, count)| count)
        .sum();
    assert_eq!(
        value(&samples, "wasmigrate_http_request_seconds_count", None),
        all
    );
    let endless = Some(("le", "+Inf"));
    assert_eq!(
        value(&samples, "wasmigrate_http_request_seconds_bucket", endless),
        all
    );
}

/// All names that begin as those of our metrics do.
fn names(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut rest = text;
    while let Some(at) = rest.find("wasmigrate_") {
        rest = &rest[at..];
        let end = rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
            .unwrap_or(rest.len());
        names.insert(&rest[..end]);
        rest = &rest[end..];
    }
    names
}

/// What only a target with tenants has, or one that nobody is migrating: see the tests of these.
const ELSEWHERE: [&str; 2] = ["wasmigrate_tenants", "wasmigrate_drifted"];

/// What dashboard and alert rules ask for, an operator must not find out to be missing.
#[test]
fn every_metric_that_the_documentation_names_is_there() {
    let place = counting(200, 80);
    let webhook = "[[webhook]]\nname = \"nobody\"\nurl = \"http://127.0.0.1:1/\"\nevents = []\n";
    std::fs::write(place.path().join("wasmigrate.toml"), webhook).unwrap();
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    let samples = metrics(&service);
    let pages = [
        include_str!("../../../docs/monitoring/grafana.json"),
        include_str!("../../../docs/monitoring/alerts.yml"),
        include_str!("../../../docs/monitoring.md"),
    ];
    for page in pages {
        let names = names(page);
        assert!(!names.is_empty());
        for name in names {
            let is_elsewhere =
                ELSEWHERE.contains(&name) || name.starts_with("wasmigrate_transform");
            assert!(
                is_elsewhere || samples.contains_key(name),
                "{name} is not in {samples:#?}"
            );
        }
    }
    let listed = names(include_str!("../../../docs/metrics.md"));
    for name in samples
        .keys()
        .filter(|name| name.starts_with("wasmigrate_"))
    {
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix));
        assert!(
            listed.contains(family.unwrap_or(name)),
            "{name} is not listed"
        );
    }
    let dashboard: Value = serde_json::from_str(pages[0]).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let asked = target["expr"].as_str().unwrap();
            assert!(asked.contains("wasmigrate_"), "{panel}");
        }
    }
}

#[test]
fn a_pause_and_what_holds_up_commands_are_measured() {
    let place = counting(200, 80);
    let service = Service::start(&place);
    let one = |name: &str| value(&metrics(&service), name, None);
    assert_eq!(one("wasmigrate_paused"), 0.0);
    assert_eq!(one("wasmigrate_bad_rows"), 0.0);
    assert_eq!(one("wasmigrate_problems"), 0.0);
    let version = metrics(&service)["wasmigrate_build_info"][0].0["version"].clone();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let run = service.run("migrate");
    service.until_output(run, "ready");
    let samples = metrics(&service);
    let labels = &samples["wasmigrate_step_done"][0].0;
    assert_eq!(labels["step"], "0002_counting");
    assert_eq!(labels["unit"], "rows");
    assert!(value(&samples, "wasmigrate_step_running_seconds", None) > 0.0);
    assert!(value(&samples, "wasmigrate_run_seconds", None) > 0.0);
    if kind() == Kind::Postgres {
        service.post("/api/v1/pause", &Value::Null);
        assert_eq!(one("wasmigrate_paused"), 1.0);
        service.post("/api/v1/resume", &Value::Null);
    }
    assert_eq!(one("wasmigrate_paused"), 0.0);
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    open_gate(&place);
    service.does("migrate");
    until("it was looked for drift", || {
        metrics(&service).contains_key("wasmigrate_drifted")
    });
    assert_eq!(one("wasmigrate_drifted"), 0.0);
    // A file that was changed is a reason to refuse every command.
    let step = place.path().join("migrations/0001_first.wasm");
    std::fs::write(step, Component::migrating("".to_owned()).build()).unwrap();
    assert_eq!(one("wasmigrate_problems"), 1.0);
    assert_eq!(
        ready(&service)["refuses"],
        "every command: the files do not fit the journal"
    );
}

#[test]
fn drift_is_measured() {
    let place = gated();
    place.run(&["migrate"]).ends_with(0);
    place
        .connect()
        .run("CREATE TABLE strange (id INTEGER PRIMARY KEY)");
    let service = Service::start(&place);
    until("it was looked for drift", || {
        metrics(&service).contains_key("wasmigrate_drifted")
    });
    assert_eq!(value(&metrics(&service), "wasmigrate_drifted", None), 1.0);
}

#[test]
fn absurd_figures_of_a_step_break_nothing() {
    let place = counting(u64::MAX, u64::MAX);
    let more = Component::migrating(format!(
        "(call $progress (i64.const {0}) (i32.const 1) (i64.const {0})) (call $output (i32.const 1) {{{{more}}}}) {1}",
        u64::MAX,
        wait()
    ));
    place.write_step("0003_more.wasm", &more.build());
    let mut service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    assert_eq!(ready(&service)["status"], "migrating");
    assert!(
        ready(&service)["percent"]
            .as_u64()
            .is_none_or(|percent| percent <= 100)
    );
    assert_eq!(state(&metrics(&service)), "migration_running");
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    open_gate(&place);
    service.does("migrate");
    service.is_well();
}

/// A place whose database is none, or cannot be reached.
fn unreadable() -> Place {
    let place = Place::new();
    match kind() {
        Kind::Sqlite => {
            let text = "no database at all, but long enough to be one".repeat(100);
            std::fs::write(place.database(), text).unwrap();
            place
        }
        // Nobody listens on port 1.
        Kind::Postgres => {
            place.with_variable("WASMIGRATE_DATABASE", "postgres://app@127.0.0.1:1/none")
        }
    }
}

#[test]
fn a_target_that_cannot_be_read_is_not_ready() {
    let place = unreadable();
    let service = Service::start(&place);
    let answer = service.get("/readyz");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["status"], "the target cannot be read");
    for secret in ["wasmigrate.db", "127.0.0.1"] {
        assert!(!answer.body.contains(secret), "{answer:?}");
    }
    assert_eq!(service.get("/healthz").status, 200);
    let samples = metrics(&service);
    assert_eq!(value(&samples, "wasmigrate_target_up", None), 0.0);
    service.get("/api/v1/status").is_problem(503, "");
}
