//! A whole migration, watched and clicked through.

use serde_json::json;

use super::browser::Browser;
use crate::place::Place;
use crate::service::process::Service;

#[test]
fn a_whole_migration_is_watched_and_clicked_through() {
    let place = Place::new().with_legacy_data().with_examples();
    let service = Service::start(&place);
    let browser = Browser::start();
    browser.go_to(&service);
    browser.sees("#sign-in-form h1", "Sign in");
    browser.pictures("sign-in");
    browser.is_accessible();
    browser.sign_in(crate::service::process::TOKEN);
    browser.sees("#stepper [aria-current]", "Migration required");
    browser.sees("#run-note", "Nothing was run");
    browser.pictures("required");
    browser.is_accessible();
    browser.click("#migrate");
    browser.sees("#stepper [aria-current]", "Finalization required");
    browser.sees("#run-heading", "Run 1: migrate");
    browser.sees("#timeline", "0005_cut_over_languages");
    browser.sees("#lines", "8213 languages instead of 323");
    browser.click("#steps button");
    browser.sees(
        "#steps .details",
        "inside the transaction that the host opens",
    );
    browser.pictures("migrated");
    browser.is_accessible();
    browser.click("#finalize");
    let target = service.get("/api/v1/status").json()["target"].take();
    browser.sees("#confirm-database", target.as_str().unwrap());
    browser.pictures("confirm");
    browser.is_accessible();
    browser.click("#confirm-yes");
    browser.sees("#stepper [aria-current]", "Finalized");
    browser.sees("#history", "2 finalize");
    browser.pictures("finalized");
    browser.click("#output-export");
    let run = browser.downloaded("run-2.json");
    assert_eq!(run["outcome"], json!("done"));
    assert!(run["output"].as_array().unwrap().len() > 2, "{run}");
    browser.click("#history-export");
    let history = browser.downloaded("history.json");
    assert_eq!(history["runs"].as_array().unwrap().len(), 2);
    browser.is_content();
}
