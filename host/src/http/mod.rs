//! The service: an engine that is asked over HTTP.
//!
//! One file or folder a protocol, each a thin skin over the same [`Supervisor`]: it reads a request, asks, and writes the
//! answer in its own form. `server` takes connections and sheds what would be too much; `credentials` says who may ask.
//! This room knows no SQL, no component, and decides nothing of what may run when, but for what a protocol itself demands.

mod body;
mod commander;
mod connections;
mod credentials;
mod dashboard;
mod guessing;
mod health;
mod hosts;
mod logs;
mod metrics;
mod migrator;
mod native;
mod openapi;
mod openslides;
mod problem;
mod pushed;
mod server;
mod tenants;
mod unparsable;
mod wording;
mod wukong;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use crate::engine::Supervisor;
use metrics::Metrics;

pub use credentials::{Credentials, Role, Secret, SecretKind};
pub use hosts::Hosts;
pub use logs::log_runs;
pub use migrator::{MigratorApi, PathPrefix};
pub use openslides::Dialect;
pub use server::{Limits, serve};
pub use wukong::MigrateResult;

/// The largest body of a request, in bytes. Commands are short; stops a client that fills the memory.
const BODY_BYTES: usize = 1 << 20;

/// How long a body may take to arrive. Stops clients that hold connections by sending slowly.
const BODY_WAIT: Duration = Duration::from_secs(10);

/// How the service answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The dialect of `/internal/migrations`.
    pub dialect: Dialect,
    /// How long the answer to a command waits for the end of its work.
    pub answer_wait: Duration,
    /// Who may ask.
    pub credentials: Credentials,
    /// How `/migrate/result` answers, when it does.
    pub migrate_result: Option<MigrateResult>,
    /// How the API of the tool *migrator* answers, when it does.
    pub migrator: Option<MigratorApi>,
    /// What became of notifications, for the metrics.
    pub notifications: crate::notifications::Counts,
    /// The names that the service goes by; none for any.
    pub hosts: Option<Hosts>,
}

/// What all requests share.
struct Service {
    supervisor: Arc<Supervisor>,
    settings: Settings,
    readers: openslides::Readers,
    requests: native::Requests,
    attempts: dashboard::Attempts,
    metrics: Metrics,
    /// When the service began, in milliseconds since 1970.
    started_at: i64,
    /// How often in a row the target could not be read for `/migrate/result`.
    unread: AtomicU32,
    /// What the numbers of this process's events begin with, so that those of an earlier one are not taken for them.
    boot: String,
}

/// What the service answers.
pub struct Routers {
    /// Everything.
    pub service: Router,
    /// How it is, and nothing else.
    pub health: Router,
}

/// The answers of a service.
pub fn routers(supervisor: Arc<Supervisor>, settings: Settings) -> Routers {
    let started_at = crate::journal::now();
    let service = Arc::new(Service {
        started_at,
        unread: AtomicU32::new(0),
        metrics: Metrics::new(),
        attempts: dashboard::Attempts::default(),
        supervisor,
        settings,
        readers: openslides::Readers::default(),
        requests: native::Requests::default(),
        boot: format!("{started_at}-"),
    });
    let own = Router::new()
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(openapi::routes())
        .merge(openslides::routes())
        .merge(native::routes(&service))
        .merge(wukong::routes(&service))
        .merge(dashboard::routes())
        .fallback(openslides::not_found)
        .method_not_allowed_fallback(openslides::method_not_allowed)
        .with_state(Arc::clone(&service));
    let health = health::routes().with_state(Arc::clone(&service));
    let hosts = service.settings.hosts.clone();
    let service = migrator::over(own, &service)
        .layer(from_fn(move |request, next| {
            hosts::refuse_others(hosts.clone(), request, next)
        }))
        .layer(from_fn_with_state(Arc::clone(&service), guessing::limit))
        .layer(from_fn_with_state(service, observe));
    Routers { service, health }
}

/// The header that names a request in answers and logs.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names, counts and logs every request.
async fn observe(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| {
            !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .map_or_else(new_request_id, str::to_owned);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", id);
    let began = std::time::Instant::now();
    let mut response = async {
        let response = next.run(request).await;
        tracing::debug!(
            %method,
            path,
            status = response.status().as_u16(),
            microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        response
    }
    .instrument(span)
    .await;
    service.metrics.request(response.status(), began.elapsed());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn new_request_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// An answer in JSON.
fn json(status: axum::http::StatusCode, body: &impl serde::Serialize) -> Response {
    (status, axum::Json(body)).into_response()
}
