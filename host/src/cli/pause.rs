//! `pause` and `resume` of a run.

use clap::Args;

use super::terminal::Terminal;
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::database::Stop;

#[derive(Debug, Args)]
pub(super) struct PauseArguments {}

pub(super) async fn run(
    global: &GlobalArguments,
    _arguments: &PauseArguments,
    pause: bool,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        without_steps: true,
        ..Manner::default()
    };
    let target = global.target(AllowanceArguments::default(), manner)?;
    target.announce(terminal, &Stop::default()).await?;
    let run = target.pause(pause).await?;
    if terminal.json() {
        terminal.document(&serde_json::json!({"run": run, "paused": pause}));
    } else {
        terminal.line(&match pause {
            true => format!("run {run} pauses as soon as its chunk or step is done"),
            false => format!("run {run} continues"),
        });
    }
    Ok(0)
}
