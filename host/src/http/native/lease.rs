//! The lease, and its breaking.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::{Extension, Json};
use serde::Deserialize;

use crate::engine::Broken;
use crate::http::Service;
use crate::http::body::read_body;
use crate::http::problem::Problem;
use crate::journal::Commander;

/// Why the lease is broken.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct BreakOrder {
    /// The history shows it.
    reason: String,
}

/// Who holds the lease, or died holding it, and who is about to begin a run.
#[utoipa::path(get, path = "/api/v1/lease", tag = "native", responses((status = 200, body = Broken), (status = 401, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn lease(
    State(service): State<Arc<Service>>,
) -> Result<Json<Broken>, Problem> {
    let found = service
        .supervisor
        .ask(async |engine| engine.lease_and_beginning().await);
    Ok(Json(found.await?))
}

/// Takes the lease from whoever holds it: that host cannot commit anything any more, and its run ends as interrupted.
#[utoipa::path(post, path = "/api/v1/lease/break", tag = "native", responses((status = 200, body = Broken), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)), request_body = BreakOrder, security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn break_lease(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
    request: Request,
) -> Result<Json<Broken>, Problem> {
    let BreakOrder { reason } = read_body(request).await?;
    let broken = service
        .supervisor
        .ask(async move |engine| engine.commanded_by(by).break_lease(&reason).await);
    Ok(Json(broken.await?))
}
