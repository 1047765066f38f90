//! `baseline`: writes steps down as applied without running them.

use clap::Args;

use super::terminal::{Terminal, time};
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::database::Stop;
use crate::engine::{Adoption, BaselineOrder, StepReference};

#[derive(Debug, Args)]
pub(super) struct BaselineArguments {
    /// The index, version or name of the last step whose work was done; `none` when that of no step was [default: the last
    /// step that there is]
    #[arg(long, value_name = "STEP")]
    through: Option<StepReference>,
    /// Why; the history shows it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only say what would be written down
    #[arg(long)]
    dry_run: bool,
    /// Leave out steps that come before one that is written down: a branch that was merged late
    #[arg(long)]
    out_of_order: bool,
    /// Refuse at once when another host works on the target, instead of waiting for it
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    allowances: AllowanceArguments,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &BaselineArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        wait: !arguments.no_wait,
        ..Manner::default()
    };
    let target = global.target(arguments.allowances, manner)?;
    let stop = Stop::default();
    super::run::cancel_on_signal(&stop)?;
    target.announce(terminal, &stop).await?;
    let order = BaselineOrder {
        through: arguments.through.clone(),
        reason: arguments.reason.clone(),
        dry_run: arguments.dry_run,
        out_of_order: arguments.out_of_order,
    };
    let observer = terminal.observer();
    let adoption = target.baseline(&order, observer, &stop).await?;
    show(&adoption, arguments.dry_run, &target.name(), terminal);
    Ok(0)
}

/// What was written down, and where.
#[derive(serde::Serialize)]
struct Shown<'s> {
    target: &'s str,
    #[serde(flatten)]
    adoption: &'s Adoption,
}

/// Says what was written down, or would be.
pub(super) fn show(adoption: &Adoption, is_dry_run: bool, target: &str, terminal: &Terminal) {
    if terminal.json() {
        terminal.document(&Shown { target, adoption });
        return;
    }
    for remark in &adoption.remarks {
        terminal.line(remark);
    }
    for file in &adoption.files {
        let tenant = file.tenant.as_ref().map(|tenant| format!("  {tenant}"));
        let applied = file.applied_at.map(|at| format!("  applied {}", time(at)));
        terminal.line(&format!(
            "  {}{}{}",
            file.name,
            tenant.unwrap_or_default(),
            applied.unwrap_or_default()
        ));
    }
    let count = match adoption.files.len() {
        0 => "nothing".to_owned(),
        1 => "1 as applied".to_owned(),
        count => format!("{count} as applied"),
    };
    terminal.line(&match (adoption.run, is_dry_run) {
        (_, true) => format!("would write down {count}, and run nothing; nothing was changed"),
        (None, _) => "nothing to do; all of it is written down already".to_owned(),
        (Some(run), _) => format!("run {run} wrote down {count}, and ran nothing"),
    });
}
