//! `new`: begins a step.

use std::path::PathBuf;

use clap::Args;

use super::release_steps::refuse_release;
use super::terminal::Terminal;
use super::{CommandError, GlobalArguments};
use crate::catalog::{self, Language};
use crate::config::Config;
use crate::journal;
use crate::sandbox;

#[derive(Debug, Args)]
pub(super) struct NewArguments {
    /// What the step does, such as `add invoices`
    name: String,
    /// In which language
    #[arg(long, value_enum, default_value_t, value_name = "LANGUAGE")]
    lang: Language,
    /// Begin a function that the host runs over all rows of a table, while the application goes on
    #[arg(long, conflicts_with = "reset")]
    transform: bool,
    /// Begin a section that takes the step back
    #[arg(long)]
    reset: bool,
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
    let directory = directory(global, &config)?;
    let now = journal::now() / 1_000;
    let seeds = config.seeds();
    let made = catalog::new_step(
        &directory,
        &arguments.name,
        catalog::NewStep {
            language: arguments.lang,
            is_transformation: arguments.transform,
            with_reset: arguments.reset,
        },
        now,
        &catalog::Seeds {
            directory: None,
            ..seeds
        },
    )
    .map_err(|error| anyhow::anyhow!("{error}"))?;
    let missing = match arguments.lang {
        Language::Sql | Language::Rust | Language::C | Language::Zig => None,
        Language::JavaScript | Language::TypeScript => sandbox::without_scripts(),
        Language::Python => sandbox::without_python(&config.cache),
    };
    if let Some(why) = missing {
        terminal.warning(&why);
    }
    tell_of(&made, terminal);
    let is_compiled = matches!(arguments.lang, Language::Rust | Language::C | Language::Zig);
    if is_compiled && !terminal.json() {
        terminal
            .line("next: `wasmigrate build` makes the step of it, and `wasmigrate test` proves it");
    }
    Ok(0)
}

/// The directory in which steps are begun and built.
pub(super) fn directory(global: &GlobalArguments, config: &Config) -> anyhow::Result<PathBuf> {
    refuse_release(config)?;
    let sources = config
        .tenancy(false)
        .filter(|_| global.migrations.is_none())
        .map(|tenancy| tenancy.sources);
    match sources {
        None => Ok(config.migrations.clone()),
        Some(sources) => sources.only_directory().ok_or_else(|| {
            anyhow::anyhow!(
                "the files of `[sources]` have several directories: say in which one to begin a step with `--migrations DIR`"
            )
        }),
    }
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
