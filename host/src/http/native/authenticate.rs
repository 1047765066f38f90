//! Who may ask.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::Service;
use crate::http::commander;
use crate::http::credentials::Verdict;
use crate::http::dashboard::{self, Session};
use crate::http::problem::Problem;
use crate::journal::Via;

/// Lets in who has a secret, or a session that was begun with one.
pub(super) async fn authenticate(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let header = headers.get(header::AUTHORIZATION);
    let credentials = &service.settings.credentials;
    let session = match header {
        Some(_) => None,
        None => Session::of(headers, credentials),
    };
    let verdict = credentials.judge(header.map(|value| value.as_bytes()));
    let (holder, via) = match (&session, verdict) {
        (Some(session), _) => (session.holder.clone(), Via::Dashboard),
        (None, Verdict::Accepted(holder)) => (holder, Via::Api),
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
        let path = request.extensions().get::<MatchedPath>();
        let path = path.map_or("", MatchedPath::as_str);
        if let Err(why) = holder.access.refuse(path) {
            return Problem::forbidden(why).into_response();
        }
        if session.is_some() && !dashboard::is_same_origin(headers) {
            return Problem::forbidden(
                "with a cookie for proof, commands come from the page of this service alone",
            )
            .into_response();
        }
    }
    let commander = commander::of(request.headers(), request.extensions(), Some(&holder), via);
    let extensions = request.extensions_mut();
    extensions.insert(commander);
    extensions.insert(holder.access);
    if let Some(session) = session {
        extensions.insert(session);
    }
    next.run(request).await
}
