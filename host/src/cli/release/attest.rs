//! `release attest`: a signed statement about a release, which is no signature.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::passphrase::{PassphraseArguments, key_file};
use crate::cli::release_steps::options;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, GlobalArguments};
use crate::input;
use crate::releases::{ReleaseReference, attest, predicate_type};

#[derive(Debug, Args)]
pub(in crate::cli) struct AttestArguments {
    /// The release: oci://HOST/REPOSITORY:VERSION, …@sha256:… or oci-layout:PATH:VERSION
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// The file with what is stated, in JSON
    #[arg(long, value_name = "FILE")]
    predicate: PathBuf,
    /// What it is: slsaprovenance1, cyclonedx, spdxjson, or a URI
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

pub(in crate::cli) fn run(
    global: &GlobalArguments,
    arguments: &AttestArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let options = options(&global.config()?);
    let reference = ReleaseReference::parse(&arguments.reference)?;
    let file = key_file(global, "release attest")?;
    let kind = predicate_type(&arguments.kind);
    if !kind.contains(':') {
        return Err(anyhow::anyhow!(
            "`--type {kind}` is neither slsaprovenance1, cyclonedx or spdxjson, nor a URI"
        )
        .into());
    }
    let path = arguments.predicate.display();
    let text =
        input::read_text(&arguments.predicate).with_context(|| format!("cannot read `{path}`"))?;
    let predicate = serde_json::from_str(&text).with_context(|| format!("`{path}` is no JSON"))?;
    let key = arguments.passphrase.open(file)?;
    let attested = attest(&reference, &kind, predicate, &key, &options)?;
    if terminal.json() {
        terminal.document(&attested);
        return Ok(0);
    }
    terminal.line(&format!("stated  {}", attested.reference));
    terminal.line(&format!("{}, by {}", attested.predicate_type, attested.key));
    Ok(0)
}
