//! What a load balancer or an orchestrator asks; needs no password and tells no secret.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use serde_json::json;

use super::Service;
use crate::engine::{Overview, State as TargetState};

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
}

/// The process answers. True also while it migrates.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "The process answers")))]
pub(super) async fn healthy() -> Response {
    super::json(StatusCode::OK, &json!({ "status": "up" }))
}

/// How a service is that can read its target.
#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    state: TargetState,
    /// How much of the rows is done.
    percent: Option<u128>,
    /// Why every command would be refused; missing when none would.
    #[serde(skip_serializing_if = "Option::is_none")]
    refuses: Option<&'static str>,
}

/// The target can be read; says what it is doing, and whether it would refuse every command.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, description = "The target can be read"), (status = 503, description = "It cannot")))]
pub(super) async fn ready(State(service): State<Arc<Service>>) -> Response {
    match service.supervisor.glance().await {
        Ok(overview) => super::json(
            StatusCode::OK,
            &Readiness {
                status: match overview.state.is_running() {
                    true => "migrating",
                    false => "ready",
                },
                state: overview.state,
                percent: percent(&overview),
                // No reason to send requests elsewhere: the other hosts refuse the same, and somebody has to come and look.
                refuses: (!overview.problems.is_empty())
                    .then_some("every command: the files do not fit the journal"),
            },
        ),
        // The cause names the target and is for those who may ask.
        Err(_) => super::json(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "the target cannot be read" }),
        ),
    }
}

/// How much of the rows is done during a run, where its steps announced any.
fn percent(overview: &Overview) -> Option<u128> {
    let rows = overview.rows.filter(|_| overview.state.is_running())?;
    // Wide enough for whatever a step says.
    (u128::from(rows.done) * 100).checked_div(rows.expected.into())
}
