//! What other hosts do to the same database is seen, too.

use crate::dashboard::browser::Browser;
use crate::place::Place;
use crate::service::process::Service;

#[test]
fn a_run_from_the_command_line_is_seen() {
    let place = Place::new().with_sql(
        "0001_begin.sql",
        "CREATE TABLE begun (id INTEGER PRIMARY KEY);",
    );
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.sees("#stepper [aria-current]", "Migration required");
    place.run(&["migrate"]).ends_with(0);
    browser.sees("#stepper [aria-current]", "Finalization required");
    browser.sees("#run-heading", "Run 1: migrate");
    browser.sees("#timeline .done", "0001_begin");
    browser.sees("#history", "1 migrate");
    // A step that is new on disk is seen, too.
    let place = place.with_sql(
        "0002_more.sql",
        "CREATE TABLE more (id INTEGER PRIMARY KEY);",
    );
    browser.sees("#steps", "0002_more");
    browser.sees("#stepper [aria-current]", "Migration required");
    browser.is_content();
    drop((service, place));
}
