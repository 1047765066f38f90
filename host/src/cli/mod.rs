//! The command line: one file a command, and what they share.
//!
//! A command turns arguments into a call of the [`Engine`], and its answer into text for people or, with `--json`, for
//! machines. Exit status: 0 done, 1 the migration failed, 2 wrong usage or refused, 3 waited for too long.

mod arguments;
mod bad_rows;
mod bars;
mod baseline;
mod build;
mod collector;
mod command_error;
mod compile;
mod completions;
mod credentials;
mod ended_steps;
mod global;
mod history;
mod import;
mod init;
mod inspect;
mod lease;
mod log_lines;
mod new;
mod pause;
mod peers;
mod plan;
mod release;
mod release_steps;
mod repair;
mod run;
mod runner;
mod schema;
mod serve;
mod shown;
mod squash;
mod standard_output;
mod status;
mod target;
mod tenants;
mod terminal;
mod test;
mod verify;
mod wait;
mod watchdog;
mod watchers;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::{Parser, Subcommand};

use crate::catalog::Allowances;
use crate::config::Config;
use crate::database::{Database, Wait};
use crate::engine::{self, Engine, Gate, NativeFunction, Retries, TransformOptions};
use crate::foreign::Tool;
use crate::output::without_secrets;
use crate::sandbox::COMPILE_COMMAND;
use arguments::{
    AllowanceArguments, ExtentArguments, Manner, ReleaseAllowances, TenancyArguments,
    TransformArguments,
};
use command_error::CommandError;
use global::GlobalArguments;
use terminal::Terminal;

/// The migration failed, or was cancelled.
const FAILED: u8 = 1;

/// Wrong usage, or refused before anything was changed.
const REFUSED: u8 = 2;

/// What was waited for did not come in time.
const OVERDUE: u8 = 3;

/// Runs database migrations shipped as sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "wasmigrate", version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run `migrate` of the pending steps, all or some
    Migrate(run::RunArguments),
    /// Run `migrate` of all pending steps, then `finalize` of all steps in one transaction
    Finalize(run::RunArguments),
    /// Undo what was migrated since the last finalize, all or some of it
    Reset(run::RunArguments),
    /// Serve the target over HTTP
    Serve(serve::ServeArguments),
    /// Begin a project: a configuration, a first step, rows to test on, and a recipe for CI
    Init(init::InitArguments),
    /// Begin a step: the next file in the manner of those that are there
    New(new::NewArguments),
    /// Build the components of steps in compiled languages, by the languages' own tools
    Build(build::BuildArguments),
    /// Make a baseline of the first steps, with which new databases begin
    Squash(squash::SquashArguments),
    /// Show where the target stands
    Status(status::StatusArguments),
    /// Show what `migrate` would run
    Plan(plan::PlanArguments),
    /// Show earlier runs
    History(history::HistoryArguments),
    /// Show what a component is and what it may do
    Inspect(inspect::InspectArguments),
    /// Prove steps on throw-away databases: crashes, reset, edge cases, every database
    Test(test::TestArguments),
    /// Compare every file with the journal, and the schema with what the last run left
    Verify(verify::VerifyArguments),
    /// Write the schema as text, or show how it differs from what the last run left
    Schema(schema::SchemaArguments),
    /// Mark steps as applied without running them: their work was done before wasmigrate came
    Baseline(baseline::BaselineArguments),
    /// Write down what another tool's own table says was applied, when it fits the files
    Import(import::ImportArguments),
    /// Show what differs between the journal and the files, or write down for good that it is right
    Repair(repair::RepairArguments),
    /// Pause the running migration at its next step or chunk of rows
    Pause(pause::PauseArguments),
    /// Resume the paused run
    Resume(pause::PauseArguments),
    /// Show the rows that transformations rejected and set aside
    BadRows(bad_rows::BadRowsArguments),
    /// Wait until the target is migrated or finalized
    Wait(wait::WaitArguments),
    /// Show or break the migration lease
    Lease(lease::LeaseArguments),
    /// Show the tenants of the target, or add one
    Tenants(tenants::TenantsArguments),
    /// Show, install and compile what runs scripts
    Runner(runner::RunnerArguments),
    /// Push, pull and copy releases: migrations as artifacts in registries of container images
    Release(release::ReleaseArguments),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArguments),
    #[command(name = COMPILE_COMMAND, hide = true)]
    Compile(compile::CompileArguments),
}

impl Command {
    /// Whether what it does depends on which steps there are.
    fn reads_steps(&self) -> bool {
        matches!(
            self,
            Self::Migrate(_)
                | Self::Finalize(_)
                | Self::Reset(_)
                | Self::Squash(_)
                | Self::Status(_)
                | Self::Plan(_)
                | Self::Test(_)
                | Self::Verify(_)
                | Self::Baseline(_)
                | Self::Import(_)
        )
    }
}

impl Arguments {
    /// The same, in a program that has the function of its transformations built in.
    pub fn with_native_function(mut self, function: NativeFunction) -> Self {
        self.global.native = Some(function);
        self
    }
}

/// Says what is wrong with the arguments, or what was asked about them. What they quote may be a URL with a password.
pub fn explain(error: &clap::Error) -> ExitCode {
    use std::io::{IsTerminal as _, Write as _};
    if let Some(answer) = peers::answer(error) {
        // Nobody is left to tell when the reader has gone away.
        let _ = writeln!(
            std::io::stderr().lock(),
            "error: {}",
            without_secrets(&answer)
        );
        return ExitCode::from(REFUSED);
    }
    let rendered = error.render();
    let is_error = error.use_stderr();
    let status = u8::try_from(error.exit_code()).unwrap_or(FAILED);
    if is_error && std::env::args_os().any(|argument| argument == "--json") {
        let message = without_secrets(&rendered.to_string());
        let message = message.trim_start_matches("error: ").trim_end();
        Terminal::new(true).error(message, None);
        return standard_output::exit_status(status);
    }
    let is_terminal = match is_error {
        true => std::io::stderr().is_terminal(),
        false => standard_output::is_terminal(),
    };
    let text = match is_terminal {
        true => rendered.ansi().to_string(),
        false => rendered.to_string(),
    };
    match is_error {
        true => {
            // Nobody is left to tell when the reader has gone away.
            let _ = write!(std::io::stderr().lock(), "{}", without_secrets(&text));
        }
        false => standard_output::text(&text),
    }
    standard_output::exit_status(status)
}

/// Runs the command to its end.
pub fn run(arguments: &Arguments) -> ExitCode {
    if let Command::Compile(compile) = &arguments.command {
        return compile::run(compile);
    }
    let terminal = Terminal::new(arguments.global.json);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.error(&format!("cannot start: {error}"), None);
            return standard_output::exit_status(REFUSED);
        }
    };
    tell_waits(matches!(arguments.command, Command::Serve(_)));
    match runtime.block_on(dispatch(arguments, &terminal)) {
        Ok(status) => standard_output::exit_status(status),
        Err(ended) => {
            terminal.error(&ended.message, ended.failure.as_deref());
            standard_output::exit_status(ended.status)
        }
    }
}

/// Says what the database keeps this process waiting for where that is no run's: beside the answer, or in the log.
fn tell_waits(is_service: bool) {
    use std::io::Write as _;
    Wait::on_any(Arc::new(move |wait| {
        let Wait { whom, .. } = wait;
        match is_service {
            true => tracing::warn!("waiting for {whom}: {wait}"),
            // Nobody is left to tell when the reader has gone away.
            false => {
                let line = shown::text(&format!("waiting for {whom}: {wait}"));
                _ = writeln!(std::io::stderr().lock(), "{line}");
            }
        }
    }));
}

impl Arguments {
    /// Whether a SQLite file that is not there is to be made without being asked for: whoever names it in the command itself
    /// and wants steps to run means that. A setting or a variable may be of another place or time.
    fn begins_database(&self) -> bool {
        let runs_steps = matches!(
            self.command,
            Command::Migrate(_) | Command::Finalize(_) | Command::Serve(_)
        );
        runs_steps && self.global.database.is_some() && self.global.host.is_none()
    }
}

impl Arguments {
    /// Refuses what would have no effect on this command.
    fn refuse_without_effect(&self) -> anyhow::Result<()> {
        let global = &self.global;
        let is_here = match &self.command {
            Command::Inspect(_) => Some("a component is looked at where its file is"),
            Command::Test(_) => Some("steps are tried where their files are"),
            Command::Completions(_) => Some("`completions` prints a script for a shell"),
            _ => None,
        };
        if let (Some(why), Some(_)) = (is_here, &global.host) {
            bail!("{why}: leave out `--host`");
        }
        if global.create && global.config()?.database.starts_with("postgres") {
            bail!(
                "`--create` makes a SQLite file, and the target is on a PostgreSQL server: leave it out"
            );
        }
        let has_credentials = global.password_file.is_some() || global.token_file.is_some();
        let is_service = matches!(self.command, Command::Serve(_));
        if has_credentials && global.host.is_none() && !is_service {
            bail!(
                "`--password-file` and `--token-file` are for a service: name it with `--host`, or leave them out"
            );
        }
        Ok(())
    }
}

async fn dispatch(arguments: &Arguments, terminal: &Terminal) -> Result<u8, CommandError> {
    let global = &GlobalArguments {
        create: arguments.global.create || arguments.begins_database(),
        ..arguments.global.clone()
    };
    // The service logs them.
    if !matches!(arguments.command, Command::Serve(_))
        && let Ok(config) = global.config()
    {
        if global.host.is_none() {
            terminal.in_environment(config.environment.as_deref());
        }
        for warning in &config.warnings {
            terminal.warning(warning);
        }
        if global.host.is_none() && arguments.command.reads_steps() {
            for warning in build::warnings(&config.migrations) {
                terminal.warning(&warning);
            }
        }
    }
    arguments.refuse_without_effect()?;
    match &arguments.command {
        Command::Migrate(run) => run::run(global, run, engine::Command::Migrate, terminal).await,
        Command::Finalize(run) => run::run(global, run, engine::Command::Finalize, terminal).await,
        Command::Reset(run) => run::run(global, run, engine::Command::Reset, terminal).await,
        Command::Serve(serve) => serve::run(global, serve).await,
        Command::Init(init) => init::run(global, init, terminal),
        Command::New(new) => new::run(global, new, terminal),
        Command::Build(build) => build::run(global, build, terminal),
        Command::Squash(squash) => squash::run(global, squash, terminal),
        Command::Status(status) => status::run(global, status, terminal).await,
        Command::Plan(plan) => plan::run(global, plan, terminal).await,
        Command::History(history) => history::run(global, history, terminal).await,
        Command::Inspect(inspect) => inspect::run(global, inspect, terminal).await,
        Command::Test(test) => test::run(global, test, terminal).await,
        Command::Verify(verify) => verify::run(global, verify, terminal).await,
        Command::Schema(schema) => schema::run(global, schema, terminal).await,
        Command::Baseline(baseline) => baseline::run(global, baseline, terminal).await,
        Command::Import(import) => import::run(global, import, terminal).await,
        Command::Repair(repair) => repair::run(global, repair, terminal).await,
        Command::Pause(pause) => pause::run(global, pause, true, terminal).await,
        Command::Resume(pause) => pause::run(global, pause, false, terminal).await,
        Command::BadRows(rows) => bad_rows::run(global, rows, terminal).await,
        Command::Wait(wait) => wait::run(global, wait, terminal).await,
        Command::Lease(lease) => lease::run(global, lease, terminal).await,
        Command::Tenants(tenants) => tenants::run(global, tenants, terminal).await,
        Command::Runner(runner) => runner::run(global, runner, terminal).await,
        Command::Release(release) => release::run(global, release, terminal),
        Command::Completions(completions) => completions::run(completions, terminal),
        // It needs no more than its arguments: see `run`.
        Command::Compile(_) => Ok(REFUSED),
    }
}

fn engine(
    config: Config,
    database: Arc<dyn Database>,
    allowances: Allowances,
    manner: Manner,
    gate: Option<Arc<dyn Gate>>,
    native: Option<NativeFunction>,
) -> Engine {
    let retries = match manner.is_service {
        true => config.service_retries(),
        false => Retries::brief(config.attempts),
    };
    let tenancy = config.tenancy(manner.tenancy.only_failed);
    let is_migrators = config.is_migrators;
    let release = config.release.clone();
    let seeds = config.seeds();
    let engine = Engine::new(
        database,
        engine::Options {
            tenancy,
            migrations: config.migrations,
            baselines: Some(u64::MAX),
            seeds,
            cache: config.cache,
            limits: config.limits,
            settings: Arc::new(config.settings),
            placeholders: config.placeholders,
            retries,
            lease: Duration::from_secs(config.lease_seconds),
            allowances: Allowances {
                out_of_order: manner.out_of_order || config.out_of_order,
                ..allowances
            },
            wait: manner.wait,
            strict: config.strict,
            last: None,
            transform: TransformOptions {
                native,
                ..config.transform.options()
            },
            replacement: manner.transform.replacement(),
            gate,
            release,
            commander: crate::journal::Commander::of_this_process(),
            request: None,
            hears_cancels: true,
        },
    );
    match is_migrators {
        true => engine.adopting(Tool::Migrator),
        false => engine,
    }
}
