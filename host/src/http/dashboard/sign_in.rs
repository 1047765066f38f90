//! `/api/v1/session`: how a browser signs in and out.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::session::{self, Session};
use super::{headers, is_same_origin};
use crate::http::body::read_body;
use crate::http::credentials::{Access, Holder};
use crate::http::problem::Problem;
use crate::http::{BODY_BYTES, Service};

/// Who asks, and whether there is anything to sign in with.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::http) struct SessionAnswer {
    /// What the session's holder may do; none without a session.
    access: Option<Access>,
    /// Whether the service has a password or a token. Without any, it refuses every command and every look.
    has_secrets: bool,
}

/// What a browser signs in with.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SignIn {
    /// The password, the token, or the token of those who may only look.
    secret: String,
}

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(
            "/api/v1/session",
            get(signed_in).post(sign_in).delete(sign_out),
        )
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn(headers::of_the_api))
}

#[utoipa::path(get, path = "/api/v1/session", tag = "native", responses((status = 200, body = SessionAnswer)))]
pub(in crate::http) async fn signed_in(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Json<SessionAnswer> {
    let session = Session::of(&headers, &service.settings.credentials);
    Json(answer(
        &service,
        session.map(|session| session.holder.access),
    ))
}

fn answer(service: &Service, access: Option<Access>) -> SessionAnswer {
    SessionAnswer {
        access,
        has_secrets: !service.settings.credentials.is_empty(),
    }
}

/// Trades a secret for a session of the browser that asks.
#[utoipa::path(post, path = "/api/v1/session", tag = "native", request_body = SignIn, responses((status = 200, body = SessionAnswer, description = "A cookie carries the session"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 429, body = Problem)))]
pub(in crate::http) async fn sign_in(
    State(service): State<Arc<Service>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    refuse_others(&headers)?;
    let sign_in: SignIn = read_body(request).await?;
    let secret = service.settings.credentials.judge_typed(&sign_in.secret);
    if let Some(wait) = service.attempts.refuse(address.ip(), secret.is_none()) {
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many attempts",
            "too many wrong passwords came from your address; try again in a minute",
        );
        let retry_after = [(header::RETRY_AFTER, wait.as_secs().max(1).to_string())];
        return Ok((retry_after, problem).into_response());
    }
    let Some(secret) = secret else {
        tracing::warn!(%address, "somebody tried to sign in with a wrong password or token");
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "not authenticated",
            "this is neither the password nor a token of this service",
        ));
    };
    let Holder { name, access } = secret.holder();
    tracing::info!(%address, name, access = access.as_str(), "signed in");
    // Every browser says with a POST where the page came from.
    let is_secure = headers
        .get(header::ORIGIN)
        .is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let cookie = session::begin(&secret, is_secure);
    let answer = Json(answer(&service, Some(access)));
    Ok(([(header::SET_COOKIE, cookie)], answer).into_response())
}

#[utoipa::path(delete, path = "/api/v1/session", tag = "native", responses((status = 204, description = "The browser has no session any more"), (status = 403, body = Problem)))]
pub(in crate::http) async fn sign_out(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    refuse_others(&headers)?;
    let cookies = session::end(&service.settings.credentials.known());
    let cookies = cookies
        .into_iter()
        .map(|cookie| (header::SET_COOKIE, cookie));
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cookies)).into_response())
}

fn refuse_others(headers: &HeaderMap) -> Result<(), Problem> {
    match is_same_origin(headers) {
        true => Ok(()),
        false => Err(Problem::forbidden(
            "this is for the page of this service alone; programs send `Authorization` instead",
        )),
    }
}
