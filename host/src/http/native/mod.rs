//! `/api/v1/`: the host's own protocol, for what the compatible routes cannot say.

mod authenticate;
pub(super) mod events;
pub(super) mod lease;
pub(super) mod runs;
pub(super) mod start;
pub(super) mod steps;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, delete, get, post};

use super::dashboard;
use super::problem::Problem;
use super::tenants;
use super::{BODY_BYTES, Service};

pub(super) use start::Requests;

/// Lines of output, or runs, that one answer holds at most.
const PAGE: u32 = 1_000;

pub(super) fn routes(service: &Arc<Service>) -> Router<Arc<Service>> {
    Router::new()
        .route("/api/v1/status", get(steps::status))
        .route("/api/v1/steps", get(steps::steps))
        .route("/api/v1/steps/{index}", get(steps::step))
        .route("/api/v1/advice", get(steps::advice))
        .route("/api/v1/runs", get(runs::runs).post(start::start))
        .route("/api/v1/runs/{run}", get(runs::run))
        .route("/api/v1/runs/{run}/output", get(runs::output))
        .route("/api/v1/runs/{run}/cancel", post(runs::cancel))
        .route("/api/v1/pause", post(runs::pause))
        .route("/api/v1/resume", post(runs::resume))
        .route("/api/v1/lease", get(lease::lease))
        .route("/api/v1/lease/break", post(lease::break_lease))
        .route("/api/v1/bad-rows", get(steps::bad_rows))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/verify", get(steps::verify))
        .route("/api/v1/rehearsal", post(steps::rehearse))
        .route("/api/v1/baseline", post(steps::baseline))
        .route("/api/v1/import", post(steps::import))
        .route(
            "/api/v1/repair",
            get(steps::differences).post(steps::repair),
        )
        .route("/api/v1/tenants", get(tenants::list).post(tenants::add))
        .route("/api/v1/tenants/{name}", delete(tenants::remove))
        .route("/api/v1/{*nowhere}", any(not_found))
        .route("/api/v1/", any(not_found))
        .route("/api/v1", any(not_found))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed",
                "see `Allow` for the methods of this resource",
            )
        })
        .route_layer(from_fn_with_state(
            Arc::clone(service),
            authenticate::authenticate,
        ))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn(dashboard::of_the_api))
}

async fn not_found() -> Problem {
    Problem::not_found("there is no such resource")
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "bad request", rejection.body_text())
    }
}
