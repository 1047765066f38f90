//! `POST /v1/migrations`: applies what is new, for all tenants.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::Api;
use super::migration::{Migration, Places};
use super::refusal::Refusal;
use super::request::{self, Command, Detail};
use crate::engine::{ApplyOrder, RolloutStrategy};
use crate::journal::Commander;
use crate::notifications::Summary;

/// The answer to a command. The fields keep this order.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Answer {
    results: Summary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    applied_migrations: Vec<Migration>,
}

#[utoipa::path(post, path = "/v1/migrations", tag = "migrator", request_body(content = Object, example = json!({ "mode": "apply", "response": "full" })), responses((status = 200, body = Answer), (status = 400, body = Refusal), (status = 401, body = Refusal), (status = 424, body = Refusal, description = "Migrations were changed since they were applied"), (status = 500, body = Refusal, description = "A migration failed, or the database cannot be reached")), security((), ("token" = []), ("password" = [])))]
pub(in crate::http) async fn post(
    State(api): State<Api>,
    Extension(by): Extension<Commander>,
    body: Body,
) -> Result<Response, Refusal> {
    let command = request::command(body).await?;
    run(&api, command, None, by).await
}

/// Does what a command says, for all tenants or a new one, and tells whoever wants to know.
pub(super) async fn run(
    api: &Api,
    command: Command,
    new_tenant: Option<String>,
    by: Commander,
) -> Result<Response, Refusal> {
    let places = Places::under(&api.settings.base);
    let order = ApplyOrder {
        mode: command.mode,
        new_tenant,
        adopts_schema: false,
        // Its clients rely on all or nothing.
        strategy: Some(RolloutStrategy::Atomic),
        by: Some(by),
    };
    let applied = api.service.supervisor.apply(order).await;
    let applied = applied.map_err(|error| Refusal::of_apply(error, &places))?;
    let results = Summary::from(&applied);
    if let Some(summaries) = &api.settings.summaries {
        summaries.tell(&results);
    }
    let migrations = applied
        .sources
        .into_iter()
        .map(|source| Migration::of(source, &places));
    let applied_migrations = match command.detail {
        Detail::Full => migrations.collect(),
        Detail::List => migrations.map(Migration::without_contents).collect(),
        Detail::Summary => Vec::new(),
    };
    let answer = Answer {
        results,
        applied_migrations,
    };
    Ok(super::json(StatusCode::OK, &answer))
}
