//! `new`: begins a step.

use std::path::PathBuf;

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
    /// The same in Python
    #[arg(long, conflicts_with_all = ["js", "ts"])]
    py: bool,
}

impl NewArguments {
    fn language(&self) -> catalog::Language {
        if self.js {
            catalog::Language::JavaScript
        } else if self.ts {
            catalog::Language::TypeScript
        } else if self.py {
            catalog::Language::Python
        } else {
            catalog::Language::Sql
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
    let sources = config
        .tenancy(false)
        .filter(|_| global.migrations.is_none())
        .map(|tenancy| tenancy.sources);
    let directory = match sources {
        None => config.migrations.clone(),
        Some(sources) => sources.only_directory().ok_or_else(|| {
            anyhow::anyhow!(
                "the files of `[sources]` have several directories: say in which one to begin a step with `--migrations DIR`"
            )
        })?,
    };
    let now = journal::now() / 1_000;
    let seeds = config.seeds();
    let made = catalog::new_step(
        &directory,
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
    let missing = match arguments.language() {
        catalog::Language::Sql => None,
        catalog::Language::JavaScript | catalog::Language::TypeScript => sandbox::without_scripts(),
        catalog::Language::Python => sandbox::without_python(&config.cache),
    };
    if let Some(why) = missing {
        terminal.warning(&why);
    }
    tell_of(&made, terminal);
    Ok(0)
}

/// Says which files were made.
pub(super) fn tell_of(made: &[PathBuf], terminal: &Terminal) {
    let files = made.iter().map(|path| path.display().to_string());
    if terminal.json() {
        let files: Vec<String> = files.collect();
        terminal.document(&serde_json::json!({ "files": files }));
        return;
    }
    for file in files {
        terminal.line(&format!("made {file}"));
    }
}
