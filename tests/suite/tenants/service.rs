//! Tenants over HTTP.

use serde_json::json;

use super::{ADD, Tenants as _, counting};
use crate::place::Place;
use crate::route;
use crate::service::process::Service;

#[test]
fn tenants_are_listed_and_added() {
    let place = counting().with_tenants(&["acme"]);
    let service = Service::start(&place);
    let added = service.post("/api/v1/tenants", &json!({ "name": "beta" }));
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.json()["files"], 1);
    let again = service.post("/api/v1/tenants", &json!({ "name": "beta" }));
    again.is_problem(409, "there is a tenant `beta` already");
    let refused = service.post("/api/v1/tenants", &json!({ "name": "x; DROP TABLE y" }));
    refused.is_problem(400, "cannot be a tenant's name");
    let list = service.get("/api/v1/tenants").json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["name"], "beta");
    assert_eq!(place.sum("beta"), "1");
}

#[test]
fn status_sums_over_all_tenants() {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    let service = Service::start(&place);
    let status = service.get("/api/v1/status").json();
    assert_eq!(status["state"], "migration_required");
    assert_eq!(
        status["tenants"],
        json!({ "tenants": 2, "up_to_date": 0, "behind": 2, "failed": 0 })
    );
    service.does("finalize");
    let status = service.get("/api/v1/status").json();
    assert_eq!(status["state"], "finalized");
    assert_eq!(status["tenants"]["up_to_date"], 2);
    assert_eq!(
        (place.sum("acme"), place.sum("beta")),
        ("11".to_owned(), "11".to_owned())
    );
}

#[test]
fn a_target_without_tenants_has_none() {
    let service = Service::start(&Place::new());
    service.get("/api/v1/tenants").is_problem(409, "[sources]");
}

#[test]
fn stats_sum_over_all_tenants() {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    let service = route::service::Service::start(&place, 60_000);
    let is = |status: &str, current: u32| {
        let stats = service.stats("current");
        assert_eq!(stats["status"], status, "{stats}");
        assert_eq!(stats["current_migration_index"], current, "{stats}");
        assert_eq!(stats["target_migration_index"], 3, "{stats}");
    };
    is("migration_required", 1);
    service.ask("current", "migrate");
    is("finalization_required", 1);
    service.ask("current", "finalize");
    is("finalized", 3);
    assert_eq!(
        (place.sum("acme"), place.sum("beta")),
        ("21".to_owned(), "21".to_owned())
    );
}

#[test]
fn tenants_that_are_added_at_once_are_each_added_once() {
    let place = counting().with_tenants(&["acme"]);
    let service = Service::start(&place);
    let add = |name: &str| {
        service
            .post("/api/v1/tenants", &json!({ "name": name }))
            .status
    };
    let answers: Vec<(String, u16)> = std::thread::scope(|scope| {
        let add = &add;
        let asked: Vec<_> = (0..10)
            .map(|number| format!("tenant_{}", number / 2))
            .map(|name| scope.spawn(move || (name.clone(), add(&name))))
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for number in 0..5 {
        let name = format!("tenant_{number}");
        let mut of_name: Vec<u16> = answers
            .iter()
            .filter(|(asked, _)| *asked == name)
            .map(|(_, status)| *status)
            .collect();
        of_name.sort_unstable();
        assert_eq!(of_name, [201, 409], "{name}");
        assert_eq!(place.sum(&name), "1", "{name}");
    }
}
