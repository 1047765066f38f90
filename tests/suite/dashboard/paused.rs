//! A run that rests and goes on at a click.

use super::browser::Browser;
use crate::service::process::Service;
use crate::transform::{customers, place_with};

#[test]
fn a_run_is_paused_and_resumed() {
    let place = place_with(&customers(4_000));
    // Slow enough to be caught at work.
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "[transform]\nmax_rows_per_second = 2000\n",
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
    browser.sees("#run-note", "The run rests: paused by");
    assert_eq!(
        browser.texts(".actions button"),
        ["Resume", "Cancel the run…"]
    );
    let late = Browser::open(&service);
    late.sees("#run-note", "The run rests: paused by");
    browser.pictures("paused");
    browser.is_accessible();
    browser.click("#resume");
    for watcher in [&browser, &late] {
        watcher.sees("#stepper [aria-current]", "Finalization required");
        watcher.sees("#run-note", "Done.");
        assert_eq!(watcher.texts(".actions button"), ["Finalize…", "Reset…"]);
        watcher.is_content();
    }
}
