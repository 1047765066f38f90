//! Everything can be done without a mouse.

use super::super::browser::Browser;
use crate::place::Place;
use crate::service::process::{Service, TOKEN};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

#[test]
fn a_migration_is_run_and_reset_by_keyboard() {
    let place = Place::new().with_sql(
        "0001_begin.sql",
        "-- wasmigrate:migrate\nCREATE TABLE begun (id INTEGER PRIMARY KEY);\n-- wasmigrate:reset\nDROP TABLE begun;",
    );
    let service = Service::start(&place);
    let browser = Browser::start();
    browser.go_to(&service);
    browser.sees("#secret", "");
    assert_eq!(browser.focused(), "secret");
    browser.press(&format!("{TOKEN}{ENTER}"));
    browser.sees("#stepper [aria-current]", "Migration required");
    tab_to(&browser, "migrate");
    browser.press(ENTER);
    browser.sees("#stepper [aria-current]", "Finalization required");
    tab_to(&browser, "reset");
    browser.press(ENTER);
    // Whoever presses once more, or wants out, does nothing.
    browser.sees("#confirm-heading", "Reset the migration?");
    assert_eq!(browser.focused(), "confirm-no");
    browser.press(ENTER);
    browser.sees_no("#confirm");
    assert_eq!(browser.focused(), "reset");
    browser.press(ENTER);
    browser.sees("#confirm-heading", "Reset the migration?");
    browser.press(ESCAPE);
    browser.sees_no("#confirm");
    browser.press(ENTER);
    browser.sees("#confirm-heading", "Reset the migration?");
    browser.press(TAB);
    assert_eq!(browser.focused(), "confirm-yes");
    browser.press(ENTER);
    browser.sees("#stepper [aria-current]", "Migration required");
    assert!(!place.has_table("begun"));
    browser.sees("#announcement", "");
    browser.is_content();
}

#[track_caller]
fn tab_to(browser: &Browser, id: &str) {
    for _ in 0..60 {
        if browser.focused() == id {
            return;
        }
        browser.press(TAB);
    }
    panic!("the focus never comes to `{id}`");
}
