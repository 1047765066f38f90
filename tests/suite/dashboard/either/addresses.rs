//! A run has an address, to be passed on to others.

use crate::dashboard::browser::Browser;
use crate::place::Place;
use crate::service::process::Service;

#[test]
fn the_address_of_a_run_shows_that_run() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
    let service = Service::start(&place);
    service.does("migrate");
    service.does("finalize");
    let browser = Browser::open(&service);
    browser.sees("#output-heading", "Output of run 2");
    browser.go_to_address(&format!("http://{}/#/runs/1", service.address()));
    browser.sees("#output-heading", "Output of run 1");
    browser.sees("#history", "The address of this run: #/runs/1");
    browser.sees("#history", "commanded by token by the API, from 127.0.0.1");
    browser.sees("#output-latest", "Back to the newest run");
    browser.is_content();
}
