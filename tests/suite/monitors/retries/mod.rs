//! Another try by the host, of whatever failed, within the same run.

mod postgres;

use serde_json::Value;

use crate::hostile::component::Component;
use crate::hosts::host::until;
use crate::monitors::clients::{End, monitor};
use crate::monitors::{monitored, result};
use crate::place::Place;
use crate::service::outcomes;
use crate::service::process::Service;

fn tries(place: &Place, index: u32) -> Vec<String> {
    place.texts(&format!(
        "SELECT attempt || ' ' || outcome FROM wasmigrate_attempt WHERE step_index = {index} ORDER BY attempt"
    ))
}

#[test]
fn a_cause_that_is_mended_meanwhile_costs_no_more_than_tries() {
    let place = monitored().with_variable("WASMIGRATE_RETRY_ATTEMPTS", "1000");
    let place = place.with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "1");
    place.write_step("0003_message.sql", b"INSERT INTO nowhere VALUES (1);");
    let service = Service::start(&place);
    let address = service.address();
    let watching = std::thread::spawn(move || monitor(address, |_| {}));
    let run = service.run("migrate");
    // Far beyond the tries after which clients take an error for the end.
    until("it was tried four times", || {
        result(&service)["try_count"].as_u64() > Some(4)
    });
    place.connect().run("CREATE TABLE nowhere (id INTEGER)");
    assert_eq!(service.outcome(run), "done");
    assert_eq!(watching.join().unwrap(), End::Success);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM nowhere"), 1);
    assert_eq!(outcomes(&place), ["done"]);
    let tries = tries(&place, 3);
    let (last, failed) = tries.split_last().unwrap();
    assert_eq!(*last, format!("{} done", tries.len()));
    for (number, failed) in (1..).zip(failed) {
        assert_eq!(*failed, format!("{number} failed"));
    }
    assert_eq!(result(&service)["try_count"], 1, "the last step took one");
}

#[test]
fn a_finalize_is_tried_again_whole() {
    let place = monitored();
    place.write_step(
        "0006_switch.sql",
        b"-- wasmigrate:finalize\nCREATE TABLE switched (id INTEGER);\nINSERT INTO nowhere VALUES (1);",
    );
    let service = Service::start(&place);
    let run = service.run("finalize");
    until("it fails", || result(&service)["last_err"].is_string());
    assert_eq!(service.outcome(run), "failed");
    assert_eq!(
        tries(&place, 6).len(),
        4,
        "one migrate, three times finalize"
    );
    assert!(!place.has_table("switched"));
    assert_eq!(service.state(), "finalization_failed");
    place.connect().run("CREATE TABLE nowhere (id INTEGER)");
    service.does("finalize");
}

#[test]
fn a_run_that_waits_for_its_next_try_is_running_and_can_be_cancelled() {
    let place = monitored().with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "3600000");
    place.write_step("0003_message.sql", b"INSERT INTO nowhere VALUES (1);");
    let service = Service::start(&place);
    let run = service.run("migrate");
    until("it waits", || result(&service)["last_err"].is_string());
    assert_eq!(result(&service)["try_count"], 1);
    assert_eq!(service.state(), "migration_running");
    let stats = service.command("stats").json();
    assert_eq!(stats["stats"]["status"], "migration_running", "{stats}");
    assert_eq!(stats["stats"]["exception"], Value::Null, "{stats}");
    service
        .command("migrate")
        .is_refusal(400, "Migration is running");
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(service.outcome(run), "cancelled");
    assert_eq!(result(&service)["status"], "failed");
    assert!(matches!(
        monitor(service.address(), |_| {}),
        End::GivenUp(_)
    ));
}

#[test]
fn what_a_step_says_is_final_is_not_tried_again() {
    let place = monitored();
    for (file, is_retryable) in [("0006_final.wasm", 0), ("0007_not_final.wasm", 1)] {
        let body = format!(
            "(return (call $fail {{{{the fifth row has no name}}}} (i32.const {is_retryable})))"
        );
        place.write_step(file, &Component::migrating(body).build());
    }
    let service = Service::start(&place);
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    assert_eq!(tries(&place, 6), ["1 failed"]);
    let said = result(&service);
    // The clients end all the same.
    assert_eq!(said["try_count"], 3);
    assert!(
        said["last_err"]
            .as_str()
            .unwrap()
            .contains("the fifth row has no name")
    );
    std::fs::remove_file(place.step("0006_final.wasm")).unwrap();
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    assert_eq!(tries(&place, 7), ["1 failed", "2 failed", "3 failed"]);
}

#[test]
fn without_the_setting_nothing_is_tried_again() {
    let place = Place::new().with_sql("0001_a.sql", "INSERT INTO nowhere VALUES (1);");
    let service = Service::start(&place);
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    assert_eq!(tries(&place, 1), ["1 failed"]);
    // Nor on the command line, where somebody waits.
    let place = place.with_variable("WASMIGRATE_RETRY_ATTEMPTS", "3");
    place.run(&["migrate"]).ends_with(1);
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM wasmigrate_attempt"),
        2
    );
}
