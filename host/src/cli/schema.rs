//! `schema`: what the tables look like, as text, and how that differs from what the last run left.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::terminal::{Terminal, printable_lines};
use super::{CommandError, GlobalArguments, Manner, REFUSED};
use crate::catalog::Allowances;
use crate::engine::Engine;

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Write the schema without the journal, as `pg_dump --schema-only` or SQLite's `.schema` does
    Dump {
        /// The file to write it to [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show line by line how the schema differs from what the last run left; the exit status is 2 when it does
    Diff,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &SchemaArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    if global.host.is_some() {
        return Err(anyhow::anyhow!(
            "the schema is looked at in the database itself: give `--database` instead of `--host`"
        )
        .into());
    }
    let engine = global.engine(Allowances::default(), Manner::default())?;
    match &arguments.command {
        SchemaCommand::Dump { output } => {
            let dump = engine.dump_schema().await?;
            match output {
                Some(file) => {
                    write(file, &dump)?;
                    terminal.line(&format!("wrote {}", file.display()));
                }
                None if terminal.json() => {
                    terminal.document(&serde_json::json!({ "schema": dump }));
                }
                // Nobody is left to tell when the reader has gone away.
                None => _ = std::io::stdout().lock().write_all(dump.as_bytes()),
            }
            Ok(0)
        }
        SchemaCommand::Diff => {
            let difference = engine.schema_difference().await?;
            if terminal.json() {
                terminal.document(&difference);
            } else if difference.lines.is_empty() {
                terminal.line(&format!("the schema is what run {} left", difference.run));
            } else {
                terminal.line(&format!("--- the schema that run {} left", difference.run));
                terminal.line("+++ the schema now");
                for line in &difference.lines {
                    terminal.line(&printable_lines(line));
                }
            }
            Ok(if difference.lines.is_empty() {
                0
            } else {
                REFUSED
            })
        }
    }
}

/// Writes the schema to the file that the settings name for it, after a run.
pub(super) async fn keep(engine: &Engine, file: &Path) -> Result<(), CommandError> {
    let dump = engine.dump_schema().await?;
    write(file, &dump)?;
    Ok(())
}

/// Writes a file as a whole or not at all.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = file.with_file_name(format!(".{name}.new"));
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, file))
        .map_err(|error| {
            anyhow::anyhow!("cannot write the schema to `{}`: {error}", file.display())
        })
}
