//! `release pull`: from a registry to the cache, or to a directory.

use std::path::PathBuf;

use clap::Args;

use crate::cli::release_steps::options;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, GlobalArguments};
use crate::output::counted;
use crate::releases::{ReleaseReference, ResolvedRelease};

#[derive(Debug, Args)]
pub(in crate::cli) struct PullArguments {
    /// The release: oci://HOST/REPOSITORY:VERSION, …@sha256:… or oci-layout:PATH:VERSION
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// The directory for its steps, which is not there yet or empty [default: one in the cache]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(in crate::cli) fn run(
    global: &GlobalArguments,
    arguments: &PullArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let options = options(&global.config()?);
    let reference = ReleaseReference::parse(&arguments.reference)?;
    let release = ResolvedRelease::of(&reference, &options)?;
    let directory = match &arguments.output {
        Some(directory) => {
            release.write_to(directory, &options)?;
            directory.clone()
        }
        None => release.steps(&options)?,
    };
    if terminal.json() {
        terminal.document(&serde_json::json!({
            "reference": release.reference.to_string(),
            "digest": release.digest,
            "steps": release.index.steps.len(),
            "directory": directory,
        }));
        return Ok(0);
    }
    let steps = counted(release.index.steps.len() as u64, "step", "steps");
    terminal.line(&format!("pulled  {}", release.reference));
    terminal.line(&format!("{steps} in {}", directory.display()));
    Ok(0)
}
