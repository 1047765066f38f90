//! `status`: where the target stands.

use clap::Args;

use super::terminal::{Terminal, printable_lines, shortened, time};
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::catalog::is_seed;
use crate::engine::{Overview, Progress, Repeatable, StepOverview, TenantOverview, TenantsSummary};
use crate::journal::Outcome;
use crate::output::counted;

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Show all tenants, not only those that are behind
    #[arg(long)]
    tenants: bool,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &StatusArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        looks_only: true,
        ..Manner::default()
    };
    let target = global.target(AllowanceArguments::default(), manner)?;
    let overview = target.overview().await?;
    if let Some(warning) = &overview.source_warning {
        terminal.warning(warning);
    }
    let is_wanted =
        |summary: &TenantsSummary| arguments.tenants || summary.behind > 0 || summary.failed > 0;
    let mut tenants = match overview.tenants.as_ref().is_some_and(is_wanted) {
        true => target.tenants().await?,
        false if arguments.tenants => {
            return Err(anyhow::anyhow!(
                "`--tenants` is for targets with tenants: name the directories of their migrations under `[sources]`"
            )
            .into());
        }
        false => Vec::new(),
    };
    if !arguments.tenants {
        tenants.retain(|tenant| tenant.pending > 0 || tenant.failure.is_some());
    }
    if terminal.json() {
        terminal.document(&Shown {
            overview: &overview,
            tenant_list: &tenants,
        });
    } else {
        show(&overview, terminal);
        super::tenants::show(tenants.iter(), terminal);
    }
    Ok(0)
}

/// The overview with the tenants that were asked for.
#[derive(serde::Serialize)]
struct Shown<'s> {
    #[serde(flatten)]
    overview: &'s Overview,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tenant_list: &'s [TenantOverview],
}

/// How far a step is, in a word. A repeatable one is never final.
fn progress(step: &StepOverview) -> &'static str {
    match step.repeatable {
        Some(
            Repeatable::Applied | Repeatable::Stale | Repeatable::Gone | Repeatable::Elsewhere,
        ) => "applied",
        _ => step.progress.as_str(),
    }
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
    terminal.say_environment();
    if let Some(source) = &overview.source {
        terminal.source(source);
    }
    terminal.line(&format!("state   {}", overview.state.as_str()));
    terminal.line(&format!(
        "steps   {}: {} finalized, {} migrated, {} pending",
        overview.steps.len(),
        count(Progress::Finalized),
        count(Progress::Migrated),
        count(Progress::Pending) + count(Progress::Started),
    ));
    if let Some(tenants) = overview.tenants.as_ref().filter(|all| all.tenants > 0) {
        terminal.line(&format!(
            "tenants {}: {} up to date, {} behind, {} failed",
            tenants.tenants, tenants.up_to_date, tenants.behind, tenants.failed
        ));
    }
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
        terminal.line(&format!("on hold {what}"));
    }
    let width = overview
        .steps
        .iter()
        .map(|step| step.label().chars().count())
        .max()
        .unwrap_or(0);
    for step in &overview.steps {
        let when = step.finalized_at.or(step.migrated_at);
        terminal.line(
            format!(
                "  {:width$}  {:4}  {:9}  {}{}{}",
                step.label(),
                match (step.kind, step.repeatable) {
                    (Some(kind), _) => kind.as_str(),
                    (None, Some(Repeatable::Elsewhere)) => "seed",
                    (None, _) => "gone",
                },
                progress(step),
                when.map_or_else(String::new, time),
                match (step.bad_rows, &step.tenants) {
                    (0, Some(tenants))
                        if tenants.kind.is_for_tenants() && !tenants.kind.is_script() =>
                        format!(
                            "  {} of {} tenants",
                            tenants.applied,
                            tenants.applied + tenants.pending
                        ),
                    (0, Some(tenants)) if tenants.kind.is_for_tenants() && tenants.pending > 0 => {
                        format!(
                            "  due for {}",
                            counted(tenants.pending, "tenant", "tenants")
                        )
                    }
                    (0, _) => String::new(),
                    (rows, _) => format!("  {}", counted(rows, "bad row", "bad rows")),
                },
                match (step.out_of_order, step.repeatable) {
                    (_, Some(Repeatable::Changed)) => "  its content has changed since",
                    (_, Some(Repeatable::Stale)) => "  has changed since, and runs once",
                    (_, Some(Repeatable::Elsewhere)) => "  of another environment",
                    (_, Some(_)) if is_seed(step.index) => "  seed",
                    (_, Some(_)) => "  repeatable",
                    (true, None) => "  out of order",
                    (false, None) => "",
                },
            )
            .trim_end(),
        );
    }
    if let Some(failure) = &overview.standing_failure {
        terminal.line(&format!(
            "last failure  {}",
            printable_lines(&failure.to_string())
        ));
    }
    if let Some(failure) = &overview.failure {
        let last = overview.last_run.as_ref();
        let label = match last.and_then(|run| run.outcome) {
            Some(Outcome::Refused) => "last refusal",
            _ => "last failure",
        };
        terminal.line(&format!(
            "{label}  {}",
            printable_lines(&failure.to_string())
        ));
        if let Some(statement) = &failure.statement {
            terminal.line(&format!("  statement: {}", shortened(statement)));
        }
    }
    for repair in &overview.repairs {
        terminal.line(&format!(
            "repair  run {}, {}: {}",
            repair.run,
            time(repair.at),
            repair.line
        ));
    }
    for problem in &overview.problems {
        terminal.line(&format!("problem  {problem}"));
    }
}
