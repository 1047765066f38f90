//! A command that becomes a run, once for each idempotency key.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::catalog::Allowances;
use crate::engine::{
    Command, Extent, Order, Overview, Replacement, RunError, Started, StepReference,
};
use crate::http::Service;
use crate::http::body::read_body;
use crate::http::credentials::Access;
use crate::http::problem::Problem;
use crate::journal::{Commander, RequestKey};

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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
    Extension(by): Extension<Commander>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let new: NewRun = read_body(request).await?;
    access
        .refuse_command(new.command)
        .map_err(Problem::forbidden)?;
    // A client that hangs up meanwhile must find its key known when it comes back.
    let started = tokio::spawn(async move { start_once(&service, &headers, &new, by).await });
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
    by: Commander,
) -> Result<Response, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(accepted(begin(service, new, by, None).await?));
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
        refuse_other(&known.asked, new)?;
        return Ok(accepted(known.run));
    }
    // Another host, or this one before it was started anew, may have taken it.
    if let Some(run) = before(service, key, new).await? {
        return Ok(accepted(Some(run)));
    }
    let request = RequestKey {
        key: key.to_owned(),
        asked: json!(new).to_string(),
    };
    let run = match begin(service, new, by, Some(request)).await {
        Ok(run) => run,
        // It may have been taken there meanwhile.
        Err(problem) => Some(before(service, key, new).await?.ok_or(problem)?),
    };
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

/// The run that a request has become already, be it in another host.
async fn before(service: &Arc<Service>, key: &str, new: &NewRun) -> Result<Option<i64>, Problem> {
    let key = key.to_owned();
    let found = service
        .supervisor
        .ask(async move |engine| engine.run_of_request(&key).await);
    let Some((run, asked)) = found.await? else {
        return Ok(None);
    };
    // A host of another version may know of options that this one does not.
    if let Ok(asked) = serde_json::from_str(&asked) {
        refuse_other(&asked, new)?;
    }
    Ok(Some(run))
}

/// Refuses what is asked for with a key that was used for something else.
fn refuse_other(asked: &NewRun, new: &NewRun) -> Result<(), Problem> {
    if asked == new {
        return Ok(());
    }
    let what = match asked.command == new.command {
        true => " with other options",
        false => "",
    };
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "key used before",
        format!(
            "the idempotency key was used for `{}`{what}",
            asked.command.as_str()
        ),
    ))
}

async fn begin(
    service: &Service,
    new: &NewRun,
    by: Commander,
    request: Option<RequestKey>,
) -> Result<Option<i64>, Problem> {
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
        by: Some(by),
        request,
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
