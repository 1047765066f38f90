//! The same through a running host.

use serde_json::json;

use super::tool::NUMBERED_SQLX;
use crate::hosts::host::until;
use crate::place::Place;
use crate::service::process::{Service, TOKEN};

#[test]
fn a_history_is_taken_over_from_afar() {
    let there = NUMBERED_SQLX.with_new_file(NUMBERED_SQLX.place());
    let service = Service::start(&there);
    until("it warns", || {
        let logs = service.logs();
        logs.iter()
            .any(|line| line.contains("wasmigrate import --from sqlx"))
    });
    let refused = service.post("/api/v1/runs", &json!({ "command": "migrate" }));
    assert_eq!(refused.status, 409, "{refused:?}");
    let desk = Place::new();
    std::fs::write(desk.path().join("token"), TOKEN).unwrap();
    let url = format!("http://{}", service.address());
    let global = ["--host", url.as_str(), "--token-file", "token"];
    let from_afar = |arguments: &[&str]| desk.run(&[&global, arguments].concat());
    from_afar(&["import", "--from", "sqlx", "--dry-run"])
        .ends_with(0)
        .and_says("would write down 2 as applied");
    from_afar(&["import", "--from", "dbmate"])
        .ends_with(2)
        .and_says("there is no table `schema_migrations`");
    from_afar(&["import", "--from", "sqlx"])
        .ends_with(0)
        .and_says("run 1 wrote down 2 as applied");
    from_afar(&["baseline", "--reason", "made by hand"])
        .ends_with(0)
        .and_says("  0003_add_notes")
        .and_says("run 2 wrote down 1 as applied");
    assert_eq!(service.state(), "finalized");
    assert_eq!(service.output(2)[0], "reason: made by hand");
    assert!(!there.has_table("notes"));
}

#[test]
fn what_is_asked_for_wrongly_is_told() {
    let service = Service::start(&NUMBERED_SQLX.place());
    let answer = service.post("/api/v1/import", &json!({ "from": "alembic" }));
    assert_eq!(answer.status, 422, "{answer:?}");
    let answer = service.post("/api/v1/baseline", &json!({ "until": 3 }));
    assert_eq!(answer.status, 422, "{answer:?}");
    let answer = service.post("/api/v1/baseline", &json!({ "through": 9 }));
    assert_eq!(answer.status, 409, "{answer:?}");
}
