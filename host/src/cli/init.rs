//! `init`: begins a project.

use std::path::PathBuf;

use clap::Args;

use super::new::tell_of;
use super::terminal::Terminal;
use super::{CommandError, GlobalArguments};
use crate::catalog::{self, Ci};

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The directory of the project; made when it is not there
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// A file for this service as well, which tests the steps with each change and runs them
    #[arg(long, value_enum)]
    ci: Option<Ci>,
}

pub(super) fn run(
    global: &GlobalArguments,
    arguments: &InitArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let elsewhere = [
        ("--host", global.host.is_some()),
        ("--config", global.config.is_some()),
        ("--migrations", global.migrations.is_some()),
        ("--database", global.database.is_some()),
    ];
    if let Some((option, _)) = elsewhere.iter().find(|(_, is_given)| *is_given) {
        return Err(anyhow::anyhow!(
            "a project begins with a `wasmigrate.toml` and steps in `migrations`, and names no target: leave out `{option}`, and \
             change the files afterwards"
        )
        .into());
    }
    let made = catalog::new_project(&arguments.directory, arguments.ci)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    tell_of(&made, terminal);
    if terminal.json() {
        return Ok(0);
    }
    terminal.line(
        "next: `wasmigrate test` proves the first step, `wasmigrate migrate --database sqlite:app.db` runs it, and \
         `wasmigrate new \"what it does\"` begins the second",
    );
    Ok(0)
}
