//! `release copy`: from a place to another one.

use clap::Args;

use super::tell;
use crate::cli::release_steps::options;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, GlobalArguments};
use crate::releases::{ReleaseReference, copy};

#[derive(Debug, Args)]
pub(in crate::cli) struct CopyArguments {
    /// The release: oci://HOST/REPOSITORY:VERSION, …@sha256:… or oci-layout:PATH:VERSION
    #[arg(value_name = "FROM")]
    from: String,
    /// Where to, with a tag or without; oci-layout:PATH.tar makes an archive
    #[arg(value_name = "TO")]
    to: String,
    /// Replace another content that the version has there
    #[arg(long)]
    force: bool,
}

pub(in crate::cli) fn run(
    global: &GlobalArguments,
    arguments: &CopyArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let options = options(&global.config()?);
    let from = ReleaseReference::parse(&arguments.from)?;
    let to = ReleaseReference::parse(&arguments.to)?;
    let copied = copy(&from, &to, arguments.force, &options)?;
    tell("copied", &copied, terminal);
    Ok(0)
}
