//! `/v1/tenants`: those that there are, and a new one.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::apply::Answer;
use super::refusal::Refusal;
use super::{Api, apply, request};
use crate::journal::Commander;

#[utoipa::path(get, path = "/v1/tenants", tag = "migrator", responses((status = 200, body = [String]), (status = 401, body = Refusal), (status = 500, body = Refusal)), security((), ("token" = []), ("password" = [])))]
pub(in crate::http) async fn get(State(api): State<Api>) -> Result<Response, Refusal> {
    let supervisor = &api.service.supervisor;
    let tenants = supervisor
        .ask(async |engine| engine.tenants().await)
        .await?;
    let names: Vec<&str> = tenants.iter().map(|tenant| &*tenant.name).collect();
    Ok(super::json(StatusCode::OK, &names))
}

#[utoipa::path(post, path = "/v1/tenants", tag = "migrator", request_body(content = Object, example = json!({ "name": "acme", "mode": "apply", "response": "full" })), responses((status = 200, body = Answer), (status = 400, body = Refusal), (status = 401, body = Refusal), (status = 409, body = Refusal, description = "There is such a tenant already"), (status = 424, body = Refusal, description = "Migrations were changed since they were applied"), (status = 500, body = Refusal, description = "A migration failed, or the database cannot be reached")), security((), ("token" = []), ("password" = [])))]
pub(in crate::http) async fn post(
    State(api): State<Api>,
    Extension(by): Extension<Commander>,
    body: Body,
) -> Result<Response, Refusal> {
    let (command, name) = request::command_for_tenant(body).await?;
    apply::run(&api, command, Some(name), by).await
}
