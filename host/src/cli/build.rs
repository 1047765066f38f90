//! `build`: makes components of the sources of steps.

use std::path::{Path, PathBuf};

use clap::Args;

use super::new::directory;
use super::terminal::Terminal;
use super::{CommandError, GlobalArguments};
use crate::catalog::{changed_since_built, projects_beside};
use crate::projects::{Built, Wanted};

#[derive(Debug, Args)]
pub(super) struct BuildArguments {
    /// The number or name of a step whose sources are in `steps`, or their directory; all when none is named
    #[arg(value_name = "STEP")]
    steps: Vec<String>,
}

pub(super) fn run(
    global: &GlobalArguments,
    arguments: &BuildArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    if global.host.is_some() {
        return Err(
            anyhow::anyhow!("a step is built where its sources are: leave out `--host`").into(),
        );
    }
    let config = global.config()?;
    let migrations = directory(global, &config)?;
    let sources = projects_beside(&migrations).map_err(anyhow::Error::from)?;
    let whole = |path: &Path| std::path::absolute(path).ok();
    let has_same_sources = |known: &&PathBuf| {
        projects_beside(known).is_ok_and(|beside| whole(&beside) == whole(&sources))
    };
    let known = config.all_migrations.iter().filter(has_same_sources);
    let has_free_names = global.migrations.is_none() && config.tenancy(false).is_some();
    let seeds = config.seeds();
    let wanted = Wanted {
        steps: &arguments.steps,
        sources: &sources,
        migrations: &migrations,
        is_named: global.migrations.is_some(),
        known: &known.cloned().collect::<Vec<_>>(),
        seeds: Some(&seeds).filter(|_| !has_free_names),
    };
    let mut files = Vec::new();
    for (project, migrations) in wanted.choose().map_err(anyhow::Error::from)? {
        let built = project.build(&migrations).map_err(anyhow::Error::from)?;
        if !terminal.json() {
            terminal.line(&said(&built));
        }
        files.push(built.path.display().to_string());
    }
    if terminal.json() {
        terminal.document(&serde_json::json!({ "files": files }));
    }
    Ok(0)
}

/// What to say of sources that have changed since they were built.
pub(super) fn warnings(migrations: &Path) -> Vec<String> {
    // Whoever reads the steps says what cannot be read.
    let changed = changed_since_built(migrations).unwrap_or_default();
    let warning = |sources: PathBuf| {
        format!(
            "{} has changed since its step was built, which is what counts: `wasmigrate build` makes it anew",
            sources.display()
        )
    };
    changed.into_iter().map(warning).collect()
}

fn said(built: &Built) -> String {
    let what = match built.is_new {
        true => "built",
        false => "unchanged",
    };
    let kilobytes = built.bytes.div_ceil(1_000);
    format!("{what} {} ({kilobytes} KB)", built.path.display())
}
