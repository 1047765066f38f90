//! `GET /migrate/result`: how far the migration is, for clients of WuKongIM's server.
//!
//! Those clients read the same four fields from every answer, whatever its status code. They stop when `status` is
//! `completed` or `migrated`, and give up when `last_err` is not empty and `try_count` is 3 or more; anything else makes them
//! ask again. So these two never come together while there is hope, and always when there is none.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde::Serialize;
use subtle::ConstantTimeEq as _;

use super::Service;
use crate::engine::{CurrentStep, Overview, Progress, RunError, State};
use crate::journal::{AttemptRecord, Outcome, Phase};

/// From this many tries on, clients take an error for the end.
const FINAL_TRIES: u32 = 3;

/// How the route answers.
#[derive(Clone, Debug)]
pub struct MigrateResult {
    /// What the header `token` must say; none when anybody may ask.
    pub token: Option<String>,
    /// The pages that may ask, as `Access-Control-Allow-Origin` names them.
    pub allow_origin: Option<HeaderValue>,
}

/// Every answer. The fields keep this order.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct MigrationResult {
    /// `running`, `completed` (the last run was done since the service started), `migrated` (nothing is left to do and
    /// nothing ran since), or `failed`.
    status: &'static str,
    /// The name of the current step; that of the last one when all are done.
    step: String,
    /// Why the last try failed.
    last_err: Option<String>,
    /// How often the step was tried, the current one included.
    try_count: u32,
}

impl MigrationResult {
    /// Of something that is running.
    fn running(current: CurrentStep) -> Self {
        Self {
            status: "running",
            step: name(&current.step),
            last_err: current
                .error
                .filter(|_| current.attempt < FINAL_TRIES)
                .map(not_empty),
            try_count: current.attempt,
        }
    }

    /// Of something that asking again does not change.
    fn failed(step: String, error: String, tries: u32) -> Self {
        Self {
            status: "failed",
            step,
            last_err: Some(not_empty(error)),
            try_count: tries.max(FINAL_TRIES),
        }
    }
}

/// The route and all below it, when it is enabled.
pub(super) fn routes(service: &Service) -> Router<Arc<Service>> {
    if service.settings.migrate_result.is_none() {
        return Router::new();
    }
    Router::new()
        .route("/migrate/result", any(answer))
        .route("/migrate", any(answer))
        .route("/migrate/", any(answer))
        .route("/migrate/{*nowhere}", any(answer))
}

#[utoipa::path(get, path = "/migrate/result", tag = "monitors", responses(
    (status = 200, body = MigrationResult, description = "How far the migration is; there when `migrate_result.enabled` is set"),
    (status = 401, body = MigrationResult, description = "The header `token` is missing or wrong"),
    (status = 500, body = MigrationResult, description = "The target cannot be read"),
))]
#[allow(
    dead_code,
    reason = "the route's description; all methods go through `answer`, whose every answer has the same form"
)]
pub(super) fn documented() {}

async fn answer(Shared(service): Shared<Arc<Service>>, request: Request) -> Response {
    let Some(settings) = &service.settings.migrate_result else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (request, _) = request.into_parts();
    let mut response = answer_to(&service, settings, &request).await;
    if let Some(origin) = &settings.allow_origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if request.method == Method::OPTIONS {
            let allowed = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET"),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, "token, content-type"),
            ];
            for (name, value) in allowed {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
    }
    response
}

async fn answer_to(service: &Service, settings: &MigrateResult, request: &Parts) -> Response {
    let refused = |status, error: &str| {
        let result = MigrationResult::failed(String::new(), error.to_owned(), 0);
        written(status, &result)
    };
    if request.uri.path() != "/migrate/result" {
        return refused(StatusCode::NOT_FOUND, "there is no such resource");
    }
    let allow = [(header::ALLOW, "GET, HEAD, OPTIONS")];
    match request.method {
        // Browsers ask first whether they may send a token, and send none with that.
        Method::OPTIONS => return (StatusCode::NO_CONTENT, allow).into_response(),
        Method::GET | Method::HEAD => {}
        _ => {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return (allow, refused(status, "the result can only be read")).into_response();
        }
    }
    if !settings.lets_in(&request.headers) {
        return refused(
            StatusCode::UNAUTHORIZED,
            "not authenticated: send the manager's token in the header `token`",
        );
    }
    match look(service).await {
        Ok(result) => {
            service.unread.store(0, Ordering::Relaxed);
            written(StatusCode::OK, &result)
        }
        Err(error) => {
            tracing::warn!(%error, "the target cannot be read");
            // A database that is away for a moment must not make a client give up.
            let tries = service.unread.fetch_add(1, Ordering::Relaxed) + 1;
            let result = MigrationResult {
                status: "failed",
                step: String::new(),
                last_err: Some("the target cannot be read".to_owned()),
                try_count: tries,
            };
            written(StatusCode::INTERNAL_SERVER_ERROR, &result)
        }
    }
}

impl MigrateResult {
    /// Whether a request shows the token, in a time that does not tell how much of it was right.
    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get("token").map_or(&b""[..], HeaderValue::as_bytes);
        self.token
            .as_ref()
            .is_none_or(|token| bool::from(token.as_bytes().ct_eq(shown)))
    }
}

fn written(status: StatusCode, result: &MigrationResult) -> Response {
    let mut response = super::json(status, result);
    let media_type = HeaderValue::from_static("application/json; charset=utf-8");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}

async fn look(service: &Service) -> Result<MigrationResult, RunError> {
    let supervisor = &service.supervisor;
    let live = supervisor.live();
    let current = live.as_ref().and_then(|live| live.current());
    let overview = match (supervisor.overview().await, live, current) {
        (Ok(overview), Some(live), Some(current)) if overview.is_at_work_on(live.run) => {
            return Ok(MigrationResult::running(current));
        }
        (Ok(overview), ..) => overview,
        // The target may be away while its run waits for the next try.
        (Err(_), _, Some(current)) => return Ok(MigrationResult::running(current)),
        (Err(error), ..) => return Err(error),
    };
    let attempts = match &overview.last_run {
        Some(run) => {
            let behind = run.id + 1;
            let runs = supervisor.ask(async move |engine| engine.history(behind, 1, false).await);
            runs.await?.pop().map_or_else(Vec::new, |run| run.attempts)
        }
        None => Vec::new(),
    };
    Ok(seen(&overview, &attempts, service.started_at))
}

/// What the journal says. `attempts` are those of the newest run.
fn seen(overview: &Overview, attempts: &[AttemptRecord], started_at: i64) -> MigrationResult {
    let last = overview.last_run.as_ref();
    let is_pending = |progress: Progress| matches!(progress, Progress::Pending | Progress::Started);
    let pending = overview.steps.iter().find(|step| is_pending(step.progress));
    let applied = overview
        .steps
        .iter()
        .rfind(|step| !is_pending(step.progress));
    if overview.state.is_running() {
        // Another host's run, of which the tries that ended are known.
        let phase = last.map_or(Phase::Prepare, |last| last.phase);
        let step = match phase {
            Phase::Prepare | Phase::Migrate => pending.or(applied),
            Phase::Finalize | Phase::Reset => applied.or(pending),
        };
        let index = step.map(|step| step.index);
        let before = attempts
            .iter()
            .rfind(|attempt| Some(attempt.index) == index && attempt.phase == phase);
        return MigrationResult::running(CurrentStep {
            step: step.map_or_else(String::new, |step| step.label()),
            attempt: before.map_or(1, |before| before.attempt + 1),
            error: before
                .and_then(|before| before.error.as_ref()?.get("message")?.as_str())
                .map(str::to_owned),
        });
    }
    let tries = |index: u64| {
        let tries = attempts
            .iter()
            .filter(|attempt| attempt.index == index)
            .map(|attempt| attempt.attempt);
        tries.max()
    };
    let outcome = last.map(|last| last.outcome.unwrap_or(Outcome::Interrupted));
    let ended_badly = outcome.filter(|outcome| *outcome != Outcome::Done);
    if let Some(outcome) = ended_badly.filter(|_| overview.state != State::Finalized) {
        let failure = overview.failure.as_ref();
        let step = pending.or(applied);
        let tried = attempts.last().map_or(1, |attempt| attempt.attempt);
        return MigrationResult::failed(
            failure
                .and_then(|failure| failure.step.as_deref())
                .map(name)
                .or(step.map(|step| step.name.clone()))
                .unwrap_or_default(),
            match failure {
                Some(failure) => failure.to_string(),
                None => format!(
                    "the run was {}: its host died or lost the target; start it again",
                    outcome.as_str()
                ),
            },
            tried,
        );
    }
    match (pending, applied) {
        (Some(pending), _) => MigrationResult::running(CurrentStep {
            step: pending.label(),
            attempt: 0,
            error: None,
        }),
        (None, applied) => {
            let is_recent = last
                .and_then(|last| last.ended_at)
                .is_some_and(|ended_at| ended_at >= started_at);
            MigrationResult {
                status: if is_recent { "completed" } else { "migrated" },
                step: applied.map_or_else(String::new, |step| step.name.clone()),
                last_err: None,
                try_count: applied.map_or(0, |step| tries(step.index).unwrap_or(1)),
            }
        }
    }
}

/// The name of a step that is called `NNNN_name`.
fn name(label: &str) -> String {
    label
        .split_once('_')
        .map_or(label, |(_, name)| name)
        .to_owned()
}

/// Clients take an empty error for none.
fn not_empty(error: String) -> String {
    match error.trim().is_empty() {
        true => "it gave no reason".to_owned(),
        false => error,
    }
}
