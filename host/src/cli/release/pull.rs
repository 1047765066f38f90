//! `release pull`: from a registry to the cache, or to a directory.

use std::path::PathBuf;

use clap::Args;

use crate::cli::release_steps::options;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, GlobalArguments};
use crate::output::counted;
use crate::releases::{Asking, ContentDigest, ReleaseReference, ReleaseSource, ResolvedRelease};

#[derive(Debug, Args)]
pub(in crate::cli) struct PullArguments {
    /// The release: oci://HOST/REPOSITORY:VERSION, …@sha256:… or oci-layout:PATH:VERSION
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// The directory for its steps, which is not there yet or empty [default: one in the cache]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// What was pulled, for machines.
#[derive(serde::Serialize)]
struct Pulled {
    reference: String,
    digest: ContentDigest,
    steps: usize,
    directory: PathBuf,
}

pub(in crate::cli) fn run(
    global: &GlobalArguments,
    arguments: &PullArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let config = global.config()?;
    let options = options(&config);
    let reference = ReleaseReference::parse(&arguments.reference)?;
    let policy = global.source.policy(&config)?;
    let pulled = match (&arguments.output, policy) {
        // What is to run offline needs its signatures, too.
        (None, Some(policy)) => {
            let source = ReleaseSource::of(&reference, Asking::Now, Some(&policy), &options)?;
            Pulled {
                reference: source.reference.to_string(),
                digest: source.digest,
                steps: source.steps,
                directory: source.directory,
            }
        }
        (output, _) => {
            let release = ResolvedRelease::of(&reference, &options)?;
            let directory = match output {
                Some(directory) => {
                    release.write_to(directory, &options)?;
                    directory.clone()
                }
                None => release.steps(&options)?,
            };
            Pulled {
                reference: release.reference.to_string(),
                digest: release.digest,
                steps: release.index.steps.len(),
                directory,
            }
        }
    };
    if terminal.json() {
        terminal.document(&pulled);
        return Ok(0);
    }
    let steps = counted(pulled.steps as u64, "step", "steps");
    terminal.line(&format!("pulled  {}", pulled.reference));
    terminal.line(&format!("{steps} in {}", pulled.directory.display()));
    Ok(0)
}
