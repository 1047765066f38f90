//! `plan`: what `migrate` would run; with `--dry-run` it runs it, and rolls it back.

use clap::Args;

use super::target::Target;
use super::terminal::Terminal;
use super::{AllowanceArguments, CommandError, FAILED, GlobalArguments, Manner, REFUSED};
use crate::database::Stop;
use crate::engine::{Progress, Rehearsal, StepOverview};

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    allowances: AllowanceArguments,
    /// Really run the pending steps, in one transaction that is rolled back, and count the rows they change. Other
    /// writers of the database wait meanwhile
    #[arg(long)]
    dry_run: bool,
    /// Refuse, with status 2, when a statement would hold up the application
    #[arg(long)]
    strict: bool,
    /// List the files that are no steps, too
    #[arg(short, long)]
    verbose: bool,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &PlanArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let target = global.target(arguments.allowances, Manner::default())?;
    if arguments.dry_run {
        let stop = Stop::default();
        super::run::cancel_on_signal(&stop)?;
        if let Target::Here(_) = target {
            super::run::watch(&stop)?;
        }
        let rehearsal = target.rehearse(terminal.observer(), &stop).await?;
        return Ok(show_rehearsal(&rehearsal, terminal));
    }
    let overview = target.overview().await?;
    let advice = target.advice().await?;
    let mut pending: Vec<_> = overview
        .steps
        .iter()
        .filter(|step| matches!(step.progress, Progress::Pending | Progress::Started))
        .collect();
    // Scripts run with migrations, not by themselves.
    if pending.iter().all(|step| is_script(step)) {
        pending.clear();
    }
    if terminal.json() {
        terminal.document(&serde_json::json!({
            "pending": pending,
            "ignored": overview.ignored,
            "problems": overview.problems,
            "advice": advice,
        }));
    } else {
        match pending.len() {
            0 => terminal.line("nothing is pending"),
            count => terminal.line(&format!("{count} pending")),
        }
        for step in &pending {
            let started = match step.progress {
                Progress::Started => "  continues from its last checkpoint",
                _ => "",
            };
            terminal.line(&format!(
                "  {}  {}{started}",
                step.label(),
                step.kind.map_or("gone", |kind| kind.as_str()),
            ));
        }
        if arguments.verbose {
            for ignored in &overview.ignored {
                terminal.line(&format!("  ignored {}: {}", ignored.file_name, ignored.why));
            }
        }
        for advice in &advice {
            if advice.advice.is_remark {
                terminal.line(&format!("  {}", advice.danger()));
                continue;
            }
            terminal.warning(&advice.danger());
            terminal.line(&format!(
                "  statement: {}",
                first_line(&advice.advice.statement)
            ));
            terminal.line(&format!("  instead: {}", advice.advice.recipe));
        }
        for problem in &overview.problems {
            terminal.error(problem, None);
        }
    }
    let is_refused = !overview.problems.is_empty()
        || (arguments.strict && advice.iter().any(|advice| !advice.advice.is_remark));
    Ok(if is_refused { REFUSED } else { 0 })
}

fn is_script(step: &StepOverview) -> bool {
    let tenants = step.tenants.as_ref();
    tenants.is_some_and(|tenants| tenants.kind.is_script())
}

fn first_line(statement: &str) -> String {
    let mut lines = statement.lines();
    let first = lines.next().unwrap_or_default().trim_end();
    match lines.next() {
        Some(_) => format!("{first} …"),
        None => first.to_owned(),
    }
}

fn show_rehearsal(rehearsal: &Rehearsal, terminal: &Terminal) -> u8 {
    if terminal.json() {
        terminal.document(rehearsal);
    } else {
        terminal.line(&match rehearsal.steps.len() {
            0 => "nothing is pending".to_owned(),
            count => format!("{count} ran and were rolled back; nothing was changed"),
        });
        let width = rehearsal
            .rows_changed
            .keys()
            .map(|table| table.chars().count())
            .max()
            .unwrap_or(0);
        for (table, rows) in &rehearsal.rows_changed {
            terminal.line(&format!("  {table:width$}  {rows} rows changed"));
        }
        if let Some(failure) = &rehearsal.failure {
            terminal.error(&failure.to_string(), Some(failure));
        }
    }
    if rehearsal.failure.is_some() {
        FAILED
    } else {
        0
    }
}
