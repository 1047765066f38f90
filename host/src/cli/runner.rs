//! `runner`: what runs scripts. That of Python is no part of the binary and is installed.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::terminal::Terminal;
use super::{CommandError, GlobalArguments, Manner, REFUSED};
use crate::catalog::Allowances;
use crate::database::Sqlite;
use crate::engine::Failure;
use crate::sandbox::{RunnerOverview, install_runner};
use crate::{input, webhook_client};

/// How large a runner may be, and how long it may take to come.
const MOST_BYTES: u64 = 128 << 20;
const LONGEST: Duration = Duration::from_secs(600);

/// Releases are kept elsewhere than where their addresses lead.
const MOST_REDIRECTS: usize = 5;

#[derive(Debug, Args)]
pub(super) struct RunnerArguments {
    #[command(subcommand)]
    command: RunnerCommand,
}

#[derive(Debug, Subcommand)]
enum RunnerCommand {
    /// Install the runner of Python, if it is the one that this wasmigrate was built with
    Install {
        /// A file, or an address such as `https://…`
        source: String,
    },
    /// Show which runners there are
    List,
    /// Compile the runners that are there, so that no run has to wait for it
    Warm,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &RunnerArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    if global.host.is_some() {
        return Err(
            anyhow::anyhow!("runners are installed where they run: leave out `--host`").into(),
        );
    }
    let config = global.config()?;
    let cache = config.cache.clone();
    let empty = std::sync::Arc::new(Sqlite::empty(config.session_limits()));
    let engine = super::engine(
        config,
        empty,
        Allowances::default(),
        Manner::default(),
        None,
        None,
    );
    match &arguments.command {
        RunnerCommand::Install { source } => {
            let bytes = read(source)?;
            let file = install_runner(&cache, &bytes).map_err(|why| anyhow::anyhow!("{why}"))?;
            match terminal.json() {
                true => terminal.document(&serde_json::json!({ "file": file })),
                false => terminal.line(&format!("installed {}", file.display())),
            }
            return Ok(0);
        }
        RunnerCommand::List => {}
        RunnerCommand::Warm => engine.warm_runners().map_err(refused)?,
    }
    let runners = engine.runners().map_err(refused)?;
    if terminal.json() {
        terminal.document(&serde_json::json!({ "runners": runners }));
        return Ok(0);
    }
    for runner in &runners {
        terminal.line(&shown(runner));
    }
    Ok(0)
}

fn refused(failure: Failure) -> CommandError {
    CommandError {
        status: REFUSED,
        message: failure.to_string(),
        failure: Some(Box::new(failure)),
    }
}

fn shown(runner: &RunnerOverview) -> String {
    let RunnerOverview {
        language,
        digest,
        is_compiled,
        missing,
        ..
    } = runner;
    let state = match (missing, is_compiled) {
        (Some(why), _) => why.clone(),
        (None, true) => "compiled".to_owned(),
        (None, false) => "not compiled yet".to_owned(),
    };
    match digest {
        Some(digest) => format!("{language:<12}sha256:{digest}  {state}"),
        None => format!("{language:<12}{state}"),
    }
}

fn read(source: &str) -> Result<Vec<u8>, CommandError> {
    if !is_address(source) {
        let bytes = input::read_at_most(Path::new(source), MOST_BYTES);
        return Ok(bytes.map_err(|error| anyhow::anyhow!("cannot read `{source}`: {error}"))?);
    }
    let agent = webhook_client::agent(LONGEST);
    let mut address = source.to_owned();
    for _ in 0..MOST_REDIRECTS {
        let shown = crate::output::without_secrets(&address);
        let failed = |error: ureq::Error| anyhow::anyhow!("cannot fetch `{shown}`: {error}");
        let mut answer = agent.get(&address).call().map_err(failed)?;
        let status = answer.status();
        if status.is_success() {
            let body = answer.body_mut().with_config().limit(MOST_BYTES);
            return Ok(body.read_to_vec().map_err(failed)?);
        }
        let next = answer.headers().get("location");
        match next.and_then(|next| next.to_str().ok()) {
            Some(next) if status.is_redirection() && is_address(next) => address = next.to_owned(),
            _ => {
                return Err(
                    anyhow::anyhow!("cannot fetch `{shown}`: the answer is {status}").into(),
                );
            }
        }
    }
    Err(anyhow::anyhow!("cannot fetch `{source}`: it leads from one address to the next").into())
}

fn is_address(source: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| source.starts_with(scheme))
}
