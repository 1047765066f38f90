//! `test`: steps, proven on throw-away databases.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use console::style;

use super::run::cancel_on_signal;
use super::terminal::{Terminal, duration, printable_lines};
use super::{CommandError, FAILED, GlobalArguments, REFUSED};
use crate::catalog::write_where_told;
use crate::database::Stop;
use crate::input;
use crate::rehearsal::{self, CheckReport, Rehearsal, Report, Rule, Verdict};

#[derive(Debug, Args)]
pub(super) struct TestArguments {
    /// The step (its file, its index, or its name), or a directory of steps [default: all steps]
    #[arg(value_name = "STEP | DIR")]
    what: Option<String>,
    /// A fixture: a .sql script, a SQLite file, rows in .csv or .json, or a directory of such files; may be given again.
    /// Those in the directory `fixtures` of the steps are taken, too
    #[arg(long = "fixture", value_name = "FILE")]
    fixtures: Vec<PathBuf>,
    /// The databases to try the steps on [default: sqlite, or the one that all steps are for]
    #[arg(long, value_name = "DATABASES", value_delimiter = ',')]
    on: Vec<On>,
    /// The PostgreSQL server on which databases may be made and dropped, such as postgres://app@127.0.0.1/postgres
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Write the results beside the fixtures, as what is expected from now on
    #[arg(long)]
    accept: bool,
    /// A rule that says what the step may not do, such as write:users.email; may be given again
    #[arg(long = "deny", value_name = "RULE")]
    deny: Vec<Rule>,
    /// A file of rules, one a line: all that the step may do
    #[arg(long, value_name = "FILE")]
    allow_list: Option<PathBuf>,
    /// Try the pending steps on real data, too: on PostgreSQL in a transaction that is rolled back, of a SQLite file on a copy
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// Make the rows that another run made
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Write a JUnit XML report, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum On {
    Sqlite,
    Postgres,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &TestArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let stop = Stop::default();
    cancel_on_signal(&stop)?;
    let rehearsal = rehearsal(global, arguments)?.stopping(stop);
    // Trials run on threads of their own, each with a runtime.
    let report = std::thread::scope(|scope| scope.spawn(|| rehearsal.run()).join());
    let report = match report {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return Err(ended(&error)),
        Err(panic) => std::panic::resume_unwind(panic),
    };
    if let Some(path) = &arguments.junit {
        write_where_told(path, &rehearsal::junit(&report))
            .map_err(|error| anyhow::anyhow!("cannot write `{}`: {error}", path.display()))?;
    }
    if terminal.json() {
        terminal.document(&report);
    } else {
        show(&report, terminal);
    }
    Ok(match report.has_passed() {
        true => 0,
        false => FAILED,
    })
}

fn rehearsal(
    global: &GlobalArguments,
    arguments: &TestArguments,
) -> Result<Rehearsal, CommandError> {
    let mut config = global.config()?;
    global.refuse_other_steps(&config)?;
    global.source.fetch_steps(&mut config, false)?;
    let (migrations, step) = match &arguments.what {
        None => (config.migrations.clone(), None),
        Some(what) => match rehearsal::located(what.as_ref()) {
            Some(located) => located,
            None => (config.migrations.clone(), Some(what.clone())),
        },
    };
    let server = arguments
        .server
        .clone()
        .or_else(|| Some(config.test.server.clone()).filter(|url| !url.is_empty()));
    let mut rehearsal = Rehearsal::of(migrations).with_config(config);
    if let Some(step) = step {
        rehearsal = rehearsal.step(step);
    }
    for fixture in &arguments.fixtures {
        rehearsal = rehearsal.fixture(fixture);
    }
    let on = match arguments.on.as_slice() {
        [] => {
            let only = rehearsal.only_kind();
            let only = only.and_then(|kind| On::from_str(kind.as_str(), true).ok());
            vec![only.unwrap_or(On::Sqlite)]
        }
        on => on.to_vec(),
    };
    if !on.contains(&On::Sqlite) {
        rehearsal = rehearsal.without_sqlite();
    }
    if on.contains(&On::Postgres) {
        let why = match arguments.on.is_empty() {
            true => "there are steps for PostgreSQL alone: ",
            false => "",
        };
        let server = server.ok_or_else(|| {
            anyhow::anyhow!(
                "{why}name a PostgreSQL server on which throw-away databases may be made: `--server postgres://USER@HOST/NAME`, or \
                 WASMIGRATE_TEST_SERVER; its role needs CREATEDB"
            )
        })?;
        rehearsal = rehearsal.on_postgres(server);
    }
    if let Some(url) = &arguments.against {
        rehearsal = rehearsal.against(url);
    }
    if arguments.accept {
        rehearsal = rehearsal.accepting();
    }
    if let Some(seed) = arguments.seed {
        rehearsal = rehearsal.seed(seed);
    }
    for rule in &arguments.deny {
        rehearsal = rehearsal.deny(rule.clone());
    }
    if let Some(path) = &arguments.allow_list {
        let rules = input::read_text(path)
            .map_err(|error| error.to_string())
            .and_then(|text| Rule::list(&text));
        let rules =
            rules.map_err(|error| anyhow::anyhow!("the rules in `{}`: {error}", path.display()))?;
        rehearsal = rehearsal.allow_only(rules);
    }
    Ok(rehearsal)
}

fn ended(error: &rehearsal::Error) -> CommandError {
    CommandError {
        status: match error {
            rehearsal::Error::Cancelled => FAILED,
            _ => REFUSED,
        },
        message: error.to_string(),
        failure: None,
    }
}

/// One line a check, and below it what is wrong.
fn show(report: &Report, terminal: &Terminal) {
    for step in &report.steps {
        terminal.line(&style(&step.step).bold().to_string());
        for check in &step.checks {
            show_check(check, terminal);
        }
    }
    let failed = report
        .checks()
        .filter(|check| check.verdict == Verdict::Failed)
        .count();
    let passed = report
        .checks()
        .filter(|check| check.verdict == Verdict::Passed)
        .count();
    let time = duration(i64::try_from(report.milliseconds).unwrap_or(i64::MAX));
    terminal.line(&match failed {
        0 => format!("{passed} passed in {time}"),
        _ => format!("{failed} failed and {passed} passed in {time}"),
    });
}

fn show_check(check: &CheckReport, terminal: &Terminal) {
    let mark = match check.verdict {
        Verdict::Passed => style("✓").green(),
        Verdict::Failed => style("✗").red(),
        Verdict::Skipped => style("·").dim(),
    };
    let time = match check.verdict {
        Verdict::Skipped => String::new(),
        _ => duration(i64::try_from(check.milliseconds).unwrap_or(i64::MAX)),
    };
    terminal.line(&format!(
        "  {mark} {:17} {} {}",
        check.check.as_str(),
        check.summary,
        style(time).dim()
    ));
    for note in &check.notes {
        terminal.line(&format!("      {}", style(printable_lines(note)).dim()));
    }
    for finding in &check.findings {
        terminal.line(&format!(
            "      {}: {}",
            finding.place,
            printable_lines(&finding.message)
        ));
        for detail in &finding.details {
            terminal.line(&format!("        {}", printable_lines(detail)));
        }
        terminal.line(&format!("      → {}", finding.advice));
    }
}
