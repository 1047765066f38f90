//! `verify`: every file against the journal, hashed anew.

use clap::Args;

use super::terminal::Terminal;
use super::{AllowanceArguments, Ended, GlobalArguments, Manner};

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    allowances: AllowanceArguments,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &VerifyArguments,
    terminal: &Terminal,
) -> Result<u8, Ended> {
    let target = global.target(arguments.allowances, Manner::default())?;
    let steps = target.verify().await?;
    if terminal.json() {
        terminal.document(&serde_json::json!({"verified": steps}));
    } else {
        terminal.line(&format!(
            "{steps} applied steps are what they were when they ran"
        ));
    }
    Ok(0)
}
