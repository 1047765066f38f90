//! Some of the steps: up to one, back to one, or so many.

use serde_json::json;

use crate::place::Place;
use crate::service::process::Service;
use crate::service::remote::Desk;
use crate::tenants::{self, Tenants as _};
use crate::transform::customers;

/// A step that makes a table and can be undone.
fn table(name: &str) -> String {
    format!(
        "-- wasmigrate:migrate\nCREATE TABLE {name} (id INTEGER);\n-- wasmigrate:finalize\nINSERT INTO {name} VALUES (1);\n-- wasmigrate:reset\nDROP TABLE {name};"
    )
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Four steps, each of which makes a table.
fn four() -> Place {
    (1..).zip(NAMES).fold(Place::new(), |place, (index, name)| {
        place.with_sql(&format!("000{index}_{name}.sql"), &table(name))
    })
}

/// The tables that are there.
#[track_caller]
fn has(place: &Place, expected: &str) {
    let there = NAMES.into_iter().filter(|name| place.has_table(name));
    assert_eq!(there.collect::<String>(), expected);
}

/// The tables to which the finalize has been.
#[track_caller]
fn is_final(place: &Place, expected: &str) {
    let count = |name: &&str| {
        place.has_table(name) && place.one::<i64>(&format!("SELECT count(*) FROM {name}")) == 1
    };
    assert_eq!(
        NAMES.into_iter().filter(count).collect::<String>(),
        expected
    );
}

#[test]
fn migrate_goes_up_to_a_step_and_says_what_is_left() {
    let place = four();
    let plan = place.run(&["plan", "--to", "2"]).ends_with(0);
    let plan = plan.and_says("2 of 4 pending").and_says("0002_b");
    assert!(!plan.stdout.contains("0003_c"), "{plan:#?}");
    let rehearsed = place.run(&["plan", "--to", "2", "--dry-run"]).ends_with(0);
    rehearsed.and_says("2 steps ran and were rolled back");
    place
        .run(&["migrate", "--to", "2"])
        .ends_with(0)
        .and_says("migrate, 2 steps")
        .and_says("done; the state is migration_required: 2 steps are pending")
        .and_says("`wasmigrate finalize --to 0002`");
    has(&place, "ab");
    place
        .run(&["migrate", "--to", "0001_a"])
        .ends_with(0)
        .and_says("nothing to do within what was asked for; the state is migration_required");
    place
        .run(&["migrate", "--to", "0003_c.sql"])
        .ends_with(0)
        .and_says("1 step is pending");
    has(&place, "abc");
    for command in ["migrate", "plan", "reset", "finalize"] {
        place
            .run(&[command, "--to", "9"])
            .ends_with(2)
            .and_says("there is no step 9: the last is 0004_d");
    }
    place
        .run(&["migrate", "--to", "4"])
        .ends_with(0)
        .and_says("done; the state is finalization_required; `wasmigrate finalize` makes it final");
    has(&place, "abcd");
}

#[test]
fn migrate_takes_so_many() {
    let place = four();
    let plan = place
        .run(&["plan", "--steps", "3", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(plan["pending"].as_array().unwrap().len(), 3);
    place.run(&["migrate", "--steps", "1"]).ends_with(0);
    has(&place, "a");
    place.run(&["migrate", "--steps", "2"]).ends_with(0);
    has(&place, "abc");
    place.run(&["migrate", "--steps", "9"]).ends_with(0);
    has(&place, "abcd");
    for wrong in [
        &["--steps", "0"][..],
        &["--to", "1", "--steps", "1"],
        &["--steps", "-1"],
    ] {
        place.run(&[&["migrate"], wrong].concat()).ends_with(2);
    }
}

#[test]
fn what_is_refused_of_a_part_is_what_is_in_it() {
    let place = four();
    place.write_step("0004_d.sql", b"INSERT INTO nowhere VALUES (1);");
    place.run(&["migrate", "--to", "3"]).ends_with(0);
    place.run(&["migrate", "--steps", "1"]).ends_with(1);
    place
        .run(&["finalize", "--to", "3"])
        .ends_with(0)
        .and_says("the state is migration_required: 1 step is pending");
    is_final(&place, "abc");
}

#[test]
fn a_part_is_made_final_and_the_rest_stays_as_it_is() {
    let place = four();
    place.run(&["migrate", "--to", "3"]).ends_with(0);
    place.run(&["finalize", "--to", "2"]).ends_with(0);
    is_final(&place, "ab");
    has(&place, "abc");
    let status = place.run(&["status", "--json"]).json();
    assert_eq!(status["current_index"], 2);
    place
        .run(&["reset", "--to", "1"])
        .ends_with(2)
        .and_says("0002_b, which was migrated after that step, is finalized and cannot be undone");
    place.run(&["reset"]).ends_with(0);
    has(&place, "ab");
    // Without an end it is all, as ever: what is pending runs first.
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
    is_final(&place, "abcd");
    place
        .run(&["finalize", "--steps", "1"])
        .ends_with(2)
        .and_says("no number of steps");
}

#[test]
fn reset_goes_back_to_a_step_or_so_many_in_one_transaction() {
    let place = four();
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset", "--steps", "1"])
        .ends_with(0)
        .and_says("0004_d reset")
        .and_says("the state is migration_required");
    has(&place, "abc");
    place.run(&["reset", "--to", "0001_a"]).ends_with(0);
    has(&place, "a");
    place
        .run(&["reset", "--to", "2"])
        .ends_with(2)
        .and_says("0002_b is not migrated: `--to` names the last step that stays");
    place
        .run(&["reset", "--to", "1"])
        .ends_with(0)
        .and_says("nothing to do within what was asked for");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset", "--to", "0"]).ends_with(0);
    has(&place, "");
    // One of them cannot be undone, so none is.
    place.write_step("0003_c.sql", b"CREATE TABLE c (id INTEGER);");
    place.run(&["migrate"]).ends_with(0);
    for extent in [&["--to", "2"][..], &["--steps", "2"]] {
        place
            .run(&[&["reset"], extent].concat())
            .ends_with(2)
            .and_says("0003_c, reset: it has no section")
            .and_says("nothing was changed; the state is finalization_required");
        has(&place, "abcd");
    }
    place.run(&["reset", "--to", "3"]).ends_with(0);
    has(&place, "abc");
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["reset", "--steps", "1"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn a_service_takes_the_same() {
    let place = four();
    let service = Service::start(&place);
    let desk = Desk::of(&service);
    desk.run(&["plan", "--to", "2"])
        .ends_with(0)
        .and_says("2 of 4 pending");
    desk.run(&["plan", "--steps", "3", "--dry-run"])
        .ends_with(0)
        .and_says("3 steps ran and were rolled back");
    desk.run(&["migrate", "--to", "0003_c"])
        .ends_with(0)
        .and_says("done; the state is migration_required: 1 step is pending");
    has(&place, "abc");
    desk.run(&["reset", "--steps", "1"]).ends_with(0);
    has(&place, "ab");
    desk.run(&["migrate", "--to", "9"])
        .ends_with(2)
        .and_says("there is no step 9");
    let start = |body| service.post("/api/v1/runs", &body);
    let answer = start(json!({ "command": "reset", "to": "0001_a" }));
    assert_eq!(answer.status, 202, "{answer:?}");
    service.outcome(answer.json()["run"].as_i64().unwrap());
    has(&place, "a");
    let answer = start(json!({ "command": "migrate", "steps": 2 }));
    service.outcome(answer.json()["run"].as_i64().unwrap());
    has(&place, "abc");
    for (wrong, status) in [
        (json!({ "command": "migrate", "to": 9 }), 409),
        (json!({ "command": "migrate", "to": 4, "steps": 1 }), 400),
        (json!({ "command": "migrate", "steps": 0 }), 422),
    ] {
        assert_eq!(start(wrong).status, status);
    }
    let answer = start(json!({ "command": "migrate", "to": -1 }));
    assert_eq!(answer.status, 422);
    assert!(
        answer
            .json()
            .to_string()
            .contains("expected a step: its index"),
        "{answer:?}"
    );
    let answer = start(json!({ "command": "finalize", "to": "0002" }));
    service.outcome(answer.json()["run"].as_i64().unwrap());
    is_final(&place, "ab");
    assert_eq!(service.state(), "migration_required");
}

#[test]
fn transformations_of_a_part_are_made_final_alone() {
    let place = customers::place(50)
        .with_data(
            "CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL);
             INSERT INTO word VALUES (1, 'one'), (2, 'two');",
        )
        .with_guest("0002_shout.wasm", "shout");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset", "--steps", "1"]).ends_with(0);
    assert!(place.connect().try_run("SELECT shout FROM word").is_err());
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["finalize", "--to", "1"])
        .ends_with(0)
        .and_says("the state is finalization_required");
    assert_eq!(place.texts("SELECT family_name FROM customer").len(), 50);
    // The other one still captures what the application does.
    place
        .connect()
        .run("INSERT INTO word (id, text) VALUES (3, 'three')");
    place
        .connect()
        .run("UPDATE word SET text = 'deux' WHERE id = 2");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
    let shouted = place.texts("SELECT shout FROM word ORDER BY id");
    assert_eq!(shouted, ["ONE", "DEUX", "THREE"]);
    customers::no_capture_is_left(&place);
}

/// Two files for tenants with one for the target between them, and a script that needs all of them.
fn shared() -> Place {
    let file = |table: &str| {
        format!(
            "-- wasmigrate:migrate\nCREATE TABLE {{schema}}.{table} (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE {{schema}}.{table};"
        )
    };
    tenants::target()
        .with_tenants(&["acme", "beta"])
        .with_sql("tenants/001_one.sql", &file("one"))
        .with_sql("tenants/002_two.sql", &file("two"))
        .with_sql(
            "views/001_both.sql",
            "CREATE TABLE IF NOT EXISTS {schema}.both AS SELECT one.id FROM {schema}.one, {schema}.two;",
        )
}

#[test]
fn tenants_take_a_part_and_scripts_wait_for_the_last() {
    for how in [&["--atomic"][..], &["--parallel", "2"]] {
        let place = shared();
        let there = |tables: &str| {
            for tenant in ["acme", "beta"] {
                let mut application = place.of_tenant(tenant);
                let there = ["one", "two", "both"].map(|name| application.has_table(name));
                let shown: String = ["1", "2", "b"]
                    .into_iter()
                    .zip(there)
                    .filter_map(|(name, is_there)| is_there.then_some(name))
                    .collect();
                assert_eq!(shown, tables, "{tenant}");
            }
        };
        let run = |arguments: &[&str]| place.run(&[arguments, how].concat());
        place
            .run(&["plan", "--steps", "1"])
            .ends_with(0)
            .and_says("tenants/001_one.sql");
        // The other file, and the script that runs with it.
        run(&["migrate", "--to", "1"])
            .ends_with(0)
            .and_says("the state is migration_required: 2 steps are pending");
        there("1");
        run(&["migrate", "--to", "tenants/009_none.sql"])
            .ends_with(2)
            .and_says("there is no step `tenants/009_none.sql`");
        run(&["migrate", "--steps", "1"]).ends_with(0);
        there("12b");
        run(&["reset", "--steps", "1"]).ends_with(0);
        there("1b");
        run(&["finalize", "--to", "1"]).ends_with(0);
        run(&["reset", "--to", "0"])
            .ends_with(2)
            .and_says("is finalized");
        run(&["finalize"])
            .ends_with(0)
            .and_says("the state is finalized");
    }
}

#[test]
fn a_name_that_several_steps_have_is_not_enough() {
    let place = Place::new()
        .with_sql("0001_same.sql", &table("a"))
        .with_sql("0002_same.sql", &table("b"));
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset", "--to", "same"])
        .ends_with(2)
        .and_says("several steps are called `same`");
    has(&place, "ab");
    place.run(&["reset", "--to", "0001_same"]).ends_with(0);
    has(&place, "a");
}
