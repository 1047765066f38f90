//! `verify`: every file against the journal, hashed anew, and the schema against what the last run left.

use clap::Args;

use super::target::Target;
use super::terminal::Terminal;
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Accept steps that are pending and come before one that was applied
    #[arg(long)]
    out_of_order: bool,
    #[command(flatten)]
    allowances: AllowanceArguments,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &VerifyArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        out_of_order: arguments.out_of_order,
        looks_only: true,
        ..Manner::default()
    };
    let target = global.target(arguments.allowances, manner)?;
    if let Some(warning) = target.source_warning() {
        terminal.warning(warning);
    }
    if matches!(target, Target::There { .. }) && arguments.out_of_order {
        return Err(anyhow::anyhow!(
            "what a running host accepts out of order, its setting `out_of_order` says: leave out `--out-of-order`"
        )
        .into());
    }
    let verified = target.verify().await?;
    if terminal.json() {
        terminal.document(&verified);
    } else {
        let schema = match verified.schema_of_run {
            Some(run) => format!("the schema is what run {run} left"),
            None => "what the schema was is not known: there was no run".to_owned(),
        };
        terminal.line(&format!(
            "{} what {} ran; {schema}",
            match verified.verified {
                1 => "1 applied step is".to_owned(),
                count => format!("{count} applied steps are"),
            },
            match verified.verified {
                1 => "it was when it",
                _ => "they were when they",
            }
        ));
    }
    Ok(0)
}
