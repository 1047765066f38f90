//! `schema`: what the tables look like, as text, and how that differs from what the last run left.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Subcommand};

use super::terminal::{Terminal, printable_lines};
use super::{CommandError, GlobalArguments, Manner, REFUSED};
use crate::catalog::{Allowances, write_where_told};
use crate::config::Config;
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
                    refuse_place(file, &global.config()?)?;
                    write(file, &dump)?;
                    terminal.line(&format!("wrote {}", file.display()));
                }
                None if terminal.json() => {
                    terminal.document(&serde_json::json!({ "schema": dump }));
                }
                None => terminal.whole(&dump),
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

/// Writes the schema to the file that the settings name for it, after a run, unless it holds that already.
pub(super) async fn keep(engine: &Engine, file: &Path) -> Result<(), CommandError> {
    let dump = engine.dump_schema().await?;
    let is_regular = std::fs::metadata(file).is_ok_and(|metadata| metadata.is_file());
    if !is_regular || std::fs::read_to_string(file).ok().as_ref() != Some(&dump) {
        write(file, &dump)?;
    }
    Ok(())
}

/// Refuses a place for the schema where it would take the place of something else, before anything runs.
pub(super) fn refuse_place(file: &Path, config: &Config) -> anyhow::Result<()> {
    let shown = file.display();
    let file = real(file);
    if file == real(&config.file) {
        bail!("the schema cannot be written to `{shown}`: it is the configuration");
    }
    if file
        .parent()
        .is_some_and(|parent| parent == real(&config.migrations))
    {
        bail!(
            "the schema cannot be written to `{shown}`: in the directory of steps it would be taken for one"
        );
    }
    if let Some(directory) = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        && !directory.is_dir()
    {
        bail!(
            "the schema cannot be written to `{shown}`: there is no directory `{}`",
            directory.display()
        );
    }
    let is_regular = std::fs::metadata(&file).is_ok_and(|metadata| metadata.is_file());
    let mut first = [0; SQLITE_MAGIC.len()];
    let read = |first: &mut [u8]| std::fs::File::open(&file)?.read_exact(first);
    if is_regular && read(&mut first).is_ok() && first == *SQLITE_MAGIC {
        bail!("the schema cannot be written to `{shown}`: a SQLite database is there");
    }
    Ok(())
}

/// How a file of SQLite begins: <https://www.sqlite.org/fileformat.html#magic_header_string>
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Where a path leads, as far as it exists.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new(".")).canonicalize();
    match (parent, path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    write_where_told(file, text).map_err(|error| {
        anyhow::anyhow!("cannot write the schema to `{}`: {error}", file.display())
    })
}
