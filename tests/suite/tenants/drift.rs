//! `verify` compares what tenants look like with what their last run left.

use super::target;
use crate::application::{self, Application, Kind};
use crate::place::Place;

const NAMES: [&str; 2] = ["north", "South"];

fn place() -> Place {
    let place = target().with_sql(
        "tenants/001_begin.sql",
        Place::in_sql_of(
            "CREATE TABLE person (id INTEGER); CREATE TABLE pet (id INTEGER);",
            "CREATE TABLE {schema}.person (id INTEGER); CREATE TABLE {schema}.pet (id INTEGER);",
        ),
    );
    for name in NAMES {
        place.run(&["tenants", "add", name]).ends_with(0);
    }
    place
}

/// Where the tables of a tenant are, and what is before their names.
fn of_tenant(place: &Place, name: &str) -> (Application, String) {
    match application::kind() {
        Kind::Sqlite => {
            let mut directory = place.database().into_os_string();
            directory.push(".tenants");
            let file = std::path::Path::new(&directory).join(format!("{name}.db"));
            (Application::open_file(&file), String::new())
        }
        Kind::Postgres => (place.connect(), format!("{name}.")),
    }
}

#[test]
fn what_changed_in_a_tenant_since_its_last_run_is_named() {
    let place = place();
    place.run(&["verify"]).ends_with(0);
    let (mut application, schema) = of_tenant(&place, "South");
    // Rows are the application's business.
    application.run(&format!("INSERT INTO {schema}person VALUES (1)"));
    place.run(&["verify"]).ends_with(0);
    application.run(&format!("ALTER TABLE {schema}person ADD COLUMN nick TEXT"));
    let said = place
        .run(&["verify"])
        .ends_with(2)
        .and_says("the schema is not what run")
        .and_says("person");
    let tenant = Place::in_sql_of("tenant South", "tenant's schema south");
    assert!(said.stderr.contains(tenant), "{said:#?}");
    for other in ["north", "pet"] {
        assert!(!said.stderr.contains(other), "`{other}` is in {said:#?}");
    }
    // The next run of all leaves what it finds.
    place.write_step(
        "tenants/002_more.sql",
        Place::in_sql_of(
            "CREATE TABLE more (id INTEGER);",
            "CREATE TABLE {schema}.more (id INTEGER);",
        )
        .as_bytes(),
    );
    place.run(&["finalize"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    let (mut application, schema) = of_tenant(&place, "north");
    application.run(&format!("DROP TABLE {schema}pet"));
    let said = place
        .run(&["verify"])
        .ends_with(2)
        .and_says("north")
        .and_says("pet");
    assert!(!said.stderr.to_lowercase().contains("south"), "{said:#?}");
}
