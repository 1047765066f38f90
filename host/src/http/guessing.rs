//! Wrong secrets in headers, counted together with those that browsers sign in with.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

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
    if let Some(wait) = service.attempts.wait(address.ip())
        && shows_password(request.headers())
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
    if response.status() == StatusCode::UNAUTHORIZED
        && service.attempts.wait(address.ip()).is_none()
    {
        service.attempts.note(address.ip());
        tracing::warn!(%address, "somebody sent a wrong password or token");
    }
    response
}

fn shows_secret(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("token")
}

/// Whether the proof is not a token.
fn shows_password(headers: &HeaderMap) -> bool {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .map(|value| value.as_bytes());
    authorization.is_some_and(|value| {
        !value
            .get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Bearer "))
    })
}
