//! `release sign` and `release verify`.

use clap::Args;

use super::passphrase::{PassphraseArguments, key_file};
use crate::cli::release_steps::options;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, GlobalArguments};
use crate::output::counted;
use crate::releases::{ReleaseReference, sign, verify};

#[derive(Debug, Args)]
pub(in crate::cli) struct SignArguments {
    /// The release: oci://HOST/REPOSITORY:VERSION, …@sha256:… or oci-layout:PATH:VERSION
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Sign each of its steps, too, for rules on steps
    #[arg(long)]
    steps: bool,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyReleaseArguments {
    /// The release: oci://HOST/REPOSITORY:VERSION, …@sha256:… or oci-layout:PATH:VERSION
    #[arg(value_name = "REFERENCE")]
    reference: String,
}

pub(in crate::cli) fn run(
    global: &GlobalArguments,
    arguments: &SignArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let options = options(&global.config()?);
    let reference = ReleaseReference::parse(&arguments.reference)?;
    let file = key_file(global, "release sign")?;
    let key = arguments.passphrase.open(file)?;
    let signed = sign(&reference, &key, arguments.steps, &options)?;
    if terminal.json() {
        terminal.document(&signed);
        return Ok(0);
    }
    terminal.line(&format!("signed  {}", signed.reference));
    let manifests = counted(signed.manifests as u64, "manifest", "manifests");
    terminal.line(&format!("{manifests}, by {}", signed.key));
    Ok(0)
}

pub(in crate::cli) fn run_verify(
    global: &GlobalArguments,
    arguments: &VerifyReleaseArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let config = global.config()?;
    let reference = ReleaseReference::parse(&arguments.reference)?;
    let Some(trust) = global.source.policy(&config)? else {
        return Err(anyhow::anyhow!(
            "nothing says who must have signed: pass `--key FILE` or `--trust FILE`, or set `trust` in the configuration"
        )
        .into());
    };
    let verified = verify(&reference, &trust, &options(&config))?;
    if let Some(warning) = &verified.warning {
        terminal.warning(warning);
    }
    if terminal.json() {
        terminal.document(&verified);
        return Ok(0);
    }
    terminal.line(&format!("verified  {}", verified.reference));
    for signer in &verified.signers {
        terminal.line(&format!("signed by {signer}"));
    }
    for (step, signers) in &verified.steps {
        terminal.line(&format!("{step} signed by {}", signers.join(", ")));
    }
    for step in &verified.inside_only {
        terminal.line(&format!("{step} may not run outside a transaction"));
    }
    Ok(0)
}
