//! `/api/v1/tenants`: the tenants of the target.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::Service;
use super::body::read_body;
use super::problem::Problem;
use crate::database::Stop;
use crate::engine::{
    ApplyOrder, NewTenant, TenantAdded, TenantOverview, TenantRemoved, Unobserved,
};
use crate::journal::Commander;

/// The tenants, and where each stands.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "native", responses((status = 200, body = [TenantOverview]), (status = 401, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
) -> Result<Json<Vec<TenantOverview>>, Problem> {
    let tenants = service
        .supervisor
        .ask(async |engine| engine.tenants().await);
    Ok(Json(tenants.await?))
}

/// Removes a tenant: no run serves it any more. Its data stays as it is, and the history keeps what was applied for it.
#[utoipa::path(delete, path = "/api/v1/tenants/{name}", tag = "native", params(("name" = String, Path, description = "The tenant's name")), responses((status = 200, body = TenantRemoved), (status = 401, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<TenantRemoved>, Problem> {
    let Path(name) = name?;
    let removed = service.supervisor.ask(async move |engine| {
        engine
            .commanded_by(by)
            .remove_tenant(&name, Arc::new(Unobserved), &Stop::default())
            .await
    });
    Ok(Json(removed.await?))
}

/// Adds a tenant, and applies the files for tenants to it; answers when that is done.
#[utoipa::path(post, path = "/api/v1/tenants", tag = "native", responses((status = 201, body = TenantAdded), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), request_body = NewTenant, security(("token" = []), ("password" = [])))]
pub(super) async fn add(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
    request: Request,
) -> Result<(StatusCode, Json<TenantAdded>), Problem> {
    let tenant: NewTenant = read_body(request).await?;
    let name = tenant.name.clone();
    let order = ApplyOrder {
        by: Some(by),
        ..tenant.into()
    };
    let applied = service.supervisor.apply(order).await?;
    Ok((StatusCode::CREATED, Json(TenantAdded::new(&name, &applied))))
}
