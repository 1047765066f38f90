//! `plan`: what `migrate` would run; with `--dry-run` it runs it, and rolls it back.

use clap::Args;

use super::target::Target;
use super::terminal::Terminal;
use super::{
    AllowanceArguments, CommandError, ExtentArguments, FAILED, GlobalArguments, Manner, REFUSED,
};
use crate::catalog::step_label;
use crate::database::Stop;
use crate::engine::{BaselineOverview, Extent, Progress, Rehearsal, Repeatable, StepOverview};
use crate::output::counted;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    extent: ExtentArguments,
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
    let manner = Manner {
        out_of_order: arguments.extent.out_of_order,
        looks_only: true,
        ..Manner::default()
    };
    let target = global.target(arguments.allowances, manner)?;
    if let Some(warning) = target.source_warning() {
        terminal.warning(warning);
    }
    if matches!(target, Target::There { .. }) && arguments.extent.out_of_order {
        return Err(anyhow::anyhow!(
            "what a running host plans out of order, its setting `out_of_order` says: leave out `--out-of-order`"
        )
        .into());
    }
    let extent = arguments.extent.extent();
    if arguments.dry_run {
        let stop = Stop::default();
        super::run::cancel_on_signal(&stop)?;
        if let Target::Here(_) = target {
            super::run::watch(&stop)?;
        }
        let rehearsal = target.rehearse(extent, terminal.observer(), &stop).await?;
        return Ok(show_rehearsal(&rehearsal, terminal));
    }
    let overview = target.overview().await?;
    let pending = overview.planned(&extent).map_err(anyhow::Error::msg)?;
    let is_gone = |step: &&StepOverview| step.repeatable == Some(Repeatable::Gone);
    let is_stale = |step: &&StepOverview| step.repeatable == Some(Repeatable::Stale);
    let stale: Vec<&StepOverview> = overview.steps.iter().filter(is_stale).collect();
    let gone: Vec<&StepOverview> = overview.steps.iter().filter(is_gone).collect();
    let mut advice = target.advice().await?;
    advice.retain(|advice| pending.iter().any(|step| step.label() == advice.step));
    let left = overview.planned(&Extent::All).map_or(0, |all| all.len()) - pending.len();
    if terminal.json() {
        terminal.document(&serde_json::json!({
            "pending": pending,
            "gone": gone,
            "stale": stale,
            "ignored": overview.ignored,
            "baseline": overview.baseline,
            "problems": overview.problems,
            "advice": advice,
        }));
    } else {
        terminal.line(&match (pending.len(), left) {
            (0, 0) => "nothing is pending".to_owned(),
            (count, 0) => format!("{count} pending"),
            (count, left) => format!("{count} of {} pending", count + left),
        });
        for step in &pending {
            let why = match (step.progress, step.repeatable) {
                (_, Some(Repeatable::Changed)) => "  again: its content has changed",
                (Progress::Started, _) => "  continues from its last checkpoint",
                _ => "",
            };
            terminal.line(&format!(
                "  {}  {}{why}",
                step.label(),
                step.kind.map_or("gone", |kind| kind.as_str()),
            ));
        }
        let is_begun_with = |baseline: &&BaselineOverview| {
            pending.iter().any(|step| step.label() == baseline.label)
        };
        if let Some(baseline) = overview.baseline.as_ref().filter(is_begun_with) {
            say_what_is_included(baseline, terminal);
        }
        for step in &gone {
            terminal.line(&format!(
                "  {}  its file is gone: it does not run any more, and what it made stays",
                step.label()
            ));
        }
        for step in &stale {
            terminal.line(&format!(
                "  {}  has changed since it ran, and a seed runs once: put the change into another one, or name it R__…; \
                 `wasmigrate repair --accept` takes it as it is",
                step.label()
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
            terminal.warning_line(&advice.danger());
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

/// Says of a baseline that names no steps what is taken to be in it, because nobody can check that.
fn say_what_is_included(baseline: &BaselineOverview, terminal: &Terminal) {
    if baseline.names_steps || baseline.includes.is_empty() {
        return;
    }
    let labels = baseline.includes.iter();
    let labels: Vec<String> = labels
        .map(|step| step_label(step.index, &step.name))
        .collect();
    terminal.line(&format!(
        "  {} names no step that it stands for (`-- squashed: STEP`), so that it is all up to its own place, which does not run: {}",
        baseline.label,
        labels.join(", ")
    ));
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
            0 if rehearsal.failure.is_some() => "nothing was changed".to_owned(),
            0 if rehearsal.left_out.is_empty() => "nothing is pending".to_owned(),
            0 => "no step was rehearsed; nothing was changed".to_owned(),
            1 => "1 step ran and was rolled back; nothing was changed".to_owned(),
            count => format!("{count} steps ran and were rolled back; nothing was changed"),
        });
        for step in rehearsal
            .steps
            .iter()
            .filter(|_| rehearsal.failure.is_none())
        {
            terminal.line(&format!("  {step} ran"));
        }
        let width = rehearsal
            .rows_changed
            .keys()
            .map(|table| table.chars().count())
            .max()
            .unwrap_or(0);
        for (table, rows) in &rehearsal.rows_changed {
            terminal.line(&format!(
                "  {table:width$}  {}",
                counted(*rows, "row change", "row changes")
            ));
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
