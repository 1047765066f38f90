//! A run that pauses and continues at a click.

use super::super::browser::Browser;
use crate::service::process::Service;
use crate::transform::{customers, place_with};

#[test]
fn a_run_is_paused_and_resumed() {
    let place = place_with(&customers(4_000));
    // Slow enough to be caught at work.
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "[transform]\nmax_rows_per_second = 100\n",
    )
    .unwrap();
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.click("#migrate");
    browser.sees("#timeline .running", "0001_normalize");
    assert_eq!(
        browser.texts(".actions button"),
        ["Pause", "Cancel the run…"]
    );
    browser.click("#pause");
    browser.sees("#run-note", "The run is paused: paused by");
    browser.sees("#resume", "Resume");
    assert_eq!(
        browser.texts(".actions button"),
        ["Resume", "Cancel the run…"]
    );
    let late = Browser::open(&service);
    late.sees("#run-note", "The run is paused: paused by");
    browser.pictures("paused");
    browser.is_accessible();
    browser.click("#resume");
    for watcher in [&browser, &late] {
        watcher.sees_no("#resume");
        watcher.sees("#pause", "Pause");
        watcher.sees("#timeline .running", "0001_normalize");
    }
    browser.click("#cancel");
    browser.click("#confirm-yes");
    for watcher in [&browser, &late] {
        watcher.sees("#run-note", "Cancelled.");
        watcher.sees_no("#pause");
        watcher.is_content();
    }
}
