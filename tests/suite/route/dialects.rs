//! Which dialect answers where.

use serde_json::{Value, json};

use super::client::Request;
use super::service::Service;
use super::steps::speaker;
use super::{AT_THE_END, CURRENT, DIALECTS, FULL_OUTPUT, obedient};
use crate::place::Place;

/// What the configured dialect says of a finished run.
fn progress(service: &Service, path: &str) -> Value {
    service
        .send(Request::post(path, r#"{"cmd": "progress"}"#))
        .succeeds()
}

#[test]
fn the_configured_dialect_answers_where_none_is_named() {
    for dialect in DIALECTS {
        for options in [
            vec!["--development", "--dialect", dialect],
            vec!["--development"],
        ] {
            let is_default = options.len() == 1;
            let place = Place::new().with_component("0001_first.wasm", speaker(&["one"]));
            let service = Service::start_with(&place, AT_THE_END, &options);
            let dialect = if is_default { CURRENT } else { dialect };
            service
                .send(Request::post(
                    "/internal/migrations",
                    r#"{"cmd": "migrate"}"#,
                ))
                .succeeds();
            for path in ["/internal/migrations", "/internal/migrations/"] {
                assert_eq!(progress(&service, path), service.ask(dialect, "progress"));
            }
        }
    }
}

#[test]
fn each_dialect_shows_the_same_run_in_its_own_words() {
    let place = obedient();
    let service = Service::start(&place, AT_THE_END);
    service.ask(FULL_OUTPUT, "finalize");
    let shown = DIALECTS.map(|dialect| service.ask(dialect, "progress")["status"].take());
    assert_eq!(shown, [json!("finalized"), json!("finalized"), json!(2)]);
}

#[test]
fn the_configuration_and_its_variable_name_the_dialect_too() {
    let place = obedient().with_variable("WASMIGRATE_SERVE_DIALECT", "progress");
    let service = Service::start(&place, AT_THE_END);
    assert_eq!(
        progress(&service, "/internal/migrations"),
        json!({ "success": true, "status": 0 })
    );
}
