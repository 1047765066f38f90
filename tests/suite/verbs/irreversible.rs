//! A step that cannot be undone is found before anything is.

use crate::hostile::component::{Component, Phases, sql};
use crate::place::Place;
use crate::route::steps::{obeyed, obeys};
use crate::service::process::Service;
use crate::tenants::{self, Tenants as _};

/// The body of an export that gives up with these words.
pub fn gives_up(words: &str) -> String {
    format!("(return (call $fail {{{{{words}}}}} (i32.const 0)))")
}

/// A component whose reset gives up at once, as the default of the SDK does.
pub fn one_way() -> Component {
    Component::migrating(sql("CREATE TABLE kept (a INTEGER)"))
        .with("reset", gives_up("has no reset"))
}

const UNDONE: &str = "-- wasmigrate:migrate\nCREATE TABLE undone (a INTEGER);\n-- wasmigrate:reset\nDROP TABLE undone;";

#[test]
fn a_component_without_a_reset_is_refused_and_nothing_changes() {
    let place = Place::new()
        .with_data("CREATE TABLE one (value INTEGER)")
        .with_guest("0001_one.wasm", "one")
        .with_sql("0002_undone.sql", UNDONE);
    place.run(&["migrate"]).ends_with(0);
    let before = place.content();
    let said = place
        .run(&["reset"])
        .ends_with(2)
        .and_says(
            "0001_one, reset: it has no reset, so that what it did cannot be undone; nothing was reset",
        )
        .and_says("nothing was changed; the state is finalization_required");
    // Not even for a moment.
    assert!(!said.stderr.contains("0002_undone"), "{said:#?}");
    assert_eq!(place.content(), before);
    place
        .run(&["history", "-n", "1"])
        .ends_with(0)
        .and_says("reset  refused");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
}

#[test]
fn a_reset_that_asks_the_database_first_is_tried() {
    let asks = sql("DELETE FROM kept") + &gives_up("the rows are needed");
    let component = one_way().with("reset", asks);
    let place = Place::new();
    place.write_step("0001_asks.wasm", &component.build());
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset"])
        .ends_with(1)
        .and_says("0001_asks, reset: the rows are needed")
        .and_says("the failed step was rolled back, the state is finalization_required");
    place.run(&["finalize"]).ends_with(0);
}

/// Its reset would ask the database first: only its own word tells that there is none.
#[test]
fn a_component_that_says_that_it_has_no_reset_is_not_called() {
    let asks = sql("DELETE FROM kept") + &gives_up("the rows are needed");
    for (has_reset, status, words) in [
        (
            false,
            2,
            "0002_asks, reset: it has no reset, so that what it did cannot be undone; nothing was reset",
        ),
        (true, 1, "0002_asks, reset: the rows are needed"),
    ] {
        let component = one_way().with("reset", asks.clone()).with_phases(Phases {
            finalize: true,
            reset: has_reset,
        });
        let place = Place::new().with_sql("0001_undone.sql", UNDONE);
        place.write_step("0002_asks.wasm", &component.build());
        place.run(&["migrate"]).ends_with(0);
        let before = place.content();
        let said = place
            .run(&["reset"])
            .ends_with(status)
            .and_says(words)
            .and_says("the state is finalization_required");
        assert_eq!(place.content(), before, "{said:#?}");
        place.run(&["finalize"]).ends_with(0);
    }
}

#[test]
fn a_reset_that_is_refused_for_one_tenant_changes_nothing_for_the_others() {
    for how in [&["reset", "--atomic"][..], &["reset", "--parallel", "1"]] {
        for stays in ["acme", "beta", "zoe"] {
            let place = tenants::target()
                .with_tenants(&["acme", "beta", "zoe"])
                .with_sql(
                    "tenants/001_kept.js",
                    &format!(
                        "import {{ setting }} from 'wasmigrate';
export function migrate(db) {{ db.execute('CREATE TABLE kept (a INTEGER)'); }}
export function reset(db) {{
  if (setting('tenant') === '{stays}') throw new Error('not this one');
  db.execute('DROP TABLE kept');
}}"
                    ),
                );
            place.run(&["migrate"]).ends_with(0);
            place.run(how).ends_with(2).and_says("not this one");
            for tenant in ["acme", "beta", "zoe"] {
                assert!(place.of_tenant(tenant).has_table("kept"), "{tenant}");
            }
        }
    }
}

#[test]
fn a_reset_of_tenants_is_refused_too() {
    let says_so = Phases {
        finalize: false,
        reset: false,
    };
    let silent = Component::new().with("reset", gives_up("has no reset"));
    let telling = Component::new().with_phases(says_so);
    for (how, component, words) in [
        (
            &["reset", "--atomic"][..],
            silent,
            "it says \"has no reset\", so that what it did cannot be undone",
        ),
        (
            &["reset", "--parallel", "2"],
            telling,
            "it has no reset, so that what it did cannot be undone",
        ),
    ] {
        let place = tenants::target().with_tenants(&["acme", "beta"]);
        place.write_step("tenants/001_kept.wasm", &component.build());
        place.run(&["migrate"]).ends_with(0);
        place
            .run(how)
            .ends_with(2)
            .and_says(words)
            .and_says("the state is finalization_required");
        place.run(&["finalize"]).ends_with(0);
    }
}

/// What had failed is still to be seen: a refused reset has done nothing about it.
#[test]
fn a_refused_reset_leaves_the_state_as_it_was() {
    for (breaks, state, again) in [
        ("migrate", "migration_failed", "migrate"),
        ("finalize", "finalization_failed", "finalize"),
    ] {
        let place = obeyed(Place::new())
            .with_component("0001_kept.wasm", one_way())
            .with_component(
                "0002_work.wasm",
                Component::new()
                    .with("migrate", obeys("migrate"))
                    .with("finalize", obeys("finalize")),
            );
        place.break_down(breaks);
        place.run(&["finalize"]).ends_with(1);
        let failed = place.run(&["status", "--json"]).json();
        assert_eq!(failed["state"], state);
        for _ in 0..2 {
            place
                .run(&["reset"])
                .ends_with(2)
                .and_says(&format!("nothing was changed; the state is {state}"));
        }
        let service = Service::start(&place);
        assert_eq!(service.state(), state);
        let status = place.run(&["status"]).ends_with(0);
        let why = failed["failure"]["message"].as_str().unwrap();
        let failure = format!("last failure  0002_work, {breaks}: {why}");
        status
            .and_says(&failure)
            .and_says("last refusal  0001_kept, reset:");
        drop(service);
        place.fix(breaks);
        place.run(&[again]).ends_with(0);
        place.run(&["finalize"]).ends_with(0);
    }
}

#[test]
fn tenants_stay_as_they_were_when_a_reset_is_refused() {
    let place = tenants::target().with_tenants(&["acme"]);
    let component = Component::new().with("reset", gives_up("has no reset"));
    place.write_step("tenants/001_kept.wasm", &component.build());
    place.write_step("tenants/002_fails.sql", b"SELECT nothing FROM nowhere;");
    place.run(&["migrate", "--parallel", "1"]).ends_with(1);
    place
        .run(&["reset", "--parallel", "1"])
        .ends_with(2)
        .and_says("the state is migration_failed");
}
