//! `new`: begins a step.

use clap::Args;

use super::terminal::Terminal;
use super::{CommandError, GlobalArguments};
use crate::catalog;
use crate::journal;
use crate::sandbox;

#[derive(Debug, Args)]
pub(super) struct NewArguments {
    /// What the step does, such as `add invoices`
    name: String,
    /// Begin a section that takes the step back
    #[arg(long)]
    reset: bool,
    /// Begin a script in JavaScript instead of SQL, with the types of what it may call beside it
    #[arg(long)]
    js: bool,
    /// The same in TypeScript
    #[arg(long, conflicts_with = "js")]
    ts: bool,
}

impl NewArguments {
    fn language(&self) -> catalog::Language {
        match (self.js, self.ts) {
            (true, _) => catalog::Language::JavaScript,
            (false, true) => catalog::Language::TypeScript,
            (false, false) => catalog::Language::Sql,
        }
    }
}

pub(super) fn run(
    global: &GlobalArguments,
    arguments: &NewArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    if global.host.is_some() {
        return Err(
            anyhow::anyhow!("a step is begun where its files are: leave out `--host`").into(),
        );
    }
    let config = global.config()?;
    if config.tenancy(false).is_some() && global.migrations.is_none() {
        return Err(anyhow::anyhow!(
            "the files of `[sources]` have several directories: say in which one to begin a step with `--migrations DIR`"
        )
        .into());
    }
    let now = journal::now() / 1_000;
    let seeds = config.seeds();
    let made = catalog::new_step(
        &config.migrations,
        &arguments.name,
        catalog::NewStep {
            language: arguments.language(),
            with_reset: arguments.reset,
        },
        now,
        &catalog::Seeds {
            directory: None,
            ..seeds
        },
    )
    .map_err(|error| anyhow::anyhow!("{error}"))?;
    if arguments.language() != catalog::Language::Sql
        && let Some(why) = sandbox::without_scripts()
    {
        terminal.warning(&why);
    }
    if terminal.json() {
        let files: Vec<String> = made.iter().map(|path| path.display().to_string()).collect();
        terminal.document(&serde_json::json!({ "files": files }));
        return Ok(0);
    }
    for path in made {
        terminal.line(&format!("made {}", path.display()));
    }
    Ok(0)
}
