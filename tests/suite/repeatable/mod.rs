//! Repeatable steps: they run last, in the order of their names, and again when their content has changed.

mod killed;
mod refused;
mod tenants;

use serde_json::Value;

use crate::place::{Place, Said};
use crate::service::process::Service;
use crate::service::remote::Desk;

const ITEMS: &str = "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
     CREATE TABLE ran (what TEXT NOT NULL);";

/// A view, which says when it is made.
fn view(name: &str, query: &str) -> String {
    format!(
        "DROP VIEW IF EXISTS {name};\nCREATE VIEW {name} AS {query};\nINSERT INTO ran VALUES ('{name}');\n"
    )
}

/// Two views over a table.
fn views() -> Place {
    Place::new()
        .with_sql("R__b_names.sql", &view("b_names", "SELECT name FROM item"))
        .with_sql("R__a_ids.sql", &view("a_ids", "SELECT id FROM item"))
        .with_sql("0001_items.sql", ITEMS)
}

fn change(place: &Place, query: &str) {
    place.write_step("R__a_ids.sql", view("a_ids", query).as_bytes());
}

fn times(place: &Place) -> i64 {
    place.one("SELECT count(*) FROM ran")
}

/// The steps that a run took through `migrate`, in order.
fn migrated(place: &Place, run: usize) -> Vec<String> {
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    let attempts = history[run]["attempts"].as_array().unwrap().clone();
    let name = |attempt: Value| attempt["name"].as_str().unwrap().to_owned();
    attempts.into_iter().map(name).collect()
}

/// The line of `status` about a step.
fn line(said: &Said, step: &str) -> String {
    let line = said.stdout.lines().find(|line| line.contains(step));
    line.unwrap_or_else(|| panic!("{step} is not in {said:#?}"))
        .to_owned()
}

#[test]
fn they_run_after_all_others_in_the_order_of_their_names() {
    let place = views();
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("3 pending")
        .and_says("  R__a_ids  sql");
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("3 steps ran and were rolled back");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("✓ R__a_ids migrated");
    assert_eq!(migrated(&place, 0), ["items", "R__a_ids", "R__b_names"]);
    let status = place.run(&["status"]).ends_with(0);
    status.and_says("state   finalization_required");
    let status = place.run(&["status"]).ends_with(0);
    assert!(
        line(&status, "R__b_names").contains("applied"),
        "{status:#?}"
    );
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do; the state is finalized");
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("1 applied step");
    assert_eq!(times(&place), 2);
}

#[test]
fn one_runs_again_when_its_content_has_changed_and_then_no_more() {
    let place = views();
    place.run(&["finalize"]).ends_with(0);
    change(&place, "SELECT id + 1 AS id FROM item");
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("1 pending")
        .and_says("R__a_ids  sql  again: its content has changed");
    place.run(&["verify"]).ends_with(0);
    let status = place.run(&["status"]).ends_with(0);
    assert!(line(&status, "R__a_ids").contains("its content has changed since"));
    assert!(line(&status, "state").contains("migration_required"));
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(migrated(&place, 0), ["R__a_ids"]);
    let status = place.run(&["status"]).ends_with(0);
    assert!(line(&status, "state").contains("finalized"), "{status:#?}");
    // What was there before is one more change.
    change(&place, "SELECT id FROM item");
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(times(&place), 4);
    // Line ends are none.
    let ends = view("a_ids", "SELECT id FROM item").replace('\n', "\r\n");
    place.write_step("R__a_ids.sql", ends.as_bytes());
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("nothing is pending");
    let history = place.run(&["history"]).ends_with(0);
    let runs = history
        .stdout
        .lines()
        .filter(|line| line.contains("R__a_ids"));
    assert_eq!(runs.count(), 3, "{history:#?}");
}

#[test]
fn one_that_fails_fails_the_run_and_what_was_before_stays() {
    let place = views();
    place.run(&["finalize"]).ends_with(0);
    change(&place, "SELECT missing FROM item");
    let broken = view("b_names", "SELECT upper(name) AS name FROM item");
    place.write_step("R__b_names.sql", broken.as_bytes());
    // SQLite looks at a view when it is used.
    let sql = "DROP VIEW a_ids; SELECT missing FROM item;";
    place.write_step("R__a_ids.sql", sql.as_bytes());
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("R__a_ids")
        .and_says("missing");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a_ids"), 0);
    let status = place.run(&["status"]).ends_with(0);
    assert!(line(&status, "state").contains("migration_failed"));
    change(&place, "SELECT id FROM item");
    // It is what it was before: only the other one has changed.
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(migrated(&place, 0), ["R__b_names"]);
    assert_eq!(times(&place), 3);
}

#[test]
fn a_part_of_the_steps_leaves_them_out_until_it_is_the_last() {
    let place = views().with_sql("0002_more.sql", "CREATE TABLE more (id INTEGER);");
    place
        .run(&["plan", "--to", "1"])
        .ends_with(0)
        .and_says("1 of 4 pending");
    place.run(&["migrate", "--to", "1"]).ends_with(0);
    assert_eq!(times(&place), 0);
    place
        .run(&["migrate", "--to", "R__a_ids"])
        .ends_with(2)
        .and_says("`R__a_ids` has no number, and is no place among the steps");
    place.run(&["finalize", "--to", "1"]).ends_with(0);
    assert_eq!(times(&place), 0);
    place.run(&["migrate", "--steps", "1"]).ends_with(0);
    assert_eq!(times(&place), 2);
    // A step that comes later is none that comes late.
    place.write_step("0003_last.sql", b"CREATE TABLE last (id INTEGER);");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(migrated(&place, 0)[0], "last");
    let status = place.run(&["status"]).ends_with(0);
    assert!(!status.stdout.contains("out of order"), "{status:#?}");
    assert_eq!(times(&place), 2);
}

#[test]
fn a_reset_lets_them_run_again() {
    let place = views().with_sql(
        "0002_price.sql",
        "-- wasmigrate:migrate
         ALTER TABLE item ADD COLUMN price INTEGER;
         -- wasmigrate:reset
         DROP VIEW IF EXISTS a_ids;
         ALTER TABLE item DROP COLUMN price;",
    );
    change(&place, "SELECT id, price FROM item");
    place.run(&["finalize", "--to", "1"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(times(&place), 2);
    place.run(&["reset"]).ends_with(0);
    place.run(&["plan"]).ends_with(0).and_says("3 pending");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(price) FROM a_ids"), 0);
    assert_eq!(times(&place), 4);
    // There is nothing to undo of them alone.
    place.run(&["finalize"]).ends_with(0);
    change(&place, "SELECT price FROM item");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0).and_says("nothing to do");
}

#[test]
fn what_one_made_stays_when_its_file_is_gone_and_plan_says_so() {
    let place = views();
    place.run(&["finalize"]).ends_with(0);
    std::fs::remove_file(place.step("R__a_ids.sql")).unwrap();
    let gone = "R__a_ids  its file is gone: it does not run any more, and what it made stays";
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("nothing is pending")
        .and_says(gone);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place.run(&["verify"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a_ids"), 0);
    place
        .run(&[
            "repair",
            "--remove",
            "R__a_ids",
            "--reason",
            "nobody reads it",
        ])
        .ends_with(0);
    let plan = place.run(&["plan"]).ends_with(0);
    assert!(!plan.stdout.contains("R__a_ids"), "{plan:#?}");
}

#[test]
fn a_component_may_be_repeatable() {
    let place = Place::new()
        .with_data("CREATE TABLE one (value INTEGER)")
        .with_guest("R__one.wasm", "one");
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM one"), 1);
}

#[test]
fn a_step_outside_a_transaction_may_be_repeatable() {
    let place = views().with_sql(
        "R__c_outside.sql",
        Place::in_sql_of(
            "VACUUM;",
            "-- wasmigrate:no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON item (name);",
        ),
    );
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn a_baseline_takes_none_of_them_as_applied() {
    let place = views().with_data(ITEMS);
    place.run(&["baseline"]).ends_with(0).and_says("0001_items");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(migrated(&place, 0), ["R__a_ids", "R__b_names"]);
}

#[test]
fn a_service_shows_which_of_them_run_again_and_why() {
    let place = views();
    place.run(&["finalize"]).ends_with(0);
    change(&place, "SELECT id + 1 AS id FROM item");
    let service = Service::start(&place);
    let status = service.get("/api/v1/status").json();
    let steps = status["steps"].as_array().unwrap();
    let shown: Vec<(&str, &str)> = steps
        .iter()
        .filter_map(|step| Some((step["name"].as_str()?, step["repeatable"].as_str()?)))
        .collect();
    assert_eq!(shown, [("R__a_ids", "changed"), ("R__b_names", "applied")]);
    assert_eq!(
        (&status["current_index"], &status["target_index"]),
        (&1.into(), &1.into())
    );
    let steps = service.get("/api/v1/steps").json();
    let index = steps[1]["index"].as_u64().unwrap();
    let details = service.get(&format!("/api/v1/steps/{index}")).json();
    assert_eq!(details["file_name"], "R__a_ids.sql");
    let desk = Desk::of(&service);
    desk.run(&["plan"])
        .ends_with(0)
        .and_says("R__a_ids  sql  again: its content has changed");
    desk.run(&["migrate"])
        .ends_with(0)
        .and_says("R__a_ids migrated");
    assert_eq!(service.state(), "finalized");
    assert_eq!(times(&place), 3);
}

/// It is no whole number to many programs that read JSON.
#[test]
fn their_index_is_not_in_what_machines_read() {
    let place = views().with_sql("R__index\":9223372036854775809.sql", "SELECT 1;");
    place.run(&["migrate"]).ends_with(0);
    for command in ["status", "history", "plan"] {
        change(&place, "SELECT id + 1 AS id FROM item");
        let said = place.run(&[command, "--json"]).ends_with(0);
        let mut values = vec![said.json()];
        let mut is_any = false;
        while let Some(value) = values.pop() {
            match value {
                Value::Array(all) => values.extend(all),
                Value::Object(fields) => {
                    is_any |= fields.get("index").is_some_and(Value::is_null);
                    values.extend(fields.into_values());
                }
                Value::Number(number) => assert!(number.is_i64(), "{number}: {said:#?}"),
                _ => {}
            }
        }
        assert!(is_any, "{said:#?}");
    }
}
