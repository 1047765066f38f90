//! `GET /v1/migrations/source`: the files on disk, in the order in which they are applied.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Api;
use super::migration::{Migration, Places};
use super::refusal::Refusal;

#[utoipa::path(get, path = "/v1/migrations/source", tag = "migrator", responses((status = 200, body = [Migration]), (status = 401, body = Refusal), (status = 500, body = Refusal)), security((), ("token" = []), ("password" = [])))]
pub(in crate::http) async fn get(State(api): State<Api>) -> Result<Response, Refusal> {
    let sources = api.service.supervisor.ask_about_files(async |engine| {
        // Its clients take this answer for one that the database is there.
        engine.reach().await?;
        engine.sources().await
    });
    let places = Places::under(&api.settings.base);
    let migrations = sources.await?.into_iter();
    let migrations: Vec<Migration> = migrations
        .map(|source| Migration::of(source, &places))
        .collect();
    Ok(super::json(StatusCode::OK, &migrations))
}
