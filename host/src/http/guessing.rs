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
use super::credentials::Verdict;
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
    let is_wrong = is_wrong_password(&service, request.headers());
    if let Some(is_wrong) = is_wrong
        && let Some(wait) = service.attempts.refuse(address.ip(), is_wrong)
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
        tracing::warn!(%address, "somebody sent a wrong password or token");
    }
    response
}

fn shows_secret(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("token")
}

/// Whether what may be the password, in base64, is another; none where there is no such thing. Judged before the body of the
/// request is there, which its sender may hold back.
fn is_wrong_password(service: &Service, headers: &HeaderMap) -> Option<bool> {
    let authorization = headers.get(header::AUTHORIZATION)?.as_bytes();
    let password = STANDARD.decode(authorization).ok()?;
    let verdict = service.settings.credentials.judge(Some(authorization));
    (!password.is_empty()).then_some(matches!(verdict, Verdict::Wrong))
}
