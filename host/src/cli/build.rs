//! `build`: makes components of the sources of steps.

use clap::Args;

use super::new::directory;
use super::terminal::Terminal;
use super::{CommandError, GlobalArguments};
use crate::catalog::projects_beside;
use crate::projects::{Built, Project};

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
    let migrations = directory(global, &global.config()?)?;
    let sources = projects_beside(&migrations).map_err(anyhow::Error::from)?;
    let projects = match arguments.steps.is_empty() {
        true => Project::all(&sources),
        false => {
            let named = arguments.steps.iter();
            named.map(|name| Project::named(&sources, name)).collect()
        }
    };
    let mut files = Vec::new();
    for project in projects.map_err(anyhow::Error::from)? {
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

fn said(built: &Built) -> String {
    let what = match built.is_new {
        true => "built",
        false => "unchanged",
    };
    let kilobytes = built.bytes.div_ceil(1_000);
    format!("{what} {} ({kilobytes} KB)", built.path.display())
}
