//! A run in progress: how far it is, how fast, and how it is cancelled.

use crate::dashboard::browser::Browser;
use crate::dashboard::slow_place;
use crate::service::process::Service;

#[test]
fn a_run_shows_how_far_it_is_and_can_be_cancelled() {
    let place = slow_place();
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    assert_eq!(browser.texts(".actions button"), ["Migrate", "Finalize…"]);
    browser.click("#migrate");
    browser.sees("#stepper [aria-current]", "Migrating");
    browser.sees("#timeline .running", "0002_copy_people");
    browser.sees(
        "#timeline .running .numbers",
        "60,000 of 100,000 rows (60 %)",
    );
    browser.sees("#timeline .ahead", "0003_end");
    browser.sees(
        "#run-numbers",
        "1 of 3 steps · 60,000 of 100,000 rows (60 %)",
    );
    browser.sees("#lines", "this takes a while");
    let curve = browser.evaluate(
        "return document.querySelector('#chart .line').getAttribute('d').length",
        &[],
    );
    assert!(curve.as_u64().unwrap() > 60, "{curve}");
    assert_eq!(
        browser.texts(".actions button"),
        ["Pause", "Cancel the run…"]
    );
    // Whoever comes later sees the same.
    let late = Browser::open(&service);
    late.sees("#timeline .running", "0002_copy_people");
    late.sees(
        "#timeline .running .numbers",
        "60,000 of 100,000 rows (60 %)",
    );
    late.sees("#timeline .done", "0001_begin");
    late.sees("#lines", "this takes a while");
    let curve = late.evaluate(
        "return document.querySelector('#chart .line').getAttribute('d').length",
        &[],
    );
    assert!(curve.as_u64().unwrap() > 60, "{curve}");
    browser.pictures("running");
    browser.is_accessible();
    browser.sees("#run-numbers", "no progress for");
    browser.click("#cancel");
    browser.sees("#confirm-heading", "Cancel the run?");
    browser.click("#confirm-no");
    browser.sees_no("#confirm");
    browser.sees("#timeline .running", "0002_copy_people");
    browser.click("#cancel");
    browser.click("#confirm-yes");
    for watcher in [&browser, &late] {
        watcher.sees("#run-note", "Cancelled.");
        watcher.sees("#stepper [aria-current]", "Migration required");
        watcher.sees("#history", "cancelled");
        watcher.sees("#timeline .cancelled", "0002_copy_people");
        watcher.is_content();
    }
    browser.pictures("cancelled");
}
