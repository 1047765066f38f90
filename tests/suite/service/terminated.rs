//! SIGTERM: the service ends soon, and leaves nothing half done.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use super::client::{self, Request};
use super::process::Service;
use super::{applied, gated, held_in, hold_runs, note, open_gate, outcomes};
use crate::hostile::component::Component;
use crate::place::Place;

/// A second is promised; a test machine may have much else to do.
const SOON: Duration = Duration::from_secs(5);

/// Asks the service to end, which it does soon and in good order; the lease is nobody's then.
#[track_caller]
fn ends_in_good_order(place: &Place, mut service: Service) {
    service.terminate();
    let status = service.ends_within(SOON);
    assert_eq!(status, Some(0), "{:#?}", service.logs());
    assert!(TcpStream::connect(service.address()).is_err());
    let journal = Place::in_sql_of(
        "SELECT count(*) FROM sqlite_master WHERE name = 'wasmigrate_lease'",
        "SELECT count(*) FROM pg_tables WHERE tablename = 'wasmigrate_lease'",
    );
    if place.one::<i64>(journal) == 1 {
        let held = "SELECT count(*) FROM wasmigrate_lease WHERE holder IS NOT NULL";
        assert_eq!(place.one::<i64>(held), 0, "the lease was not handed over");
    }
}

/// A run that is at work is rolled back, and the next service starts at once.
#[track_caller]
fn is_rolled_back(place: &Place) {
    let service = Service::start(place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    ends_in_good_order(place, service);
    assert_eq!(applied(place), ["first"]);
    assert_eq!(outcomes(place), ["cancelled"]);
    open_gate(place);
    place.write_step(
        "0002_held.wasm",
        &Component::migrating(note("mended")).build(),
    );
    let service = Service::start(place);
    assert_eq!(service.state(), "migration_required");
    service.does("migrate");
    assert_eq!(applied(place), ["first", "mended"]);
}

#[test]
fn an_idle_service_ends() {
    let place = gated();
    ends_in_good_order(&place, Service::start(&place));
    let service = Service::start(&place);
    service.does("finalize");
    ends_in_good_order(&place, service);
}

#[test]
fn a_component_that_loops_is_rolled_back() {
    let place = gated();
    let body = note("begun") + super::READY + "(loop $again (br $again))";
    place.write_step("0002_held.wasm", &Component::migrating(body).build());
    is_rolled_back(&place);
}

#[test]
fn a_long_statement_is_rolled_back() {
    is_rolled_back(&held_in("migrate"));
}

#[test]
fn a_check_that_goes_on_is_rolled_back() {
    let place = held_in("check");
    let service = Service::start(&place);
    let run = service.run("migrate");
    service.until_output(run, "ready");
    ends_in_good_order(&place, service);
    assert!(applied(&place).is_empty());
}

#[test]
fn a_command_that_waits_for_another_s_lock_does_not_start() {
    let place = gated();
    let service = Service::start(&place);
    let mut application = hold_runs(&place);
    let migrate = Request::post("/api/v1/runs", &serde_json::json!({ "command": "migrate" }));
    let mut connection = client::connect(service.address()).unwrap();
    std::io::Write::write_all(&mut connection, &migrate.bytes()).unwrap();
    service.until_a_run_waits();
    ends_in_good_order(&place, service);
    application.run("ROLLBACK");
    assert!(applied(&place).is_empty());
    Service::start(&place).does("migrate");
    assert_eq!(applied(&place), ["first"]);
}

#[test]
fn those_who_listen_to_events_do_not_keep_it() {
    let place = gated();
    let service = Service::start(&place);
    let mut stream = client::connect(service.address()).unwrap();
    let listen = Request::get("/api/v1/events").bytes();
    std::io::Write::write_all(&mut stream, &listen).unwrap();
    let mut first = [0; 100];
    assert!(stream.read(&mut first).unwrap() > 0);
    ends_in_good_order(&place, service);
    // Closed one way or the other, but closed.
    let _ = stream.read_to_end(&mut Vec::new());
}
