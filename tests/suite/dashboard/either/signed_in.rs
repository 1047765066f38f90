//! Who is let in, and for what.

use serde_json::json;

use super::super::browser::Browser;
use crate::place::Place;
use crate::service::process::Service;

fn place() -> Place {
    Place::new().with_sql(
        "0001_begin.sql",
        "CREATE TABLE begun (id INTEGER PRIMARY KEY);",
    )
}

fn with_reader(place: &Place) -> Service {
    std::fs::write(place.path().join("reader"), "only-looking\n").unwrap();
    Service::start_with(place, &["--read-token-file", "reader"])
}

#[test]
fn a_wrong_password_is_told_and_the_right_one_lets_in() {
    let place = place();
    let service = Service::start(&place);
    let browser = Browser::start();
    browser.go_to(&service);
    browser.type_into("#secret", "sesame");
    browser.click("#sign-in-form button");
    browser.sees("#sign-in-error", "neither the password nor a token");
    browser.pictures("wrong-password");
    browser.is_accessible();
    assert_eq!(browser.text("#main"), None);
    browser.sign_in("openslides");
    assert_eq!(browser.evaluate("return document.cookie", &[]), json!(""));
    browser.click("#sign-out");
    browser.sees("#sign-in-form h1", "Sign in");
    browser.go_to(&service);
    browser.sees("#sign-in-form h1", "Sign in");
    assert_eq!(browser.text("#main"), None);
}

#[test]
fn a_session_outlives_the_host_but_not_the_secret() {
    let place = place();
    let service = Service::start(&place);
    let address = service.address().to_string();
    let browser = Browser::open(&service);
    drop(service);
    let service = Service::start_at(&address, &place, &[]);
    browser.go_to(&service);
    browser.sees("#link", "live");
    drop(service);
    browser.sees("#link", "not connected");
    std::fs::write(place.path().join("token"), "another").unwrap();
    let service = Service::start_at(&address, &place, &[]);
    browser.sees("#sign-in-form h1", "Sign in");
    assert_eq!(browser.text("#main"), None);
    browser.sign_in("another");
    browser.sees("#stepper [aria-current]", "Migration required");
    drop(service);
}

#[test]
fn a_display_on_a_wall_signs_itself_in_and_may_only_look() {
    let place = place();
    let service = with_reader(&place);
    let browser = Browser::start();
    browser.go_to_address(&format!("http://{}/#token=only-looking", service.address()));
    browser.sees("#read-only", "read-only");
    browser.sees("#stepper [aria-current]", "Migration required");
    assert_eq!(browser.texts(".actions button"), [""; 0]);
    let address = browser.evaluate("return location.href", &[]);
    assert!(!address.as_str().unwrap().contains("token"), "{address}");
    // The page hides what the host would refuse.
    let refused = browser.evaluate(
        "return fetch('/api/v1/runs', { method: 'POST', body: '{\"command\": \"migrate\"}',
             headers: { 'Content-Type': 'application/json' } }).then((answer) => answer.status)",
        &[],
    );
    assert_eq!(refused, json!(403));
    // It sees what others do.
    let operator = Browser::open(&service);
    operator.click("#migrate");
    browser.sees("#stepper [aria-current]", "Finalization required");
    browser.sees("#timeline", "0001_begin");
    browser.pictures("read-only");
    browser.is_accessible();
    operator.is_content();
}
