//! Who may ask.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::Service;
use crate::http::credentials::{Access, Verdict};
use crate::http::dashboard;
use crate::http::problem::Problem;

/// Lets in who has a secret, or a session that was begun with one.
pub(super) async fn authenticate(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let header = headers.get(header::AUTHORIZATION);
    let session = service.sessions.of(headers).filter(|_| header.is_none());
    let verdict = service
        .settings
        .credentials
        .judge(header.map(|value| value.as_bytes()));
    let access = match (session, verdict) {
        (Some(session), _) => session.access,
        (None, Verdict::Accepted(access)) => access,
        (None, _) => {
            let problem = Problem::new(
                StatusCode::UNAUTHORIZED,
                "not authenticated",
                "send `Authorization: Bearer` with the token, or the password in base64",
            );
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            return (challenge, problem).into_response();
        }
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        if access == Access::ReadOnly {
            return Problem::forbidden("who has this token may look and give no commands")
                .into_response();
        }
        if session.is_some() && !dashboard::is_same_origin(headers) {
            return Problem::forbidden(
                "with a cookie for proof, commands come from the page of this service alone",
            )
            .into_response();
        }
    }
    if let Some(session) = session {
        request.extensions_mut().insert(session);
    }
    next.run(request).await
}
