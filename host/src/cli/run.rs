//! `migrate`, `finalize`, `reset`: a command that becomes a run.

use std::sync::Arc;

use clap::Args;

use super::ended_steps::EndedSteps;
use super::target::Target;
use super::terminal::Terminal;
use super::watchers::Watchers;
use super::{
    AllowanceArguments, CommandError, ExtentArguments, FAILED, GlobalArguments, Manner, REFUSED,
    ReleaseAllowances, TenancyArguments, TransformArguments,
};
use crate::catalog::{index_label, step_label};
use crate::database::Stop;
use crate::engine::{
    Command, Extent, Observer, Order, Overview, Progress, Report, Several, State, StepOverview,
};
use crate::journal::{Outcome, ReleaseRecord};
use crate::output::counted;

/// The exit status of a process that Ctrl-C ended, as shells count: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    extent: ExtentArguments,
    #[command(flatten)]
    allowances: AllowanceArguments,
    /// Refuse at once when another host works on the target, instead of waiting for it
    #[arg(long)]
    no_wait: bool,
    /// Refuse steps with statements that would hold up the application; `plan` says which
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    release: ReleaseAllowances,
    #[command(flatten)]
    transform: TransformArguments,
    #[command(flatten)]
    tenancy: TenancyArguments,
}

/// What a command is about to change, for machines.
#[derive(serde::Serialize)]
struct TargetSaid<'s> {
    event: &'static str,
    target: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'s ReleaseRecord>,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &RunArguments,
    command: Command,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let is_for_others = arguments.strict || arguments.transform != TransformArguments::default();
    if command == Command::Reset && is_for_others {
        return Err(anyhow::anyhow!(
            "`--strict` and the flags of transformations are for `migrate` and `finalize`, and have no effect on `reset`: leave \
             them out"
        )
        .into());
    }
    let manner = Manner {
        wait: !arguments.no_wait,
        strict: arguments.strict,
        out_of_order: arguments.extent.out_of_order,
        transform: arguments.transform,
        tenancy: arguments.tenancy.clone(),
        becomes_run: true,
        looks_only: false,
        without_steps: false,
        release: arguments.release,
        is_service: false,
    };
    let target = global.target(arguments.allowances, manner)?;
    if let Target::Here(engine) = &target
        && !global.settings.is_empty()
        // What is wrong with the steps is told by the run.
        && engine.takes_no_values().unwrap_or(false)
    {
        terminal.warning(
            "`--set` has no effect: all steps are SQL, and values are put into that only where `placeholders = true` in the settings \
             or a line `-- wasmigrate:placeholders` in the file asks for it",
        );
    }
    let stop = Stop::default();
    cancel_on_signal(&stop)?;
    let config = match target {
        Target::Here(_) => Some(global.config()?),
        // A running host has its own.
        Target::There { .. } => None,
    };
    let schema_file = config
        .as_ref()
        .map(|config| config.schema_file.clone())
        .filter(|file| !file.as_os_str().is_empty());
    if let Some(config) = &config {
        if let Some(file) = &schema_file {
            super::schema::refuse_place(file, config)?;
        }
        watch(&stop)?;
    }
    let schema = target.announce(terminal, &stop).await?;
    if terminal.json() {
        terminal.document(&TargetSaid {
            event: "target",
            target: &target.name(),
            schema: schema.as_deref(),
            environment: terminal.environment(),
            source: target.source(),
        });
    }
    let watchers = match (&target, &config) {
        (Target::Here(engine), Some(config)) => Some(Watchers::start(config, engine)?),
        // A running host tells of its runs itself.
        _ => None,
    };
    let done = Arc::new(EndedSteps::default());
    let report = {
        let order = Order {
            extent: arguments.extent.extent(),
            out_of_order: arguments.extent.out_of_order,
            allowances: arguments.allowances.into(),
            replacement: arguments.transform.replacement(),
            ..Order::new(command)
        };
        let mut observers = vec![terminal.observer(), Arc::clone(&done) as Arc<dyn Observer>];
        observers.extend(watchers.as_ref().map(Watchers::observer));
        target.run(order, Arc::new(Several(observers)), &stop).await
    };
    if let Some(watchers) = &watchers {
        watchers.finish();
    }
    let report = report.inspect_err(|error| {
        // What was refused before there was a run.
        if error.failure.is_some() && error.status == REFUSED && !terminal.json() {
            terminal.line("nothing was changed");
        }
    })?;
    let left = match &report {
        // A reset leaves everything pending, and whoever wants a part gets a part.
        Report {
            outcome: Outcome::Done,
            run: Some(_),
            state: Some(State::MigrationRequired),
            ..
        } if command != Command::Reset
            && arguments.extent.extent() == Extent::All
            && !arguments.tenancy.only_failed =>
        {
            tenants_left(&target).await
        }
        _ => None,
    };
    if terminal.json() {
        if report.run.is_none() {
            terminal.document(&serde_json::json!({
                "event": "nothing_to_do",
                "state": report.state,
            }));
        }
    } else {
        if let Some(failure) = &report.failure {
            terminal.error(&failure.to_string(), Some(failure));
        }
        let state = report.state.map_or("not known", State::as_str);
        let is_partial = arguments.extent.extent() != Extent::All;
        let of_extent = if is_partial {
            " within what was asked for"
        } else {
            ""
        };
        let next = match (report.state, report.outcome) {
            (Some(State::MigrationRequired), Outcome::Done) if is_partial => {
                // Done is done, also when it cannot be told what is left.
                let overview = target.overview().await;
                overview
                    .map(|overview| pending(&overview))
                    .unwrap_or_default()
            }
            (Some(state), _) => next_step(state).to_owned(),
            (None, _) => String::new(),
        };
        terminal.line(&match (report.outcome, report.run) {
            (Outcome::Done, None) if target.is_new() => {
                format!("nothing to do{of_extent}, and no file was made; the state is {state}")
            }
            (Outcome::Done, None) => format!("nothing to do{of_extent}; the state is {state}"),
            (Outcome::Done, Some(_)) => format!("done; the state is {state}{next}"),
            (Outcome::Refused, _) => format!("nothing was changed; the state is {state}"),
            (Outcome::Cancelled, _) => {
                let left = done.left("running", report.failure.as_ref());
                format!("cancelled; {left}, the state is {state}")
            }
            (Outcome::Interrupted, _) if report.state.is_none() && report.run.is_some() => {
                "interrupted; the database is out of reach, so that what it has kept of the running step is not known"
                    .to_owned()
            }
            (Outcome::Interrupted, _) => {
                let left = match &report.failure {
                    // Where it was is not known, or does not matter.
                    Some(failure) if failure.code == "lease" && !failure.is_kept => {
                        "what was committed stays".to_owned()
                    }
                    failure => done.left("running", failure.as_ref()),
                };
                format!("interrupted; {left}, the state is {state}")
            }
            _ => {
                let left = done.left("failed", report.failure.as_ref());
                format!("failed; {left}, the state is {state}")
            }
        });
    }
    // Also where there was nothing to do: an earlier run may not have been able to write it.
    if let Target::Here(engine) = &target
        && (report.outcome == Outcome::Done && !engine.target_is_new() || done.is_any())
        && let Some(file) = &schema_file
        && let Err(error) = super::schema::keep(engine, file).await
    {
        let before = match report.run {
            Some(_) => "what was run is kept",
            None => "there was nothing to do",
        };
        let message = format!(
            "{before}, but the schema is not written down: {}",
            error.message
        );
        return Err(CommandError {
            status: FAILED,
            message,
            ..error
        });
    }
    if let Some(message) = left {
        terminal.error(&message, None);
        return Ok(FAILED);
    }
    Ok(match report.outcome {
        Outcome::Done => 0,
        Outcome::Refused => REFUSED,
        Outcome::Failed | Outcome::Cancelled | Outcome::Interrupted => FAILED,
    })
}

/// What is said when a run of everything has left tenants behind: they came while it ran. None where it has not.
async fn tenants_left(target: &Target) -> Option<String> {
    // Done is done, also when it cannot be told what is left.
    let behind = target.overview().await.ok()?.tenants?.behind;
    (behind > 0).then(|| {
        format!(
            "{} came while it ran, and did not get the files: run it again",
            counted(behind, "tenant", "tenants")
        )
    })
}

/// What a run of some of the steps has left.
fn pending(overview: &Overview) -> String {
    // As `status` counts them, and the next run: with the scripts that it runs, too.
    let pending = overview.planned(&Extent::All).unwrap_or_default();
    let mut steps = overview.steps.iter();
    let last = steps.rposition(|step| step.progress == Progress::Migrated);
    let them = match pending.len() {
        1 => "1 step is".to_owned(),
        count => format!("{count} steps are"),
    };
    let Some((last, before)) = last.and_then(|last| {
        let step = overview.steps.get(last)?;
        Some((index_label(step.index), overview.steps.get(..last)?))
    }) else {
        return format!(": {them} pending");
    };
    let is_pending = |step: &&StepOverview| step.progress == Progress::Pending && !step.is_script();
    match before.iter().find(is_pending) {
        None => format!(
            ": {them} pending; `wasmigrate finalize --to {last}` makes final what is migrated, without `--to` it runs the rest first"
        ),
        Some(step) => format!(
            ": {them} pending, `{}` before what is migrated; `wasmigrate finalize --to {last} --out-of-order` runs it, too, and makes \
             them final",
            step_label(step.index, &step.name)
        ),
    }
}

fn next_step(state: State) -> &'static str {
    match state {
        State::FinalizationRequired => {
            "; `wasmigrate finalize` makes it final, `wasmigrate reset` undoes it"
        }
        _ => "",
    }
}

/// Ends the process when the run does not end although it has to.
pub(super) fn watch(stop: &Stop) -> anyhow::Result<()> {
    let stop = stop.clone();
    let tell = |message: &str| {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr().lock(), "error: {message}");
    };
    Ok(super::watchdog::start(move || stop.overdue(), tell)?)
}

/// Cancels the run at the first Ctrl-C or SIGTERM, and ends the process at the second, which loses no more than any other
/// death: for those who do not want to wait for the compiler. A thread of its own, because the run keeps this one busy.
pub(super) fn cancel_on_signal(stop: &Stop) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                for _ in 0..2 {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if stop.is_cancelled() {
                        std::process::exit(INTERRUPTED);
                    }
                    stop.cancel();
                }
            });
        })?;
    Ok(())
}
