//! `release lock`: writes down that a release was reviewed.

use clap::Args;

use crate::cli::release_steps::options;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, GlobalArguments};
use crate::releases::{ReleaseReference, ResolvedRelease, lock, verify};

#[derive(Debug, Args)]
pub(in crate::cli) struct LockArguments {
    /// The release: oci://HOST/REPOSITORY:VERSION
    #[arg(value_name = "REFERENCE")]
    reference: String,
}

pub(in crate::cli) fn run(
    global: &GlobalArguments,
    arguments: &LockArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let config = global.config()?;
    let options = options(&config);
    let reference = ReleaseReference::parse(&arguments.reference)?;
    let release = ResolvedRelease::checked(&reference, &options)?;
    let mut signers = Vec::new();
    if let Some(trust) = global.source.policy(&config)? {
        // By its digest: a tag may have moved since.
        let verified = verify(&release.reference, &trust, &options)?;
        signers = verified.signers;
    }
    if let Some(warning) = release.moved(&reference)? {
        terminal.warning(&warning);
    }
    let file = lock(&config.directory, &release, &signers)?;
    if terminal.json() {
        terminal.document(&serde_json::json!({
            "file": file,
            "reference": release.reference.to_string(),
            "signers": signers,
        }));
        return Ok(0);
    }
    terminal.line(&format!("locked  {}", release.reference));
    terminal.line(&format!("wrote {}", file.display()));
    Ok(0)
}
