//! Repeatable files for a target and for each of its tenants.

use super::Place;
use crate::tenants::{Tenants as _, counting, target};

/// Each run adds to what is counted.
fn adds(value: u32) -> String {
    format!("INSERT INTO {{schema}}.counted VALUES ({value}, '{{schema}}');")
}

fn place() -> Place {
    let place = counting()
        .with_sql("single/001_log.sql", "CREATE TABLE log (line TEXT);")
        .with_sql("single/R__log.sql", "INSERT INTO log VALUES ('log');")
        .with_sql("tenants/R__add.sql", &adds(10));
    // What is for the target itself comes before what is for a new tenant.
    place.run(&["migrate"]).ends_with(0);
    place.with_tenants(&["acme", "beta"])
}

fn sums(place: &Place) -> [String; 2] {
    ["acme", "beta"].map(|tenant| place.sum(tenant))
}

fn each_content_once(how: &[&str]) {
    let place = place();
    let run = |command: &str| {
        let arguments: Vec<&str> = [command].iter().chain(how).copied().collect();
        place.run(&arguments).ends_with(0)
    };
    run("finalize");
    assert_eq!(sums(&place), ["11", "11"]);
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("nothing is pending");
    place.write_step("tenants/R__add.sql", adds(100).as_bytes());
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("1 pending")
        .and_says("R__add.sql  sql  again: its content has changed");
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("migration_required")
        .and_says("2: 0 up to date, 2 behind");
    place.run(&["verify"]).ends_with(0);
    run("migrate");
    run("migrate");
    assert_eq!(sums(&place), ["111", "111"]);
    // What was there before is one more change.
    place.write_step("tenants/R__add.sql", adds(10).as_bytes());
    run("migrate");
    run("finalize");
    assert_eq!(sums(&place), ["121", "121"]);
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("state   finalized")
        .and_says("2 of 2 tenants");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM log"), 1);
    // Another tenant gets the content that there is now, and the others nothing.
    place.run(&["tenants", "add", "gamma"]).ends_with(0);
    assert_eq!(place.sum("gamma"), "11");
    assert_eq!(sums(&place), ["121", "121"]);
    run("migrate").and_says("nothing to do");
}

#[test]
fn each_tenant_gets_each_content_once_in_one_transaction() {
    each_content_once(&[]);
}

#[test]
fn each_tenant_gets_each_content_once_beside_each_other() {
    each_content_once(&["--parallel", "2"]);
}

#[test]
fn only_who_lacks_a_content_gets_it() {
    let place = place();
    place.run(&["finalize"]).ends_with(0);
    // It fails for one of them.
    let sql = format!(
        "{} INSERT INTO {{schema}}.counted SELECT NULL, NULL WHERE '{{schema}}' = 'beta';",
        adds(100)
    );
    place.write_step("tenants/R__add.sql", sql.as_bytes());
    place.run(&["migrate", "--parallel", "2"]).ends_with(1);
    assert_eq!(sums(&place), ["111", "11"]);
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("1 up to date, 1 behind")
        .and_says("beta");
    place.of_tenant("beta").run(Place::in_sql_of(
        "ALTER TABLE counted RENAME TO old; CREATE TABLE counted (value INTEGER, who TEXT); \
             INSERT INTO counted SELECT * FROM old; DROP TABLE old",
        "ALTER TABLE counted ALTER COLUMN value DROP NOT NULL, ALTER COLUMN who DROP NOT NULL",
    ));
    place.run(&["migrate", "--parallel", "2"]).ends_with(0);
    assert_eq!(sums(&place), ["111", "111"]);
}

#[test]
fn a_reset_lets_them_run_again() {
    let place = place();
    place.run(&["finalize"]).ends_with(0);
    place.write_step(
        "tenants/002_more.sql",
        b"-- wasmigrate:migrate\nCREATE TABLE {schema}.more (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE {schema}.more;",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(sums(&place), ["11", "11"]);
    place.run(&["reset"]).ends_with(0);
    let plan = place.run(&["plan"]).ends_with(0).and_says("3 pending");
    assert!(!plan.stdout.contains("changed"), "{plan:#?}");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(sums(&place), ["21", "21"]);
    // Nor has it, when an earlier content ran before the reset.
    place.write_step("tenants/R__add.sql", adds(100).as_bytes());
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("its content has changed");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    let plan = place.run(&["plan"]).ends_with(0).and_says("3 pending");
    assert!(!plan.stdout.contains("changed"), "{plan:#?}");
}

#[test]
fn of_one_that_is_gone_it_says_so() {
    let place = place();
    place.run(&["finalize"]).ends_with(0);
    for content in [adds(100), adds(10)] {
        place.write_step("tenants/R__add.sql", content.as_bytes());
        place.run(&["finalize"]).ends_with(0);
    }
    for file in ["tenants/R__add.sql", "single/R__log.sql"] {
        std::fs::remove_file(place.step(file)).unwrap();
    }
    let plan = place
        .run(&["plan"])
        .ends_with(0)
        .and_says("nothing is pending")
        .and_says("tenants/R__add.sql  its file is gone")
        .and_says("single/R__log.sql  its file is gone");
    assert_eq!(plan.stdout.matches("R__add").count(), 1, "{plan:#?}");
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("state   finalized")
        .and_says("2 of 2 tenants");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn they_run_after_the_last_migration_and_before_scripts() {
    let place = target()
        .with_sql("single/001_log.sql", "CREATE TABLE log (line TEXT);")
        .with_sql(
            "single/R__view.sql",
            "INSERT INTO log VALUES ('repeatable');",
        )
        .with_sql(
            "scripts/a.sql",
            "INSERT INTO log SELECT 'script after ' || count(*) FROM log;",
        )
        .with_sql("single/V2__more.sql", "CREATE TABLE more (id INTEGER);");
    place.run(&["migrate", "--steps", "1"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM log"), 0);
    place.run(&["finalize"]).ends_with(0);
    let lines = place.texts("SELECT line FROM log ORDER BY line");
    assert_eq!(lines, ["repeatable", "script after 1"]);
}

#[test]
fn a_finalize_section_is_refused() {
    let place = place();
    place.write_step(
        "tenants/R__add.sql",
        b"-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\nSELECT 2;",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("line 3: a repeatable step is neither finalized nor reset");
}
