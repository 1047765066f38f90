//! What can be seen and asked beside the runs: rows that were set aside, and checks.

use crate::dashboard::browser::Browser;
use crate::place::Place;
use crate::service::process::Service;

#[test]
fn bad_rows_are_shown_and_saved() {
    let place = Place::new()
        .with_data("CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL)")
        .with_data("INSERT INTO word VALUES (1, 'one'), (2, ''), (3, 'panic')")
        .with_guest("0001_shout.wasm", "shout");
    place
        .run(&["migrate", "--on-bad-row", "quarantine"])
        .ends_with(0);
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.sees("#bad-rows-count", "2 rows");
    browser.sees("#bad-rows", "an empty word cannot be shouted");
    browser.sees("#bad-rows", "[\"panic\"]");
    browser.pictures("bad-rows");
    browser.is_accessible();
    browser.click("#bad-rows-export");
    let saved = browser.downloaded("bad-rows.json");
    assert_eq!(saved.as_array().unwrap().len(), 2);
    assert_eq!(saved[0]["step"], "0001_shout");
    assert_eq!(saved[0]["key"], "[2]");
    browser.is_content();
}

#[test]
fn checks_are_made_from_the_page() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
    place.run(&["migrate"]).ends_with(0);
    let place = place.with_sql("0002_b.sql", "INSERT INTO a VALUES (1), (2);");
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.click("#check-verify");
    browser.sees(
        "#check-result",
        "1 applied step is as before; the schema is what run 1 left",
    );
    browser.click("#check-rehearsal");
    browser.sees("#check-result", "1 step ran and was rolled back");
    browser.sees("#check-result", "a 2 rows changed");
    browser.click("#check-advice");
    browser.sees("#check-heading", "Statements of the pending steps");
    place.connect().run("CREATE TABLE stray (id INTEGER)");
    browser.click("#check-verify");
    browser.sees("#check-heading", "It was refused");
    browser.sees("#check-result", "table stray is new");
    browser.pictures("checks");
    browser.is_accessible();
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 0);
}

#[test]
fn a_step_that_failed_is_red_where_it_stands() {
    let place = Place::new().with_sql("0001_a.sql", "INSERT INTO nowhere VALUES (1);");
    place.run(&["migrate"]).ends_with(1);
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.sees("#steps .tag.failed", "failed");
}
