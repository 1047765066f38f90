//! `release`: migrations as artifacts in registries of container images.

mod attest;
mod copy;
mod diff;
mod keys;
mod lock;
mod passphrase;
mod pull;
mod push;
mod shown_release;
mod sign;

use clap::{Args, Subcommand};

use super::terminal::Terminal;
use super::{CommandError, GlobalArguments};
use crate::output::counted;
use crate::releases::Pushed;

pub(super) use shown_release::{show, show_sql, step};

#[derive(Debug, Args)]
pub(super) struct ReleaseArguments {
    #[command(subcommand)]
    command: ReleaseCommand,
}

#[derive(Debug, Subcommand)]
enum ReleaseCommand {
    /// Push the steps of a directory as a release, or one component
    Push(push::PushArguments),
    /// Pull a release into the cache, or into a directory
    Pull(pull::PullArguments),
    /// Copy a release between registries, directories and archives, without a change of its digest
    Copy(copy::CopyArguments),
    /// Show what differs between two releases: steps, and what their components ask for
    Diff(diff::DiffArguments),
    /// Sign a release with the key that `--key` names, as cosign does
    Sign(sign::SignArguments),
    /// Keep a signed statement beside a release, such as where it was made
    Attest(attest::AttestArguments),
    /// Demand that all who must have signed a release, by `--key` or `--trust`
    Verify(sign::VerifyReleaseArguments),
    /// Write down the digest of a release that was reviewed, in `wasmigrate.lock`
    Lock(lock::LockArguments),
    /// Make a pair of keys, as cosign does
    Keys(keys::KeysArguments),
}

pub(super) fn run(
    global: &GlobalArguments,
    arguments: &ReleaseArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    if global.host.is_some() {
        return Err(anyhow::anyhow!(
            "releases are pushed, pulled, copied and signed in this process: leave out `--host`"
        )
        .into());
    }
    match &arguments.command {
        ReleaseCommand::Push(push) => push::run(global, push, terminal),
        ReleaseCommand::Pull(pull) => pull::run(global, pull, terminal),
        ReleaseCommand::Copy(copy) => copy::run(global, copy, terminal),
        ReleaseCommand::Diff(difference) => diff::run(global, difference, terminal),
        ReleaseCommand::Sign(sign) => sign::run(global, sign, terminal),
        ReleaseCommand::Attest(attest) => attest::run(global, attest, terminal),
        ReleaseCommand::Verify(verify) => sign::run_verify(global, verify, terminal),
        ReleaseCommand::Lock(lock) => lock::run(global, lock, terminal),
        ReleaseCommand::Keys(keys) => keys::run(keys, terminal),
    }
}

/// Says what is where now.
fn tell(what: &str, pushed: &Pushed, terminal: &Terminal) {
    for (file, why) in &pushed.left_out {
        terminal.warning(&format!("left out: {file} ({why})"));
    }
    if terminal.json() {
        terminal.document(pushed);
        return;
    }
    terminal.line(&format!("{what}  {}", pushed.reference));
    let steps = counted(pushed.steps as u64, "step", "steps");
    let sent = match pushed.sent {
        0 => "all of it was there".to_owned(),
        sent => format!("{sent} blobs and manifests sent"),
    };
    terminal.line(&format!("{steps}, {sent}"));
    if let Some(key) = &pushed.signed_by {
        terminal.line(&format!("signed by {key}"));
    }
}
