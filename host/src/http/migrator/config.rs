//! `GET /v1/config`: the settings that hold, without secrets.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::refusal::Refusal;

#[utoipa::path(get, path = "/v1/config", tag = "migrator", responses((status = 200, content_type = "application/x-yaml", body = String), (status = 401, body = Refusal)), security((), ("token" = []), ("password" = [])))]
pub(in crate::http) async fn get(State(api): State<Api>) -> Response {
    let media_type = [(header::CONTENT_TYPE, "application/x-yaml; charset=utf-8")];
    (media_type, api.settings.config.clone()).into_response()
}
