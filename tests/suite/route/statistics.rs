//! `stats`: indexes, and how many rows of how many are migrated.

use serde_json::{Value, json};

use super::service::Service;
use super::steps::{TROUBLE, counts, obeyed, obeys, progresses};
use super::{AT_ONCE, AT_THE_END, CURRENT, DIALECTS, FULL_OUTPUT, PROGRESS, obedient};
use crate::hostile::component::Component;
use crate::place::Place;

/// What `stats` shows beside output.
fn stats(service: &Service, dialect: &str) -> Value {
    let answer = service.ask(dialect, "stats");
    assert_eq!(answer.as_object().unwrap().len(), 2, "{answer}");
    answer["stats"].clone()
}

/// A step that announces five rows, does two of them, waits, and does the rest.
fn five_rows() -> Component {
    Component::new().with("count", counts(5)).with(
        "migrate",
        progresses(2) + &obeys("migrate") + &progresses(5),
    )
}

#[test]
fn indexes_grow_with_what_is_finalized_and_what_is_on_disk() {
    for dialect in [CURRENT, FULL_OUTPUT] {
        let place = obedient().with_sql("0004_more.sql", "CREATE TABLE more (id INTEGER);");
        let service = Service::start(&place, AT_THE_END);
        let indexes = |status: &str, current: u32, target: u32| {
            assert_eq!(
                stats(&service, dialect),
                json!({
                    "status": status,
                    "current_migration_index": current,
                    "target_migration_index": target,
                })
            );
        };
        indexes("migration_required", 0, 4);
        service.ask(dialect, "migrate");
        indexes("finalization_required", 0, 4);
        service.ask(dialect, "finalize");
        indexes("finalized", 4, 4);
        let later = "CREATE TABLE later (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE later;";
        place.write_step(
            "0012_later.sql",
            format!("-- wasmigrate:migrate\n{later}").as_bytes(),
        );
        indexes("migration_required", 4, 12);
        service.ask(dialect, "migrate");
        indexes("finalization_required", 4, 12);
        service.ask(dialect, "reset");
        indexes("migration_required", 4, 12);
        service.ask(dialect, "finalize");
        indexes("finalized", 12, 12);
    }
}

#[test]
fn models_are_counted_while_they_are_migrated() {
    for dialect in [CURRENT, FULL_OUTPUT] {
        let place = obeyed(Place::new()).with_component("0001_rows.wasm", five_rows());
        place.close("migrate");
        let service = Service::start(&place, AT_ONCE);
        assert_eq!(stats(&service, dialect).get("migratable_models"), None);
        service.ask(dialect, "migrate");
        super::service::until("rows", || {
            stats(&service, dialect)["migratable_models"] == json!({ "count": 5, "migrated": 2 })
        });
        let words = service.ask(PROGRESS, "stats")["output"].take();
        assert!(
            words.to_string().contains("Migrated models: 2 of 5"),
            "{words}"
        );
        place.open("migrate");
        service.until_state("finalization_required");
        let done = json!({ "count": 5, "migrated": 5 });
        assert_eq!(stats(&service, dialect)["migratable_models"], done);
        service.ask(dialect, "finalize");
        service.until_state("finalized");
        assert_eq!(stats(&service, dialect).get("migratable_models"), None);
    }
}

#[test]
fn the_rows_of_all_pending_steps_are_added_up() {
    let place = obeyed(Place::new())
        .with_component("0001_rows.wasm", five_rows())
        .with_component("0002_more.wasm", Component::new().with("count", counts(37)))
        .with_component("0003_unknown.wasm", Component::new());
    let service = Service::start(&place, AT_THE_END);
    service.ask(CURRENT, "migrate");
    assert_eq!(stats(&service, CURRENT)["migratable_models"]["count"], 42);
}

#[test]
fn models_and_exception_exclude_each_other() {
    let place = obeyed(Place::new()).with_component("0001_rows.wasm", five_rows());
    place.break_down("migrate");
    let service = Service::start(&place, AT_THE_END);
    service.ask(CURRENT, "migrate");
    for dialect in [CURRENT, FULL_OUTPUT] {
        assert_eq!(
            stats(&service, dialect),
            json!({
                "status": "migration_failed",
                "exception": format!("0001_rows, migrate: {TROUBLE}"),
                "current_migration_index": 0,
                "target_migration_index": 1,
            })
        );
    }
}

#[test]
fn a_place_without_steps_and_without_a_database_has_nothing_to_do() {
    let place = Place::new();
    let service = Service::start(&place, AT_THE_END);
    for dialect in DIALECTS {
        service.ask(dialect, "migrate");
        service.ask(dialect, "stats");
    }
    assert_eq!(
        stats(&service, CURRENT),
        json!({ "status": "finalized", "current_migration_index": 0, "target_migration_index": 0 })
    );
    assert!(place.is_untouched());
}
