//! `status`: where the target stands.

use clap::Args;

use super::terminal::{Terminal, printable_lines, shortened, time};
use super::{AllowanceArguments, Ended, GlobalArguments, Manner};
use crate::engine::{Overview, Progress};

#[derive(Debug, Args)]
pub(super) struct StatusArguments {}

pub(super) async fn run(
    global: &GlobalArguments,
    _arguments: &StatusArguments,
    terminal: &Terminal,
) -> Result<u8, Ended> {
    let target = global.target(AllowanceArguments::default(), Manner::default())?;
    let overview = target.overview().await?;
    if terminal.json() {
        terminal.document(&overview);
    } else {
        show(&overview, terminal);
    }
    Ok(0)
}

fn show(overview: &Overview, terminal: &Terminal) {
    let count = |progress: Progress| {
        overview
            .steps
            .iter()
            .filter(|step| step.progress == progress)
            .count()
    };
    terminal.line(&format!("target  {}", overview.target));
    terminal.line(&format!("state   {}", overview.state.as_str()));
    terminal.line(&format!(
        "steps   {}: {} finalized, {} migrated, {} pending",
        overview.steps.len(),
        count(Progress::Finalized),
        count(Progress::Migrated),
        count(Progress::Pending) + count(Progress::Started),
    ));
    if let Some(lease) = &overview.lease {
        terminal.line(&format!(
            "host    {} since {} (run {})",
            lease.holder,
            time(lease.acquired_at),
            lease.run
        ));
    }
    if let Some(what) = overview
        .pause
        .as_ref()
        .and_then(|pause| pause.waits_for.as_ref())
    {
        terminal.line(&format!("rests   {what}"));
    }
    let width = overview
        .steps
        .iter()
        .map(|step| step.name.chars().count())
        .max()
        .unwrap_or(0);
    for step in &overview.steps {
        let when = step.finalized_at.or(step.migrated_at);
        terminal.line(
            format!(
                "  {:04}_{:width$}  {:4}  {:9}  {}{}",
                step.index,
                step.name,
                step.kind.map_or("gone", |kind| kind.as_str()),
                step.progress.as_str(),
                when.map_or_else(String::new, time),
                match step.bad_rows {
                    0 => String::new(),
                    rows => format!("  {rows} bad rows"),
                },
            )
            .trim_end(),
        );
    }
    if let Some(failure) = &overview.failure {
        terminal.line(&format!(
            "last failure  {}",
            printable_lines(&failure.to_string())
        ));
        if let Some(statement) = &failure.statement {
            terminal.line(&format!("  statement: {}", shortened(statement)));
        }
    }
    for problem in &overview.problems {
        terminal.line(&format!("problem  {problem}"));
    }
}
