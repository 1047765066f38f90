//! A failure: what failed and why, and the two ways on.

use crate::dashboard::browser::Browser;
use crate::hostile::component::Component;
use crate::place::Place;
use crate::service::process::Service;

#[test]
fn a_failure_says_why_and_is_reset() {
    let place = Place::new()
        .with_sql(
            "0001_begin.sql",
            "-- wasmigrate:migrate\nCREATE TABLE begun (id INTEGER PRIMARY KEY);\n-- wasmigrate:reset\nDROP TABLE begun;",
        )
        .with_sql(
            "0002_broken.sql",
            "CREATE TABLE more (id INTEGER);\nINSERT INTO nowhere\nVALUES (1);",
        );
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.click("#migrate");
    browser.sees("#stepper .failed", "Migration failed");
    browser.sees("#failure-heading", "Run 1 failed: 0002_broken, in migrate");
    browser.sees("#failure-body", "nowhere");
    browser.sees("#failure pre", "INSERT INTO nowhere");
    browser.sees("#failure-body", "line 2 of the file");
    assert_eq!(
        browser.texts("#failure .ways button"),
        ["Migrate again", "Reset…"]
    );
    browser.pictures("failed");
    browser.is_accessible();
    // It fails again, and the second failure takes the place of the first.
    browser.click("#failure .ways button.primary");
    browser.sees("#failure-heading", "Run 2 failed");
    browser.click("#failure .ways li:last-child button");
    browser.sees("#confirm-heading", "Reset the migration?");
    browser.click("#confirm-yes");
    browser.sees("#stepper [aria-current]", "Migration required");
    browser.sees("#run-heading", "Run 3: reset");
    browser.sees_no("#failure");
    assert!(!place.has_table("begun"));
    browser.click("#history [data-key='run-2']");
    browser.sees("#history .details", "0002_broken migrate failed");
    browser.is_content();
}

#[test]
fn a_trap_shows_the_backtrace_of_the_component() {
    let place = Place::new();
    let component = Component::migrating("(call $deep)")
        .defining("(func $deep (call $deeper)) (func $deeper unreachable)");
    place.write_step("0001_trap.wasm", &component.build());
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.click("#migrate");
    browser.sees("#failure-heading", "0001_trap");
    browser.click("#failure summary");
    browser.sees("#failure details pre", "deeper");
    browser.is_content();
}
