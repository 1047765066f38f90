//! What watches a migration from outside: clients of `/migrate/result`, and those who are told by the host.

mod alerts;
mod clients;
mod drift;
mod gate;
mod notices;
pub mod receiver;
mod result;
mod retries;
mod traces;
mod wait;

use serde_json::Value;

use crate::place::Place;
use crate::service::client::Request;
use crate::service::process::Service;

/// The names that the documented progress bar knows, in its order.
const NAMES: [&str; 5] = ["user", "channel", "message", "conversation", "cleanup"];

/// A place whose `/migrate/result` answers, with the five steps; a failing one is tried again after a moment.
fn monitored() -> Place {
    let place = Place::new()
        .with_variable("WASMIGRATE_MIGRATE_RESULT_ENABLED", "true")
        .with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "50");
    for (name, index) in NAMES.iter().zip(1..) {
        let step = format!("CREATE TABLE {name}s (id INTEGER PRIMARY KEY);");
        place.write_step(&format!("{index:04}_{name}.sql"), step.as_bytes());
    }
    place
}

/// What any client gets, whatever it asks for: four fields in their order.
#[track_caller]
fn result(service: &Service) -> Value {
    let answer = Request::get("/migrate/result").send(service.address());
    assert_eq!(answer.status, 200, "{answer:?}");
    four_fields(&answer.body)
}

/// Reads a body that has the four fields in their order, of the right types.
#[track_caller]
fn four_fields(body: &str) -> Value {
    let result: Value =
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let mut rest = body;
    for name in [
        "\"status\":",
        "\"step\":",
        "\"last_err\":",
        "\"try_count\":",
    ] {
        let found = rest.find(name);
        rest = &rest[found.unwrap_or_else(|| panic!("{name} is not where it belongs in {body}"))..];
    }
    assert_eq!(result.as_object().unwrap().len(), 4, "{body}");
    let states = ["running", "completed", "migrated", "failed"];
    assert!(
        states.contains(&result["status"].as_str().unwrap()),
        "{body}"
    );
    assert!(result["step"].is_string(), "{body}");
    assert!(
        result["last_err"].is_string() || result["last_err"].is_null(),
        "{body}"
    );
    assert!(result["try_count"].is_u64(), "{body}");
    result
}
