//! `lease`: who may change the target now; `lease break` takes that right away.

use clap::{Args, Subcommand};

use super::terminal::{Terminal, time};
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::database::Stop;
use crate::engine::Broken;
use crate::journal::LeaseRecord;
use crate::output::printable;

#[derive(Debug, Args)]
pub(super) struct LeaseArguments {
    #[command(subcommand)]
    command: Option<LeaseCommand>,
}

#[derive(Debug, Subcommand)]
enum LeaseCommand {
    /// Take the lease from whoever holds it. That host cannot commit anything any more, and its run ends as interrupted
    Break {
        /// Why; the history shows it
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &LeaseArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        without_steps: true,
        ..Manner::default()
    };
    let target = global.target(AllowanceArguments::default(), manner)?;
    if arguments.command.is_some() {
        target.announce(terminal, &Stop::default()).await?;
    }
    let (broken, is_broken) = match &arguments.command {
        None => (target.lease().await?, false),
        Some(LeaseCommand::Break { reason }) => (target.break_lease(reason).await?, true),
    };
    let Broken { lease, beginning } = broken;
    if terminal.json() {
        terminal.document(&serde_json::json!({
            "lease": lease,
            "is_live": lease.as_ref().map(LeaseRecord::is_live),
            "is_broken": is_broken && lease.is_some(),
            "lock": beginning,
        }));
        return Ok(0);
    }
    for holder in beginning {
        let what = match (is_broken, holder.is_stalled) {
            (true, _) => "was about to begin a run and has lost the lock of the target",
            (false, true) => "has the lock of the target, and does nothing with it",
            (false, false) => "has the lock of the target",
        };
        terminal.line(&format!("{} {what}", printable(&holder.name)));
    }
    let Some(lease) = lease else {
        terminal.line("nobody holds the lease");
        return Ok(0);
    };
    if is_broken {
        terminal.line(&format!(
            "the lease of {} (run {}) is broken",
            lease.holder, lease.run
        ));
        return Ok(0);
    }
    let state = match (lease.is_live(), lease.is_known_dead()) {
        (true, _) => "live",
        (false, true) => "its process has ended; the next run takes over",
        (false, false) => "run out; the next run takes over",
    };
    for (name, value) in [
        ("holder", lease.holder.clone()),
        ("run", lease.run.to_string()),
        ("state", state.to_owned()),
        ("since", time(lease.acquired_at)),
        ("last heartbeat", time(lease.renewed_at)),
        ("runs out", time(lease.expires_at)),
        ("token", lease.token.to_string()),
    ] {
        terminal.line(&format!("{name:14}  {value}"));
    }
    Ok(0)
}
