//! `/api/v1/`: the host's own protocol, for what the compatible routes cannot say.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::sse::{Event as SentEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Json, Router};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::credentials::{Access, Verdict};
use super::dashboard::{self, Session};
use super::problem::Problem;
use super::tenants;
use super::{BODY_BYTES, BODY_WAIT, Service};
use crate::database::Stop;
use crate::engine::{
    Adoption, BaselineOrder, Command, HistoryEntry, ImportOrder, Numbered, Order, Overview,
    Rehearsal, RunError, Started, StepAdvice, StepDetails, StepOnDisk, Unobserved, Verified,
};
use crate::journal::{BadRow, OutputLine};

/// How many answers are remembered for repeated requests.
const REMEMBERED: usize = 1_000;

/// Lines of output, or runs, that one answer holds at most.
const PAGE: u32 = 1_000;

/// How long the target may take to say whether a run that is about to be cancelled has ended already.
const LOOK_BEFORE_CANCEL: Duration = Duration::from_secs(2);

/// How often a stream without events shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Requests that were answered, by their idempotency keys. Held while one is accepted, so that its repetition waits.
#[derive(Default)]
pub(super) struct Requests(tokio::sync::Mutex<VecDeque<Remembered>>);

struct Remembered {
    key: String,
    command: Command,
    run: i64,
}

pub(super) fn routes(service: &Arc<Service>) -> Router<Arc<Service>> {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/steps", get(steps))
        .route("/api/v1/steps/{index}", get(step))
        .route("/api/v1/advice", get(advice))
        .route("/api/v1/runs", get(runs).post(start))
        .route("/api/v1/runs/{run}", get(run))
        .route("/api/v1/runs/{run}/output", get(output))
        .route("/api/v1/runs/{run}/cancel", post(cancel))
        .route("/api/v1/pause", post(pause))
        .route("/api/v1/resume", post(resume))
        .route("/api/v1/bad-rows", get(bad_rows))
        .route("/api/v1/events", get(events))
        .route("/api/v1/verify", get(verify))
        .route("/api/v1/rehearsal", post(rehearse))
        .route("/api/v1/baseline", post(baseline))
        .route("/api/v1/import", post(import))
        .route("/api/v1/tenants", get(tenants::list).post(tenants::add))
        .route("/api/v1/{*nowhere}", any(not_found))
        .route("/api/v1/", any(not_found))
        .route("/api/v1", any(not_found))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed",
                "see `Allow` for the methods of this resource",
            )
        })
        .route_layer(from_fn_with_state(Arc::clone(service), authenticate))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn(dashboard::of_the_api))
}

/// Lets in who has a secret, or a session that was begun with one.
async fn authenticate(
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

async fn not_found() -> Problem {
    Problem::not_found("there is no such resource")
}

#[utoipa::path(get, path = "/api/v1/status", tag = "native", responses((status = 200, body = Overview), (status = 401, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn status(State(service): State<Arc<Service>>) -> Result<Json<Overview>, Problem> {
    Ok(Json(service.supervisor.overview().await?))
}

#[utoipa::path(get, path = "/api/v1/steps", tag = "native", responses((status = 200, body = [StepOnDisk]), (status = 401, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn steps(
    State(service): State<Arc<Service>>,
) -> Result<Json<Vec<StepOnDisk>>, Problem> {
    let steps = service.supervisor.ask(async |engine| engine.steps().await);
    Ok(Json(steps.await?))
}

/// What one step is and may do.
#[utoipa::path(get, path = "/api/v1/steps/{index}", tag = "native", responses((status = 200, body = StepDetails), (status = 401, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)), params(("index" = u32, Path)), security(("token" = []), ("password" = [])))]
pub(super) async fn step(
    State(service): State<Arc<Service>>,
    index: Result<Path<u32>, PathRejection>,
) -> Result<Json<StepDetails>, Problem> {
    let Path(index) = index?;
    let step = service
        .supervisor
        .ask(async move |engine| engine.step(index).await);
    let step = step.await?;
    Ok(Json(step.ok_or_else(|| {
        Problem::not_found(format!("there is no step {index}"))
    })?))
}

/// What to say about the statements of pending steps, before they hold up the application.
#[utoipa::path(get, path = "/api/v1/advice", tag = "native", responses((status = 200, body = [StepAdvice]), (status = 401, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn advice(
    State(service): State<Arc<Service>>,
) -> Result<Json<Vec<StepAdvice>>, Problem> {
    let advice = service.supervisor.ask(async |engine| engine.advice().await);
    Ok(Json(advice.await?))
}

#[utoipa::path(get, path = "/api/v1/verify", tag = "native", responses((status = 200, body = Verified), (status = 401, body = Problem), (status = 409, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn verify(State(service): State<Arc<Service>>) -> Result<Json<Verified>, Problem> {
    let verified = service.supervisor.ask(async |engine| engine.verify().await);
    Ok(Json(verified.await?))
}

/// Lets the run that goes on, in whichever host, rest between steps and chunks of rows.
#[utoipa::path(post, path = "/api/v1/pause", tag = "native", responses((status = 200, description = "The number of the run"), (status = 401, body = Problem), (status = 409, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn pause(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let run = service.supervisor.ask(async |engine| engine.pause().await);
    Ok(super::json(StatusCode::OK, &json!({ "run": run.await? })))
}

/// Lets the run go on that rests.
#[utoipa::path(post, path = "/api/v1/resume", tag = "native", responses((status = 200, description = "The number of the run"), (status = 401, body = Problem), (status = 409, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn resume(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let run = service.supervisor.ask(async |engine| engine.resume().await);
    Ok(super::json(StatusCode::OK, &json!({ "run": run.await? })))
}

/// Which bad rows are asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BadRowsPage {
    /// Rows behind this step's row …
    #[serde(default)]
    after_step: u32,
    /// … with this key.
    #[serde(default)]
    after_key: String,
    /// How many.
    most: Option<u32>,
}

/// The rows that transformations rejected and set aside.
#[utoipa::path(get, path = "/api/v1/bad-rows", tag = "native", responses((status = 200, body = [BadRow]), (status = 400, body = Problem), (status = 401, body = Problem)), params(BadRowsPage), security(("token" = []), ("password" = [])))]
pub(super) async fn bad_rows(
    State(service): State<Arc<Service>>,
    page: Result<Query<BadRowsPage>, QueryRejection>,
) -> Result<Json<Vec<BadRow>>, Problem> {
    let Query(page) = page?;
    let most = page.most.unwrap_or(PAGE).min(PAGE);
    let rows = service.supervisor.ask(async move |engine| {
        let after = (page.after_step, page.after_key.as_str());
        engine.bad_rows(after, most).await
    });
    Ok(Json(rows.await?))
}

/// Runs the pending steps in a transaction that is rolled back. Other writers of the target wait meanwhile.
#[utoipa::path(post, path = "/api/v1/rehearsal", tag = "native", responses((status = 200, body = Rehearsal), (status = 401, body = Problem), (status = 409, body = Problem)), security(("token" = []), ("password" = [])))]
pub(super) async fn rehearse(
    State(service): State<Arc<Service>>,
) -> Result<Json<Rehearsal>, Problem> {
    Ok(Json(service.supervisor.rehearse().await?))
}

/// Writes steps down as applied without running them: their work was done before.
#[utoipa::path(post, path = "/api/v1/baseline", tag = "native", responses((status = 200, body = Adoption), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)), request_body = BaselineOrder, security(("token" = []), ("password" = [])))]
pub(super) async fn baseline(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<Adoption>, Problem> {
    let order: BaselineOrder = read_body(request).await?;
    let adoption = service.supervisor.ask(async move |engine| {
        engine
            .baseline(&order, Arc::new(Unobserved), &Stop::default())
            .await
    });
    Ok(Json(adoption.await?))
}

/// Writes down what another tool's own table says was applied, when it fits the files.
#[utoipa::path(post, path = "/api/v1/import", tag = "native", responses((status = 200, body = Adoption), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)), request_body = ImportOrder, security(("token" = []), ("password" = [])))]
pub(super) async fn import(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<Adoption>, Problem> {
    let order: ImportOrder = read_body(request).await?;
    let adoption = service
        .supervisor
        .ask(async move |engine| engine.import(&order, &Unobserved, &Stop::default()).await);
    Ok(Json(adoption.await?))
}

/// Which part of a list is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsPage {
    /// Runs before this one.
    before: Option<i64>,
    /// How many.
    most: Option<u32>,
    /// Whether with their output.
    #[serde(default)]
    output: bool,
}

#[utoipa::path(get, path = "/api/v1/runs", tag = "native", responses((status = 200, body = [HistoryEntry]), (status = 400, body = Problem), (status = 401, body = Problem)), params(RunsPage), security(("token" = []), ("password" = [])))]
pub(super) async fn runs(
    State(service): State<Arc<Service>>,
    page: Result<Query<RunsPage>, QueryRejection>,
) -> Result<Json<Vec<HistoryEntry>>, Problem> {
    let Query(page) = page?;
    Ok(Json(
        history(
            &service,
            page.before.unwrap_or(i64::MAX),
            page.most.unwrap_or(20),
            page.output,
        )
        .await?,
    ))
}

#[utoipa::path(get, path = "/api/v1/runs/{run}", tag = "native", responses((status = 200, body = HistoryEntry), (status = 401, body = Problem), (status = 404, body = Problem)), params(("run" = i64, Path)), security(("token" = []), ("password" = [])))]
pub(super) async fn run(
    State(service): State<Arc<Service>>,
    run: Result<Path<i64>, PathRejection>,
) -> Result<Json<HistoryEntry>, Problem> {
    let Path(run) = run?;
    Ok(Json(find(&service, run).await?))
}

async fn find(service: &Service, run: i64) -> Result<HistoryEntry, Problem> {
    let found = history(service, run.saturating_add(1), 1, false).await?;
    found
        .into_iter()
        .find(|entry| entry.run.id == run)
        .ok_or_else(|| Problem::not_found(format!("there is no run {run}")))
}

async fn history(
    service: &Service,
    before: i64,
    most: u32,
    output: bool,
) -> Result<Vec<HistoryEntry>, RunError> {
    service
        .supervisor
        .ask(async move |engine| engine.history(before, most.min(PAGE), output).await)
        .await
}

/// Which lines are asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LinesPage {
    /// Those behind the line with this number.
    #[serde(default)]
    after: i64,
    /// How many.
    most: Option<u32>,
}

/// Lines of output, and the number to ask for more behind.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct LinesAnswer {
    lines: Vec<OutputLine>,
    next: i64,
}

#[utoipa::path(get, path = "/api/v1/runs/{run}/output", tag = "native", responses((status = 200, body = LinesAnswer), (status = 401, body = Problem), (status = 404, body = Problem)), params(("run" = i64, Path), LinesPage), security(("token" = []), ("password" = [])))]
pub(super) async fn output(
    State(service): State<Arc<Service>>,
    run: Result<Path<i64>, PathRejection>,
    page: Result<Query<LinesPage>, QueryRejection>,
) -> Result<Json<LinesAnswer>, Problem> {
    let (Path(run), Query(page)) = (run?, page?);
    find(&service, run).await?;
    let most = page.most.unwrap_or(PAGE).min(PAGE);
    let lines = service.supervisor.output(run, page.after, most).await?;
    let next = lines.last().map_or(page.after, |line| line.sequence);
    Ok(Json(LinesAnswer { lines, next }))
}

/// A command to start.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    command: Command,
    #[serde(default)]
    verbose: bool,
}

#[utoipa::path(post, path = "/api/v1/runs", tag = "native", responses((status = 202, description = "The run goes on"), (status = 200, description = "There is nothing to do"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)), request_body = NewRun, params(("idempotency-key" = Option<String>, Header)), security(("token" = []), ("password" = [])))]
pub(super) async fn start(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let new: NewRun = read_body(request).await?;
    // A client that hangs up meanwhile must find its key known when it comes back.
    let started = tokio::spawn(async move { start_once(&service, &headers, &new).await });
    started.await.unwrap_or_else(|error| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Err(Problem::new(
            status,
            "the service broke down",
            error.to_string(),
        ))
    })
}

/// Reads the body of a request, unless it is too long on its way.
pub(super) async fn read_body<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let body = tokio::time::timeout(BODY_WAIT, Json::<T>::from_request(request, &()));
    let Json(body) = body.await.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too slow",
            "the body did not arrive within 10 seconds",
        )
    })??;
    Ok(body)
}

async fn start_once(
    service: &Arc<Service>,
    headers: &HeaderMap,
    new: &NewRun,
) -> Result<Response, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(accepted(begin(service, new).await?));
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| !key.is_empty() && key.len() <= 200)
        .ok_or_else(|| {
            Problem::bad_request("`Idempotency-Key` must be 1 to 200 visible characters")
        })?;
    let mut requests = service.requests.0.lock().await;
    if let Some(known) = requests.iter().find(|known| known.key == key) {
        if known.command != new.command {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key used before",
                format!(
                    "the idempotency key was used for `{}`",
                    known.command.as_str()
                ),
            ));
        }
        return Ok(accepted(Some(known.run)));
    }
    let run = begin(service, new).await?;
    if let Some(run) = run {
        if requests.len() == REMEMBERED {
            requests.pop_front();
        }
        requests.push_back(Remembered {
            key: key.to_owned(),
            command: new.command,
            run,
        });
    }
    Ok(accepted(run))
}

async fn begin(service: &Service, new: &NewRun) -> Result<Option<i64>, Problem> {
    let order = Order {
        command: new.command,
        verbose: new.verbose,
    };
    let permit = |_: &Overview| Ok::<(), RunError>(());
    Ok(match service.supervisor.start(order, permit).await? {
        Started::Run(live) => Some(live.run),
        Started::Nothing(_) => None,
    })
}

/// The answer to a command: its run goes on, or there is nothing to do.
fn accepted(run: Option<i64>) -> Response {
    match run {
        Some(run) => (
            StatusCode::ACCEPTED,
            [(header::LOCATION, format!("/api/v1/runs/{run}"))],
            Json(json!({ "run": run })),
        )
            .into_response(),
        None => super::json(StatusCode::OK, &json!({ "run": null })),
    }
}

#[utoipa::path(post, path = "/api/v1/runs/{run}/cancel", tag = "native", responses((status = 202, description = "The run is being cancelled"), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)), params(("run" = i64, Path)), security(("token" = []), ("password" = [])))]
pub(super) async fn cancel(
    State(service): State<Arc<Service>>,
    run: Result<Path<i64>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(run) = run?;
    if let Some(live) = service.supervisor.live().filter(|live| live.run == run) {
        // It is known as live a moment longer than it goes on. Whether its target answers or not, it can be cancelled.
        let found = tokio::time::timeout(LOOK_BEFORE_CANCEL, find(&service, run)).await;
        if let Ok(Ok(entry)) = found {
            refuse_ended(&entry)?;
        }
        live.cancel();
        return Ok(super::json(StatusCode::ACCEPTED, &json!({ "run": run })));
    }
    let entry = find(&service, run).await?;
    refuse_ended(&entry)?;
    let lease = service.supervisor.overview().await?.lease;
    Err(Problem::conflict(
        match lease.filter(|lease| lease.run == run) {
            Some(lease) => format!("run {run} goes on in {}: cancel it there", lease.holder),
            None => format!("run {run} has ended: {} died", entry.run.host),
        },
    ))
}

fn refuse_ended(entry: &HistoryEntry) -> Result<(), Problem> {
    match entry.run.outcome {
        Some(outcome) => Err(Problem::conflict(format!(
            "run {} has ended: {}",
            entry.run.id,
            outcome.as_str()
        ))),
        None => Ok(()),
    }
}

/// Live events. Begins with where the target stands, unless the client was here a short while ago and missed nothing that
/// is not kept.
#[utoipa::path(get, path = "/api/v1/events", tag = "native", responses((status = 200, content_type = "text/event-stream", description = "First `overview`, where the target stands; then `run`, one `Event` each"), (status = 401, body = Problem)), params(("last-event-id" = Option<String>, Header)), security(("token" = []), ("password" = [])))]
pub(super) async fn events(
    State(service): State<Arc<Service>>,
    session: Option<Extension<Session>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SentEvent, Infallible>>>, Problem> {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .and_then(|id| id.strip_prefix(&service.boot)?.parse::<u64>().ok());
    let newest = service.supervisor.newest_event();
    let (missed, receiver) = service.supervisor.subscribe(last.unwrap_or(newest));
    let first = match (last, missed) {
        (Some(_), Some(missed)) => missed
            .iter()
            .map(|event| sent(&service, event))
            .collect::<Vec<_>>(),
        (_, missed) => {
            // What happened between the two looks is in both.
            let number = missed
                .and_then(|missed| missed.last().map(|event| event.number))
                .unwrap_or(newest);
            vec![overview(&service, number).await?]
        }
    };
    let rest = stream::unfold((service, receiver), |(service, mut receiver)| async move {
        let event = match receiver.recv().await {
            Ok(event) => sent(&service, &event),
            Err(RecvError::Lagged(_)) => {
                // A client too slow for the events is told where things stand instead.
                let number = service.supervisor.newest_event();
                receiver = receiver.resubscribe();
                overview(&service, number).await.ok()?
            }
            Err(RecvError::Closed) => return None,
        };
        Some((event, (service, receiver)))
    });
    // Whoever listens with a session does so no longer than it lasts.
    let over = async move {
        match session {
            Some(Extension(session)) => tokio::time::sleep(session.remaining()).await,
            None => std::future::pending().await,
        }
    };
    let events = stream::iter(first)
        .chain(rest)
        .take_until(Box::pin(over))
        .map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

async fn overview(service: &Service, number: u64) -> Result<SentEvent, Problem> {
    let overview = service.supervisor.overview().await?;
    let event = SentEvent::default()
        .event("overview")
        .id(format!("{}{number}", service.boot));
    Ok(event.json_data(&overview).unwrap_or_default())
}

fn sent(service: &Service, numbered: &Numbered) -> SentEvent {
    SentEvent::default()
        .event("run")
        .id(format!("{}{}", service.boot, numbered.number))
        .data(numbered.json())
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "bad request", rejection.body_text())
    }
}
