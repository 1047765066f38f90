//! `import`: writes down what another tool's own table says was applied.

use clap::Args;

use super::baseline::show;
use super::terminal::Terminal;
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::database::Stop;
use crate::engine::ImportOrder;
use crate::foreign::Tool;

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// The tool whose history to take over; nothing of its own is changed
    #[arg(long, value_enum, value_name = "TOOL")]
    from: Tool,
    /// Its table, as NAME or SCHEMA.NAME [default: the one that it makes by default]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Only say what would be written down, and what does not fit
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
    arguments: &ImportArguments,
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
    let order = ImportOrder {
        from: arguments.from,
        table: arguments.table.clone(),
        dry_run: arguments.dry_run,
        out_of_order: arguments.out_of_order,
    };
    let observer = terminal.observer();
    let adoption = target.import(&order, &*observer, &stop).await?;
    drop(observer);
    show(&adoption, arguments.dry_run, &target.name(), terminal);
    Ok(0)
}
