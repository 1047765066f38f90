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

mod postgres {
    use super::*;
    use crate::service::client::Request;

    /// The API of the tool *migrator* is as closed as the host's own, unless the settings are that tool's.
    #[test]
    fn without_a_secret_nobody_gives_commands() {
        let place = counting().with_tenants(&["acme"]);
        place.write_step("tenants/002_add.sql", ADD.as_bytes());
        let service = Service::start_without_secrets(&place);
        let send = |request: Request| request.without("Authorization").send(service.address());
        for mode in ["sync", "apply", "dry-run"] {
            let order = json!({ "mode": mode, "response": "list" });
            assert_eq!(send(Request::post("/v1/migrations", &order)).status, 401);
        }
        let order = json!({ "mode": "apply", "response": "list", "name": "beta" });
        assert_eq!(send(Request::post("/v1/tenants", &order)).status, 401);
        for path in [
            "/v1/config",
            "/v1/migrations/source",
            "/v1/migrations/applied",
            "/v1/tenants",
        ] {
            assert_eq!(send(Request::get(path)).status, 401, "{path}");
        }
        assert_eq!(place.sum("acme"), "1");
        assert_eq!(place.sum("beta"), "");
        drop(service);
        place.run(&["status"]).ends_with(0).and_says("1 pending");
    }
}
