//! Wrong secrets in headers, counted together with those that browsers sign in with.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Service;
use super::problem::Problem;

/// Takes note of wrong secrets, and lets nobody try out passwords. A token is too long to be found by trying, and its holder
/// may share an address with whoever tries.
pub(super) async fn limit(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let address = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0);
    let Some(address) = address.filter(|_| shows_secret(request.headers())) else {
        return next.run(request).await;
    };
    let is_password = shows_password(request.headers());
    if let Some(wait) = service.attempts.wait(address.ip())
        && is_password
    {
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many attempts",
            "too many wrong passwords came from your address; try again in a minute",
        );
        let retry_after = [(header::RETRY_AFTER, wait.as_secs().max(1).to_string())];
        return (retry_after, problem).into_response();
    }
    let response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        if is_password {
            service.attempts.note(address.ip());
        }
        tracing::warn!(%address, "somebody sent a wrong password or token");
    }
    response
}

fn shows_secret(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("token")
}

/// Whether the proof may be the password, in base64.
fn shows_password(headers: &HeaderMap) -> bool {
    let authorization = headers.get(header::AUTHORIZATION);
    authorization.is_some_and(|value| {
        STANDARD
            .decode(value.as_bytes())
            .is_ok_and(|password| !password.is_empty())
    })
}
