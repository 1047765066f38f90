//! `wait`: for scripts and init containers that must not continue before the migration is done.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::target::Target;
use super::terminal::Terminal;
use super::{AllowanceArguments, CommandError, FAILED, GlobalArguments, Manner, OVERDUE};
use crate::engine::{Overview, RunError, State};

/// How often to look.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct WaitArguments {
    /// What to wait for
    #[arg(long = "for", value_enum, default_value_t = Awaited::Finalized)]
    awaited: Awaited,
    /// How long to wait, such as 90s, 30m or 1h30m
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = time)]
    timeout: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Awaited {
    /// All steps are migrated, be they finalized or not
    Migrated,
    /// All steps are finalized
    Finalized,
}

impl Awaited {
    fn has_come(self, state: State) -> bool {
        match self {
            Self::Migrated => matches!(state, State::Finalized | State::FinalizationRequired),
            Self::Finalized => state == State::Finalized,
        }
    }
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &WaitArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let target = global.target(AllowanceArguments::default(), Manner::default())?;
    let give_up = Instant::now() + arguments.timeout;
    let mut last = None;
    let mut is_paused = false;
    loop {
        let looked = look(&target).await?;
        if let Ok(overview) = &looked {
            if let Some(problem) = overview.problems.first() {
                return Err(anyhow::anyhow!("{problem}").into());
            }
            if arguments.awaited.has_come(overview.state) {
                tell(overview, terminal);
                return Ok(0);
            }
            if overview.state.is_failed() {
                let failure = overview.failure.clone().map(Box::new);
                let why = failure
                    .as_ref()
                    .map_or_else(String::new, |failure| format!(": {failure}"));
                return Err(CommandError {
                    status: FAILED,
                    message: format!("the state is {}{why}", overview.state.as_str()),
                    failure,
                });
            }
            if last != Some(overview.state) || is_paused != paused_by(overview).is_some() {
                tell(overview, terminal);
                last = Some(overview.state);
                is_paused = paused_by(overview).is_some();
            }
        }
        if Instant::now() >= give_up {
            let seen = match looked {
                Ok(overview) => in_words(&overview),
                Err(error) => error,
            };
            return Err(CommandError {
                status: OVERDUE,
                message: format!("gave up after {:?}: {seen}", arguments.timeout),
                failure: None,
            });
        }
        let left = give_up.saturating_duration_since(Instant::now());
        tokio::time::sleep(INTERVAL.min(left)).await;
    }
}

/// Where the target stands; or why that is not known yet: a database or a host that is not up is waited for, too.
async fn look(target: &Target) -> Result<Result<Overview, String>, CommandError> {
    match target {
        Target::Here(engine) => match engine.overview().await {
            Ok(overview) => Ok(Ok(overview)),
            Err(RunError::Database(error)) => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        },
        Target::There { client, .. } => match client.overview() {
            Ok(overview) => Ok(Ok(overview)),
            Err(error) if error.is_final() => Err(error.into()),
            Err(error) => Ok(Err(error.to_string())),
        },
    }
}

fn tell(overview: &Overview, terminal: &Terminal) {
    if terminal.json() {
        let mut said = serde_json::Map::from_iter([("state".to_owned(), json!(overview.state))]);
        if let Some(by) = paused_by(overview) {
            said.insert("paused_by".to_owned(), json!(by));
        }
        terminal.document(&said);
    } else {
        terminal.line(&in_words(overview));
    }
}

/// Who keeps the run from going on.
fn paused_by(overview: &Overview) -> Option<&str> {
    overview.pause.as_ref()?.requested_by.as_deref()
}

fn in_words(overview: &Overview) -> String {
    let paused = paused_by(overview).map_or_else(String::new, |by| {
        format!(", and the run is paused by {by}: `wasmigrate resume` continues it")
    });
    format!("the state is {}{paused}", overview.state.as_str())
}

fn time(text: &str) -> Result<Duration, String> {
    let time = text
        .parse::<jiff::SignedDuration>()
        .map_err(|_| "write it as 90s, 30m or 1h30m".to_owned())?;
    Duration::try_from(time).map_err(|_| "a time to wait is not negative".to_owned())
}
