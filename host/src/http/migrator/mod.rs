//! `/v1/`: the REST API of the tool *migrator*, for its clients. Answers only when the settings name files for tenants.
//!
//! One file a resource; `request` reads bodies, `refusal` says no, `migration` writes a file as that tool does, `prefix` says
//! where all this is. Its paths win over the host's own where both are the same, which takes a path prefix such as `/api`.
//! What is applied in which order, and exactly once, is the engine's business.

pub(super) mod applied;
pub(super) mod apply;
pub(super) mod config;
mod migration;
mod prefix;
mod refusal;
mod request;
mod root;
pub(super) mod source;
pub(super) mod tenants;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use serde::Serialize;

use super::Service;
use super::commander;
use super::credentials::{Access, Verdict};
use crate::engine::Command;
use crate::journal::Via;
use crate::notifications::Summaries;
use refusal::Refusal;

pub use prefix::PathPrefix;

/// What every answer of this API says of itself, in the form that its clients know.
const DEPRECATION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("deprecation"),
    HeaderValue::from_static(r#"version="v2020.1.0""#),
);

/// Where to go instead: our own API.
const SUCCESSOR: (HeaderName, HeaderValue) = (
    header::LINK,
    HeaderValue::from_static(r#"</openapi.json>; rel="successor-version""#),
);

/// How the API answers.
#[derive(Clone)]
pub struct MigratorApi {
    /// What all its paths begin with.
    pub path_prefix: PathPrefix,
    /// The directory that all sources are under.
    pub base: PathBuf,
    /// The settings that hold, in that tool's form and without secrets.
    pub config: String,
    /// Whether it answers without a secret, as that tool did, where the service has none.
    pub is_open: bool,
    /// Where the results of applies are sent.
    pub summaries: Option<Arc<Summaries>>,
}

impl fmt::Debug for MigratorApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MigratorApi")
            .field("path_prefix", &self.path_prefix)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// What handlers of this API share.
#[derive(Clone)]
pub(super) struct Api {
    service: Arc<Service>,
    settings: Arc<MigratorApi>,
}

/// The API before everything else that the service answers, when it is enabled.
pub(super) fn over(own: Router, service: &Arc<Service>) -> Router {
    let Some(settings) = &service.settings.migrator else {
        return own;
    };
    let api = Api {
        service: Arc::clone(service),
        settings: Arc::new(settings.clone()),
    };
    let prefix = settings.path_prefix.as_str();
    let resources: [(&str, MethodRouter<Api>); 5] = [
        ("/v1/config", get(config::get)),
        ("/v1/migrations/source", get(source::get)),
        ("/v1/migrations/applied", get(applied::get)),
        ("/v1/migrations", post(apply::post)),
        ("/v1/tenants", get(tenants::get).post(tenants::post)),
    ];
    let mut v1 = Router::new();
    for (path, methods) in resources {
        let path = format!("{prefix}{path}");
        v1 = v1
            .route(&format!("{path}/"), any(without_slash))
            .route(&path, methods);
    }
    if !settings.path_prefix.is_of_the_host() {
        for path in ["/v1", "/v1/", "/v1/{*nowhere}"] {
            v1 = v1.route(&format!("{prefix}{path}"), any(not_found));
        }
    }
    let v1 = v1
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(from_fn_with_state(api.clone(), authenticate))
        .layer(from_fn(deprecate));
    root::routes(prefix, own.clone())
        .merge(v1)
        .with_state(api)
        .fallback_service(own)
}

/// Lets in who has a secret. Where there is none, the service is on loopback, and with the settings of that tool it lets in every
/// program of this machine, as that did; but not the pages of other sites that its browsers show.
async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let credentials = &api.service.settings.credentials;
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    if credentials.is_empty() && api.settings.is_open {
        return match is_look || !headers.contains_key(header::ORIGIN) {
            true => {
                let by = commander::of(headers, request.extensions(), None, Via::Migrator);
                request.extensions_mut().insert(by);
                next.run(request).await
            }
            false => Refusal::forbidden("pages of browsers give no commands here").into_response(),
        };
    }
    let header = headers.get(header::AUTHORIZATION);
    match credentials.judge(header.map(HeaderValue::as_bytes)) {
        Verdict::Accepted(holder) if is_look || holder.access == Access::Full => {
            let by = commander::of(headers, request.extensions(), Some(&holder), Via::Migrator);
            request.extensions_mut().insert(by);
            next.run(request).await
        }
        Verdict::Accepted(holder) => {
            // An apply makes all final.
            let why = holder.access.refuse_command(Command::Finalize);
            Refusal::forbidden(why.err().unwrap_or_default()).into_response()
        }
        Verdict::Wrong | Verdict::Unreadable | Verdict::NoPassword => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            (challenge, Refusal::unauthenticated()).into_response()
        }
    }
}

async fn deprecate(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().extend([DEPRECATION, SUCCESSOR]);
    response
}

/// Sends a client to the path without the slash at its end.
async fn without_slash(method: Method, uri: Uri) -> Response {
    let mut to = uri.path().trim_end_matches('/').to_owned();
    if let Some(query) = uri.query() {
        to = format!("{to}?{query}");
    }
    let status = match method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::TEMPORARY_REDIRECT,
    };
    (status, [(header::LOCATION, to)]).into_response()
}

async fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "404 page not found")
}

async fn method_not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed")
}

/// An answer in JSON, as this API says it.
fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = super::json(status, body);
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
