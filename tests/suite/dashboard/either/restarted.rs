//! The host goes and comes back: the page says so, and goes on by itself.

use super::super::browser::Browser;
use super::super::slow_place;
use crate::service::process::Service;

#[test]
fn a_restart_in_the_midst_of_a_run_is_survived() {
    let place = slow_place();
    let service = Service::start(&place);
    let address = service.address().to_string();
    let browser = Browser::open(&service);
    browser.click("#migrate");
    browser.sees("#lines", "this takes a while");
    service.kill();
    browser.sees("#link", "not connected");
    browser.sees("#banner", "The host does not answer");
    browser.pictures("gone");
    browser.is_accessible();
    place.write_step(
        "0002_copy_people.wasm",
        &crate::hostile::component::Component::new().build(),
    );
    let service = Service::start_at(&address, &place, &["--log-format", "json"]);
    // Nobody signs in again, and nobody loads the page anew.
    browser.sees("#link", "live");
    browser.sees_no("#banner");
    browser.sees("#stepper [aria-current]", "Migration required");
    browser.sees("#run-note", "Interrupted");
    browser.sees("#history", "interrupted");
    browser.click("#migrate");
    browser.sees("#stepper [aria-current]", "Finalization required");
    browser.sees("#run-heading", "Run 2: migrate");
    drop(service);
    let said = browser.console();
    // The browser itself tells of connections that were refused.
    let others: Vec<_> = said
        .iter()
        .filter(|line| !line.contains("net::ERR_"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}
