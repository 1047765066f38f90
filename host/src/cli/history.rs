//! `history`: earlier runs.

use clap::Args;

use super::target::Target;
use super::terminal::{Terminal, duration, printable_lines, shortened, time};
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::catalog::step_label;
use crate::engine::{Failure, HistoryEntry, RunFile};
use crate::journal::{OutputLine, Phase};
use crate::output::{counted, printable};

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    /// How many runs, the newest first
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    last: u32,
    /// Show what the steps wrote, too
    #[arg(short, long)]
    output: bool,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &HistoryArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        without_steps: true,
        ..Manner::default()
    };
    let target = global.target(AllowanceArguments::default(), manner)?;
    let mut entries = target.history(arguments.last, arguments.output).await?;
    if terminal.json() {
        for entry in &mut entries {
            while let Some(lines) = more_output(&target, entry).await? {
                entry.output.get_or_insert_default().extend(lines);
            }
        }
        terminal.document(&entries);
    } else if entries.is_empty() {
        terminal.line("no runs yet");
    } else {
        for entry in &mut entries {
            show(entry, terminal);
            while let Some(lines) = more_output(&target, entry).await? {
                show_lines(&lines, terminal);
            }
        }
    }
    Ok(0)
}

/// The next lines of a run's output, which did not fit into the list of runs.
async fn more_output(
    target: &Target,
    entry: &mut HistoryEntry,
) -> Result<Option<Vec<OutputLine>>, CommandError> {
    let Some(after) = entry.more_output_after else {
        return Ok(None);
    };
    let lines = target.output(entry.run.id, after).await?;
    entry.more_output_after = lines.last().map(|line| line.sequence);
    Ok(Some(lines).filter(|lines| !lines.is_empty()))
}

fn show(entry: &HistoryEntry, terminal: &Terminal) {
    let run = &entry.run;
    let outcome = run.outcome.map_or("running", |outcome| outcome.as_str());
    let took = run.ended_at.map_or_else(String::new, |ended| {
        format!(" in {}", duration(ended - run.started_at))
    });
    terminal.line(&format!(
        "run {}  {}  {}{took}  {}  {}",
        run.id,
        run.command,
        outcome,
        time(run.started_at),
        run.host
    ));
    if let Some(by) = &run.commanded_by {
        terminal.line(&format!("  commanded by {}", printable(&by.in_words())));
    }
    for order in &entry.orders {
        let by = order.commanded_by.as_ref();
        let by = by.map_or_else(String::new, |by| {
            format!(" by {}", printable(&by.in_words()))
        });
        terminal.line(&format!("  {} {}{by}", time(order.at), order.command));
    }
    if let Some(release) = &entry.release {
        let (lineage, version) = (&release.lineage, &release.version);
        terminal.line(&format!("  {lineage} {version}  {}", release.reference));
        for signer in &release.signers {
            terminal.line(&format!("  signed by {signer}"));
        }
        if let Some(rules) = &release.policy_digest {
            terminal.line(&format!("  by the rules {rules}"));
        }
    }
    for file in &entry.files {
        terminal.line(&format!("  {}  {}", file.name, done(file)));
    }
    for attempt in &entry.attempts {
        let again = match attempt.attempt {
            1 => String::new(),
            number => format!(" (attempt {number})"),
        };
        terminal.line(&format!(
            "  {}{}  {} {}{again} in {}{}",
            step_label(attempt.index, &attempt.name),
            attempt
                .tenant
                .as_ref()
                .map_or_else(String::new, |tenant| format!(" for {tenant}")),
            attempt.phase.as_str(),
            attempt.outcome.as_str(),
            duration(attempt.ended_at - attempt.started_at),
            match attempt.phase == Phase::Migrate && entry.out_of_order.contains(&attempt.index) {
                true => "  out of order",
                false => "",
            },
        ));
        let label = step_label(attempt.index, &attempt.name);
        for signer in entry.step_signers.get(&label).into_iter().flatten() {
            terminal.line(&format!("    signed by {signer}"));
        }
    }
    if let Some(failure) = run.error.as_ref().and_then(Failure::from_json) {
        terminal.line(&format!("  {}", printable_lines(&failure.to_string())));
        if let Some(statement) = &failure.statement {
            terminal.line(&format!("    statement: {}", shortened(statement)));
        }
        if failure.last_lines.len() > 1 {
            for line in &failure.last_lines {
                terminal.line(&format!("    {}", printable_lines(line)));
            }
        }
        for (number, frame) in failure.backtrace.iter().enumerate() {
            terminal.line(&format!("    {number}: {frame}"));
        }
    }
    show_lines(entry.output.as_deref().unwrap_or_default(), terminal);
}

fn show_lines(lines: &[OutputLine], terminal: &Terminal) {
    for line in lines {
        terminal.line(&format!(
            "  {} {:7} {}",
            time(line.written_at),
            line.level.as_str(),
            line.line
        ));
    }
}

/// What a run did with a file, where there are tenants, and for how many.
fn done(file: &RunFile) -> String {
    let tenants = |count: u64| match (file.kind.is_for_tenants(), count) {
        (false, _) => String::new(),
        (true, _) => format!(" for {}", counted(count, "tenant", "tenants")),
    };
    let phases = [
        ("migrated", file.migrated),
        ("finalized", file.finalized),
        ("reset", file.reset),
    ];
    match file.migrated == file.finalized && file.reset == 0 {
        true => format!("migrated and finalized{}", tenants(file.migrated)),
        false => {
            let done = phases.iter().filter(|(_, count)| *count > 0);
            let told: Vec<String> = done
                .map(|(phase, count)| format!("{phase}{}", tenants(*count)))
                .collect();
            told.join(", ")
        }
    }
}
