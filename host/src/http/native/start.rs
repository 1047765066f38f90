//! A command that becomes a run, once for each idempotency key.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::catalog::Allowances;
use crate::engine::{
    Command, Extent, Order, Overview, Replacement, RunError, Started, StepReference,
};
use crate::http::Service;
use crate::http::body::read_body;
use crate::http::problem::Problem;

/// How many answers are remembered for repeated requests.
const REMEMBERED: usize = 1_000;

/// Requests that were answered, by their idempotency keys. Held while one is accepted, so that its repetition waits.
#[derive(Default)]
pub(in crate::http) struct Requests(tokio::sync::Mutex<VecDeque<Remembered>>);

struct Remembered {
    key: String,
    /// All that was asked for.
    asked: NewRun,
    /// None when there was nothing to do.
    run: Option<i64>,
}

/// A command to start.
#[derive(Clone, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewRun {
    command: Command,
    /// The last step that is migrated or finalized; for a reset, the last one that stays. None for all of them.
    #[serde(default)]
    to: Option<StepReference>,
    /// How many steps are migrated or reset; none for all of them.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1)]
    steps: Option<NonZero<usize>>,
    /// Whether steps may run that come before one that was applied.
    #[serde(default)]
    out_of_order: bool,
    /// Whether files of applied steps may be gone.
    #[serde(default)]
    allow_missing: bool,
    /// Whether files of applied steps may have changed.
    #[serde(default)]
    allow_changed: bool,
    /// What to do with a transformation that was begun by another component.
    #[serde(default)]
    replacement: Replacement,
    #[serde(default)]
    verbose: bool,
}

impl NewRun {
    fn extent(&self) -> Result<Extent, Problem> {
        Extent::new(self.to.clone(), self.steps).map_err(Problem::bad_request)
    }
}

#[utoipa::path(post, path = "/api/v1/runs", tag = "native", responses((status = 202, description = "The run has begun"), (status = 200, description = "There is nothing to do"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)), request_body = NewRun, params(("idempotency-key" = Option<String>, Header)), security(("token" = []), ("password" = [])))]
pub(in crate::http) async fn start(
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
        if known.asked != *new {
            let what = match known.asked.command == new.command {
                true => " with other options",
                false => "",
            };
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key used before",
                format!(
                    "the idempotency key was used for `{}`{what}",
                    known.asked.command.as_str()
                ),
            ));
        }
        return Ok(accepted(known.run));
    }
    let run = begin(service, new).await?;
    if requests.len() == REMEMBERED {
        requests.pop_front();
    }
    requests.push_back(Remembered {
        key: key.to_owned(),
        asked: new.clone(),
        run,
    });
    Ok(accepted(run))
}

async fn begin(service: &Service, new: &NewRun) -> Result<Option<i64>, Problem> {
    let order = Order {
        extent: new.extent()?,
        out_of_order: new.out_of_order,
        allowances: Allowances {
            missing: new.allow_missing,
            changed: new.allow_changed,
            out_of_order: false,
        },
        replacement: new.replacement,
        verbose: new.verbose,
        ..Order::new(new.command)
    };
    let permit = |_: &Overview| Ok::<(), RunError>(());
    Ok(match service.supervisor.start(order, permit).await? {
        Started::Run(live) => Some(live.run),
        Started::Nothing => None,
    })
}

/// The answer to a command: its run has begun, or there is nothing to do.
fn accepted(run: Option<i64>) -> Response {
    match run {
        Some(run) => (
            StatusCode::ACCEPTED,
            [(header::LOCATION, format!("/api/v1/runs/{run}"))],
            Json(json!({ "run": run })),
        )
            .into_response(),
        None => crate::http::json(StatusCode::OK, &json!({ "run": null })),
    }
}
