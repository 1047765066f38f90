//! `squash`: makes a baseline of the first steps, for new databases.

use std::path::Path;

use clap::Args;

use super::release_steps::refuse_release;
use super::run::cancel_on_signal;
use super::terminal::Terminal;
use super::{CommandError, GlobalArguments, REFUSED};
use crate::catalog::write_new;
use crate::database::{Location, Stop};
use crate::engine::StepReference;
use crate::rehearsal::Rehearsal;

#[derive(Debug, Args)]
pub(super) struct SquashArguments {
    /// The last step that the baseline stands for: its index, its version or its name
    #[arg(long, value_name = "STEP")]
    to: StepReference,
    /// What the baseline is called
    #[arg(long, default_value = "squashed")]
    name: String,
    /// The PostgreSQL server on which a database may be made and dropped, where the target is one of PostgreSQL
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(super) fn run(
    global: &GlobalArguments,
    arguments: &SquashArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    if global.host.is_some() {
        return Err(
            anyhow::anyhow!("a baseline is made where the files are: leave out `--host`").into(),
        );
    }
    let config = global.config()?;
    refuse_release(&config)?;
    if config.tenancy(false).is_some() {
        return Err(anyhow::anyhow!(
            "a baseline is for steps of one directory: there is none for `[sources]`"
        )
        .into());
    }
    let stop = Stop::default();
    cancel_on_signal(&stop)?;
    if let Some(fault) = config
        .database_fault
        .as_deref()
        .filter(|_| config.database.is_empty())
    {
        return Err(anyhow::anyhow!("{fault}").into());
    }
    if config.database.is_empty() {
        return Err(anyhow::anyhow!(
            "a baseline is for one kind of database: name the target with `--database` or in the settings"
        )
        .into());
    }
    let location = Location::parse(&config.database, &config.database_settings());
    let location = location.map_err(anyhow::Error::msg)?;
    let is_on_a_server = matches!(location, Location::Server(_));
    let on = match is_on_a_server {
        true => " --on postgres",
        false => "",
    };
    let server = arguments.server.clone();
    let server = server.or_else(|| Some(config.test.server.clone()).filter(|url| !url.is_empty()));
    let migrations = config.migrations.clone();
    let mut rehearsal = Rehearsal::of(&migrations)
        .with_config(config)
        .stopping(stop);
    if is_on_a_server {
        rehearsal = rehearsal.on_postgres(server.ok_or_else(|| {
            anyhow::anyhow!(
                "name a PostgreSQL server on which a database may be made for that: `--server postgres://USER@HOST/NAME`, or \
                 WASMIGRATE_TEST_SERVER; its role needs CREATEDB"
            )
        })?);
    }
    // It runs on threads of its own, each with a runtime.
    let squash = || rehearsal.squash(&arguments.to, &arguments.name);
    let squashed = std::thread::scope(|scope| scope.spawn(squash).join());
    let squashed = match squashed {
        Ok(Ok(squashed)) => squashed,
        Ok(Err(error)) => {
            return Err(CommandError {
                status: REFUSED,
                message: error.to_string(),
                failure: None,
            });
        }
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let path = migrations.join(&squashed.file_name);
    write(&path, &squashed.text)?;
    if terminal.json() {
        terminal.document(
            &serde_json::json!({ "file": path.display().to_string(), "steps": squashed.steps }),
        );
        return Ok(0);
    }
    terminal.line(&format!("made {}", path.display()));
    terminal.line(&format!(
        "it stands for {} on new databases; `wasmigrate test{on}` proves that it comes to the same",
        match squashed.steps.as_slice() {
            [only] => only.clone(),
            all => format!("{} steps", all.len()),
        }
    ));
    terminal.line(
        "the files of these steps may go when no database is left that has only some of them, or that has one with a finalize \
         and has not finalized it",
    );
    Ok(0)
}

/// Writes a new file; never over another one.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let made = write_new(path, text);
    made.map_err(|error| anyhow::anyhow!("cannot make `{}`: {error}", path.display()).into())
}
