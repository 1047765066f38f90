//! Thousands of tenants at a glance.

use super::browser::Browser;
use crate::application::{self, Application, Kind};
use crate::place::Place;
use crate::service::process::Service;

/// Three tenants, of which one failed and two are done, and very many that nothing was run for.
fn very_many() -> Place {
    let place = Place::new()
        .with_variable("WASMIGRATE_SOURCES_TENANT_MIGRATIONS", "tenants")
        .with_variable("WASMIGRATE_TENANTS_PARALLEL", "2");
    let files = place.path().join("migrations/tenants");
    std::fs::create_dir_all(files).unwrap();
    let place = place.with_sql(
        "tenants/1_invoice.sql",
        "CREATE TABLE {schema}.invoice (id INTEGER PRIMARY KEY);",
    );
    for name in ["north", "south", "east"] {
        place.run(&["tenants", "add", name]).ends_with(0);
    }
    // A second one with this name cannot be made.
    let conflict = "CREATE TABLE {schema}.address (id INTEGER PRIMARY KEY);";
    place.write_step("tenants/2_address.sql", conflict.as_bytes());
    let mut east = match application::kind() {
        Kind::Sqlite => Application::open_file(&place.path().join("wasmigrate.db.tenants/east.db")),
        Kind::Postgres => place.connect(),
    };
    east.run(Place::in_sql_of(
        "CREATE TABLE address (id INTEGER PRIMARY KEY)",
        "CREATE TABLE east.address (id INTEGER PRIMARY KEY)",
    ));
    place.run(&["finalize"]).ends_with(1);
    place.connect().run(Place::in_sql_of(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4997)
         INSERT INTO wasmigrate_tenant SELECT 'customer_' || i, 0 FROM n",
        "INSERT INTO wasmigrate_tenant SELECT 'customer_' || i, 0 FROM generate_series(1, 4997) i",
    ));
    place
}

#[test]
fn five_thousand_tenants_are_seen_at_once_and_each_is_found() {
    let place = very_many();
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.sees("#tenants-count", "5,000 tenants, 4,998 behind, 1 failed");
    let count = |selector: &str| {
        let script = "return document.querySelectorAll(arguments[0]).length";
        browser
            .evaluate(script, &[selector.into()])
            .as_u64()
            .unwrap()
    };
    browser.sees("#tenants-grid .square", "");
    assert_eq!(count("#tenants-grid .square"), 5_000);
    assert_eq!(count("#tenants-grid .behind"), 4_997);
    assert_eq!(count("#tenants-grid .failed"), 1);
    assert_eq!(count("#tenants-grid .done"), 2);
    browser.pictures("tenants");
    // All of them would take the checker half a minute.
    browser.type_into("#tenants-search", "_49");
    assert_eq!(count("#tenants-grid .square"), 109);
    browser.is_accessible();
    browser.type_into("#tenants-search", "EAS");
    assert_eq!(count("#tenants-grid .square"), 1);
    browser.click("#tenants-grid .square");
    browser.sees("#tenant-name", "east");
    browser.sees("#tenant-facts", "failed · 1 file applied · 1 pending");
    browser.sees("#tenant-failure", "address");
    browser.type_into("#tenants-search", "");
    browser.evaluate(
        "const filter = document.querySelector('#tenants-filter');
         filter.value = 'done'; filter.dispatchEvent(new Event('change'))",
        &[],
    );
    assert_eq!(count("#tenants-grid .square"), 2);
    browser.evaluate("document.querySelector('#tenants-grid').focus()", &[]);
    browser.sees("#tenant-name", "north");
    browser.press("\u{e014}");
    browser.sees("#tenant-name", "south");
    browser.is_content();
}
