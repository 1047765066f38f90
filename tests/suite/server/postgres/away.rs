//! The server is away, or says nothing any more, while a run has to end.

use std::time::{Duration, Instant};

use serde_json::Value;
use wasmigrate_test_server::Cluster;

use super::cluster;
use crate::hosts::host::until;
use crate::place::Place;
use crate::service::process::Service;

/// Longer than a host is given to end a run before it ends itself.
const LONGER_THAN_THE_GRACE: Duration = Duration::from_secs(13);

/// A service in the middle of a step that sleeps the first time it runs.
fn in_a_step(cluster: &Cluster) -> (Place, Service, i64) {
    let place = Place::on(cluster)
        .with_data("CREATE TABLE nap (seconds INTEGER); INSERT INTO nap VALUES (600)")
        .with_sql(
            "0001_slow.sql",
            "SELECT pg_sleep(seconds) FROM nap; CREATE TABLE made (id BIGINT);",
        );
    let service = Service::start(&place);
    let run = service.run("migrate");
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until("the step sleeps", || place.one::<i64>(asleep) > 0);
    (place, service, run)
}

/// Cancels the run, and demands that the service outlives that.
fn cancel_and_wait(service: &mut Service, run: i64) {
    let answer = service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    assert_eq!(answer.status, 202, "{}", answer.json());
    let began = Instant::now();
    while began.elapsed() < LONGER_THAN_THE_GRACE {
        service.is_well();
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Demands that nothing of the cancelled run is left, and the step can run.
fn goes_on(place: &Place, service: &Service) {
    place.connect().run("UPDATE nap SET seconds = 0");
    until("the service knows the target again", || {
        service.state() == "migration_required"
    });
    service.does("migrate");
    assert!(place.has_table("made"));
}

#[test]
fn a_service_outlives_the_end_of_a_run_whose_server_is_gone() {
    let mut cluster = cluster();
    let (place, mut service, run) = in_a_step(&cluster);
    cluster.kill().unwrap();
    cancel_and_wait(&mut service, run);
    cluster.start_again().unwrap();
    goes_on(&place, &service);
}

#[test]
fn a_service_outlives_the_end_of_a_run_whose_server_says_nothing_any_more() {
    let cluster = cluster();
    let (place, mut service, run) = in_a_step(&cluster);
    cluster.freeze().unwrap();
    cancel_and_wait(&mut service, run);
    cluster.thaw().unwrap();
    goes_on(&place, &service);
}
