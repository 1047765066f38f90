//! `repair`: what differs between the journal and the files, and which of it is right for good.

use clap::Args;

use super::terminal::Terminal;
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::database::Stop;
use crate::engine::{Difference, Differs, Repair, RepairOrder};

#[derive(Debug, Args)]
pub(super) struct RepairArguments {
    /// Accept the changed or renamed file of this applied step for good; may be given again
    #[arg(long, value_name = "STEP", requires = "reason")]
    accept: Vec<String>,
    /// Remove this applied step, whose file is gone for good, from the journal; may be given again
    #[arg(long, value_name = "STEP", requires = "reason")]
    remove: Vec<String>,
    /// Write down anew the SHA-256 of files that differ in their line ends or a byte order mark alone
    #[arg(long)]
    normalise: bool,
    /// Move the journal to the schema where a new one would be, on PostgreSQL
    #[arg(long)]
    move_journal: bool,
    /// Why; status and history show it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Refuse at once when another host works on the target, instead of waiting for it
    #[arg(long)]
    no_wait: bool,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &RepairArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        wait: !arguments.no_wait,
        ..Manner::default()
    };
    let order = RepairOrder {
        accept: arguments.accept.clone(),
        remove: arguments.remove.clone(),
        normalise: arguments.normalise,
        move_journal: arguments.move_journal,
        reason: arguments.reason.clone(),
    };
    let target = global.target(AllowanceArguments::default(), manner)?;
    let stop = Stop::default();
    super::run::cancel_on_signal(&stop)?;
    target.announce(terminal, &stop).await?;
    let repair = target.repair(&order, terminal.observer(), &stop).await?;
    if terminal.json() {
        terminal.document(&Shown {
            target: &target.name(),
            repair: &repair,
        });
        return Ok(0);
    }
    match (repair.run, order.is_empty()) {
        (Some(run), _) => show_repaired(run, &repair, terminal),
        (None, true) => show_differences(&repair, terminal),
        (None, false) => terminal.line("nothing to do"),
    }
    Ok(0)
}

/// What was repaired or differs, and where.
#[derive(serde::Serialize)]
struct Shown<'s> {
    target: &'s str,
    #[serde(flatten)]
    repair: &'s Repair,
}

fn show_repaired(run: i64, repair: &Repair, terminal: &Terminal) {
    for difference in &repair.differences {
        let done = match difference.what {
            Differs::Changed => "its changed file is accepted",
            Differs::Renamed => "its new name is accepted",
            Differs::Missing => "removed from the journal",
            Differs::LineEnds => "its SHA-256 is written down anew",
        };
        terminal.line(&format!("  {}  {done}", difference.name));
    }
    if let Some((from, to)) = &repair.moved {
        terminal.line(&format!(
            "run {run} moved the journal from the schema {from} to {to}"
        ));
    }
    for warning in &repair.warnings {
        terminal.warning(warning);
    }
    let count = repair.differences.len();
    if count == 0 {
        return;
    }
    terminal.line(&format!(
        "run {run} repaired {count} {}, and ran nothing",
        if count == 1 { "step" } else { "steps" }
    ));
}

fn show_differences(repair: &Repair, terminal: &Terminal) {
    if repair.differences.is_empty() {
        terminal.line("nothing to repair: all applied steps are what they were when they ran");
        return;
    }
    for difference in &repair.differences {
        terminal.line(&format!("  {}  {}", difference.name, described(difference)));
        if let Some(obstacle) = &difference.obstacle {
            terminal.line(&format!("    {obstacle}"));
        }
    }
    let has = |what: Differs| {
        let mut all = repair.differences.iter();
        all.any(|difference| difference.what == what && difference.obstacle.is_none())
    };
    for (what, way) in [
        (
            Differs::Changed,
            "restore a changed file, or accept it for good: `wasmigrate repair --accept STEP --reason …`",
        ),
        (
            Differs::Renamed,
            "rename a file back, or accept its new name for good: `wasmigrate repair --accept NEW-NAME --reason …`",
        ),
        (
            Differs::Missing,
            "put a file back, or remove its step for good: `wasmigrate repair --remove STEP --reason …`",
        ),
        (
            Differs::LineEnds,
            "line ends stop nothing; `wasmigrate repair --normalise` writes them down anew",
        ),
    ] {
        if has(what) {
            terminal.line(way);
        }
    }
}

fn described(difference: &Difference) -> String {
    let Difference {
        applied,
        now,
        before,
        ..
    } = difference;
    match (difference.what, now) {
        (Differs::Renamed, _) => format!(
            "was renamed; it was applied as {}",
            before.as_deref().unwrap_or_default()
        ),
        (Differs::Changed, Some(now)) => {
            format!("changed; its SHA-256 was {applied} and is {now}")
        }
        (Differs::LineEnds, _) => {
            format!("differs in its line ends alone; its SHA-256 was {applied}")
        }
        _ => format!("its file is gone; its SHA-256 was {applied}"),
    }
}
