//! `POST /internal/migrations/`: the OpenSlides migration route, in its three dialects.
//!
//! `request` checks a request and reads the command; this file does what it asks and looks at what became of it; a dialect
//! writes the answer. Every answer, errors included, is JSON.

mod current;
mod full_output;
mod progress;
mod readers;
mod request;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::any;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Service;
use crate::engine::{Command, Order, Overview, RunError, Started, State};
use crate::journal::{Outcome, OutputLine, Phase, RunRecord};
use crate::output::Level;
use request::{Asked, Body};

pub(super) use readers::Readers;
pub(super) use request::{method_not_allowed, not_found};

/// How commands are read and answers written; all three are in the field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// The newest: states as words, `migration_preparing` among them; output that was not read yet.
    #[default]
    Current,
    /// The middle one: states as words; all output in every answer.
    FullOutput,
    /// The oldest: states as numbers, followed with `progress`.
    Progress,
}

/// Why a command is not answered.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    fn response(&self) -> Response {
        super::json(
            self.status,
            &json!({ "success": false, "message": self.message }),
        )
    }
}

impl From<RunError> for Refused {
    fn from(error: RunError) -> Self {
        let status = match &error {
            RunError::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

/// The routes, of the configured dialect and of each.
pub(super) fn routes() -> Router<Arc<Service>> {
    let configured = |Shared(service): Shared<Arc<Service>>, request: Request| async move {
        let dialect = service.settings.dialect;
        answer(&service, dialect, request).await
    };
    let named = |Shared(service): Shared<Arc<Service>>,
                 name: Result<Path<String>, PathRejection>,
                 request: Request| async move {
        let Ok(Path(name)) = name else {
            return not_found().await;
        };
        match <Dialect as clap::ValueEnum>::from_str(&name, false) {
            Ok(dialect) => answer(&service, dialect, request).await,
            Err(_) => not_found().await,
        }
    };
    Router::new()
        .route("/internal/migrations", any(configured))
        .route("/internal/migrations/", any(configured))
        .route("/internal/migrations/dialects/{name}", any(named))
        .route("/internal/migrations/dialects/{name}/", any(named))
}

#[utoipa::path(
    post,
    path = "/internal/migrations",
    tag = "openslides",
    request_body(content = Object, example = json!({ "cmd": "migrate" })),
    responses(
        (status = 200, description = "`success` is true; `status`, `output`, `exception` or `stats` as the dialect has them"),
        (status = 400, description = "`success` is false; `message` says why"),
        (status = 401, description = "`success` is false; the password is missing or wrong"),
    ),
    security(("token" = []), ("password" = []))
)]
#[allow(
    dead_code,
    reason = "the route's description; all methods go through `answer`, which refuses them itself"
)]
pub(super) fn documented() {}

async fn answer(service: &Arc<Service>, dialect: Dialect, request: Request) -> Response {
    match request::read(service, request).await {
        Ok(body) => {
            let conversation = Conversation { service, body };
            let answered = match dialect {
                Dialect::Current => current::answer(&conversation).await,
                Dialect::FullOutput => full_output::answer(&conversation).await,
                Dialect::Progress => progress::answer(&conversation).await,
            };
            match answered {
                Ok(answer) => super::json(StatusCode::OK, &answer),
                Err(refused) => refused.response(),
            }
        }
        Err(response) => response,
    }
}

/// One request that is being answered, and what dialects ask for.
struct Conversation<'c> {
    service: &'c Arc<Service>,
    body: Body,
}

impl Conversation<'_> {
    async fn look(&self) -> Result<View, Refused> {
        let overview = self.service.supervisor.overview().await?;
        Ok(View::of(overview))
    }

    /// Does what a command asks, unless the state forbids it or `permit` does; then waits a little for the end of its work.
    /// `running` says which command is allowed during a run.
    async fn order(
        &self,
        command: Command,
        running: fn(State) -> &'static str,
    ) -> Result<View, Refused> {
        let order = Order {
            verbose: self.body.verbose,
            by: Some(self.body.by.clone()),
            ..Order::new(command)
        };
        let permit = |overview: &Overview| {
            let view = View::of(overview.clone());
            permit(&view.overview, command, running)
        };
        let started = match self.service.supervisor.start(order, permit).await {
            Ok(started) => started,
            Err(Rejection::ByRoute(refused)) => return Err(refused),
            Err(Rejection::ByEngine(RunError::Held(_))) => {
                // Another host was quicker.
                let state = self.look().await?.overview.state;
                return Err(Refused::bad_request(running(state)));
            }
            Err(Rejection::ByEngine(error @ RunError::Refused(_))) => {
                // What a reset has cleared here, the engine still holds against a migrate; there is nothing to migrate.
                let view = self.look().await?;
                let is_nothing = command == Command::Migrate
                    && view.overview.standing_failure.is_some()
                    && view.state() == State::FinalizationRequired;
                return match is_nothing {
                    true => Ok(view),
                    false => Err(error.into()),
                };
            }
            Err(Rejection::ByEngine(error)) => return Err(error.into()),
        };
        if let Started::Run(live) = started {
            let wait = self.service.settings.answer_wait;
            // Not an error: the work goes on, and the answer says so.
            let _ = tokio::time::timeout(wait, live.ended()).await;
        }
        self.look().await
    }

    /// The output of the newest run after the line numbered `after`: debug lines only where the command asked for them.
    async fn output(&self, view: &View, after: i64) -> Result<Vec<OutputLine>, Refused> {
        let Some(run) = &view.overview.last_run else {
            return Ok(Vec::new());
        };
        let supervisor = &self.service.supervisor;
        let mut lines = supervisor.output(run.id, after, u32::MAX >> 1).await?;
        lines.retain(|line| run.verbose || line.level > Level::Debug);
        Ok(lines)
    }
}

/// What the target looks like, in the words of the route.
struct View {
    overview: Overview,
}

impl View {
    /// A reset clears a failed state in this route, also one that was refused: there is no other way on from it.
    fn of(mut overview: Overview) -> Self {
        let is_of_reset = |run: &RunRecord| run.phase == Phase::Reset;
        if overview.standing_failure.is_some()
            && overview.last_run.as_ref().is_some_and(is_of_reset)
        {
            overview.state = overview.state_without_failure();
        }
        Self { overview }
    }

    fn state(&self) -> State {
        self.overview.state
    }

    fn run(&self) -> Option<i64> {
        self.overview.last_run.as_ref().map(|run| run.id)
    }

    /// Why the last run failed, or why a step turned it down.
    fn exception(&self) -> Option<String> {
        exception(&self.overview)
    }

    /// The object `stats`, with the state and the output as the dialect has them.
    fn stats(&self, status: &str, output: String) -> Value {
        let mut stats = answer_with(status.into(), output, self.exception());
        stats.insert(
            "current_migration_index".to_owned(),
            self.overview.current_index.into(),
        );
        stats.insert(
            "target_migration_index".to_owned(),
            self.overview.target_index.into(),
        );
        if let (Some(rows), None) = (self.overview.rows, self.exception()) {
            let models = json!({ "count": rows.expected, "migrated": rows.done });
            stats.insert("migratable_models".to_owned(), models);
        }
        json!({ "success": true, "stats": stats })
    }
}

fn exception(overview: &Overview) -> Option<String> {
    let refused = overview.last_run.as_ref().is_some_and(|run| {
        let is_failed_reset = run.outcome == Some(Outcome::Failed) && run.phase == Phase::Reset;
        run.outcome == Some(Outcome::Refused) || is_failed_reset
    });
    let failure = overview.failure.as_ref()?;
    // What was refused and is not there to be done any more is history.
    let is_open = !overview.state.is_running() && overview.state != State::Finalized;
    (overview.state.is_failed() || (refused && is_open)).then(|| failure.to_string())
}

/// The text of some lines.
fn text(lines: &[OutputLine]) -> String {
    lines
        .iter()
        .fold(String::new(), |text, line| text + &line.line + "\n")
}

/// `status`, and the parts that may be missing.
fn answer_with(status: Value, output: String, exception: Option<String>) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("status".to_owned(), status);
    if !output.is_empty() {
        answer.insert("output".to_owned(), output.into());
    }
    if let Some(exception) = exception {
        answer.insert("exception".to_owned(), exception.into());
    }
    answer
}

/// The whole answer to a command.
fn success(mut answer: Map<String, Value>) -> Value {
    answer.insert("success".to_owned(), true.into());
    Value::Object(answer)
}

/// How the route refuses what the engine would allow, or in its own words.
fn permit(
    overview: &Overview,
    command: Command,
    running: fn(State) -> &'static str,
) -> Result<(), Rejection> {
    let state = overview.state;
    if state.is_running() {
        return Err(Rejection::ByRoute(Refused::bad_request(running(state))));
    }
    if state.is_failed() && command != Command::Reset {
        return Err(Rejection::ByRoute(Refused::bad_request(format!(
            "Migration in a failed state. Reset before trying to {} again. Failed on: {}",
            command.as_str(),
            exception(overview).unwrap_or_default()
        ))));
    }
    let mut once = overview
        .steps
        .iter()
        .filter(|step| step.repeatable.is_none());
    let highest = once.next_back().map_or(0, |step| step.index);
    if highest > overview.target_index {
        return Err(Rejection::ByRoute(Refused::bad_request(format!(
            "The database has a higher migration index ({highest}) than the registered migrations ({})",
            overview.target_index
        ))));
    }
    Ok(())
}

/// Why a command did not start: the route refused it, or the engine.
enum Rejection {
    ByRoute(Refused),
    ByEngine(RunError),
}

impl From<RunError> for Rejection {
    fn from(error: RunError) -> Self {
        Self::ByEngine(error)
    }
}

/// What the two newer dialects say to a command during a run.
fn only_stats(state: State) -> &'static str {
    match state {
        State::FinalizationRunning => "Finalization is running, only 'stats' command is allowed.",
        _ => "Migration is running, only 'stats' command is allowed.",
    }
}

/// What a dialect is asked, when it is none of its own commands.
fn unknown(name: &str) -> Refused {
    Refused::bad_request(format!("Unknown command: {name}"))
}
