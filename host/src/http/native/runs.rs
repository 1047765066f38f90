//! Runs: begun, looked at, held up and cancelled.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::PAGE;
use crate::engine::{HistoryEntry, RunError};
use crate::http::Service;
use crate::http::problem::Problem;
use crate::journal::{Commander, Outcome, OutputLine};

/// Pauses the run, in whichever host, at its next step or chunk of rows.
#[utoipa::path(post, path = "/api/v1/pause", tag = "native", responses((status = 200, description = "The number of the run"), (status = 401, body = Problem), (status = 409, body = Problem)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn pause(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
) -> Result<Response, Problem> {
    let run = service
        .supervisor
        .ask(async move |engine| engine.commanded_by(by).pause().await);
    Ok(crate::http::json(
        StatusCode::OK,
        &json!({ "run": run.await? }),
    ))
}

/// Resumes the paused run.
#[utoipa::path(post, path = "/api/v1/resume", tag = "native", responses((status = 200, description = "The number of the run"), (status = 401, body = Problem), (status = 409, body = Problem)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn resume(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
) -> Result<Response, Problem> {
    let run = service
        .supervisor
        .ask(async move |engine| engine.commanded_by(by).resume().await);
    Ok(crate::http::json(
        StatusCode::OK,
        &json!({ "run": run.await? }),
    ))
}

/// How long the target may take to say whether a run that is about to be cancelled has ended already.
const LOOK_BEFORE_CANCEL: Duration = Duration::from_secs(2);

/// Which part of a list is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RunsPage {
    /// Runs before this one.
    before: Option<i64>,
    /// How many.
    most: Option<u32>,
    /// Whether with their output.
    #[serde(default)]
    output: bool,
}

#[utoipa::path(get, path = "/api/v1/runs", tag = "native", responses((status = 200, body = [HistoryEntry]), (status = 400, body = Problem), (status = 401, body = Problem)), params(RunsPage), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn runs(
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
pub(in crate::http) async fn run(
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
pub(in crate::http) struct LinesPage {
    /// Those after the line with this number.
    #[serde(default)]
    after: i64,
    /// How many.
    most: Option<u32>,
}

/// Lines of output, and the number to ask for more after them.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::http) struct LinesAnswer {
    lines: Vec<OutputLine>,
    next: i64,
}

#[utoipa::path(get, path = "/api/v1/runs/{run}/output", tag = "native", responses((status = 200, body = LinesAnswer), (status = 401, body = Problem), (status = 404, body = Problem)), params(("run" = i64, Path), LinesPage), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn output(
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

#[utoipa::path(post, path = "/api/v1/runs/{run}/cancel", tag = "native", responses((status = 202, description = "The run is being cancelled"), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)), params(("run" = i64, Path)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn cancel(
    State(service): State<Arc<Service>>,
    Extension(by): Extension<Commander>,
    run: Result<Path<i64>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(run) = run?;
    if let Some(live) = service.supervisor.live().filter(|live| live.run == run) {
        // It is known as live a moment longer than it lasts. Whether its target answers or not, it can be cancelled.
        let found = tokio::time::timeout(LOOK_BEFORE_CANCEL, find(&service, run)).await;
        if let Ok(Ok(entry)) = found {
            refuse_ended(&entry)?;
        }
        live.cancel();
        // Whether that can be written down or not, the run ends.
        let noted = Arc::clone(&service.supervisor);
        tokio::spawn(async move {
            let note =
                noted.ask(async move |engine| engine.commanded_by(by).note_cancel(run).await);
            if let Err(error) = note.await {
                tracing::warn!("who cancelled run {run} is not in the history: {error}");
            }
        });
        return Ok(cancelling(run));
    }
    let entry = find(&service, run).await?;
    refuse_ended(&entry)?;
    let lease = service.supervisor.overview().await?.lease;
    let Some(lease) = lease.filter(|lease| lease.run == run) else {
        return Err(Problem::conflict(died(&entry)));
    };
    let cancelled = service
        .supervisor
        .ask(async move |engine| engine.commanded_by(by).cancel(run, &lease).await);
    cancelled.await?;
    Ok(cancelling(run))
}

fn cancelling(run: i64) -> Response {
    crate::http::json(StatusCode::ACCEPTED, &json!({ "run": run }))
}

fn died(entry: &HistoryEntry) -> String {
    format!(
        "run {} has ended: {} died or has lost its lease",
        entry.run.id, entry.run.host
    )
}

fn refuse_ended(entry: &HistoryEntry) -> Result<(), Problem> {
    match entry.run.outcome {
        Some(Outcome::Interrupted) => Err(Problem::conflict(died(entry))),
        Some(outcome) => Err(Problem::conflict(format!(
            "run {} has ended: {}",
            entry.run.id,
            outcome.as_str()
        ))),
        None => Ok(()),
    }
}
