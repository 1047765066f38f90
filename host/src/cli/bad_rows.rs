//! `bad-rows`: what transformations rejected, to be read or mended elsewhere.

use clap::Args;

use super::terminal::{Terminal, printable_lines, time};
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::catalog::index_label;
use crate::journal::BadRow;

/// How many rows are asked for at once.
const PAGE: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct BadRowsArguments {
    /// Write them as CSV, with their keys and inputs as lists in JSON
    #[arg(long)]
    csv: bool,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &BadRowsArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        without_steps: true,
        ..Manner::default()
    };
    let target = global.target(AllowanceArguments::default(), manner)?;
    if arguments.csv {
        write(
            terminal,
            ["step", "key", "input", "message", "run", "found_at"],
        )?;
    }
    let mut after = (0, String::new());
    let mut count = 0;
    loop {
        let rows = target.bad_rows((after.0, &after.1), PAGE).await?;
        let Some(last) = rows.last() else {
            break;
        };
        after = (last.index, last.key.clone());
        count += rows.len();
        for row in &rows {
            if arguments.csv {
                let found_at = time(row.found_at);
                let (index, run) = (row.index.to_string(), row.run.to_string());
                write(
                    terminal,
                    [&index, &row.key, &row.input, &row.message, &run, &found_at],
                )?;
            } else if terminal.json() {
                terminal.document(row);
            } else {
                show(row, terminal);
            }
        }
    }
    if count == 0 && !arguments.csv && !terminal.json() {
        terminal.line("no bad rows");
    }
    Ok(0)
}

fn show(row: &BadRow, terminal: &Terminal) {
    let message = printable_lines(&row.message);
    terminal.line(&format!(
        "step {}  key {}  {message}",
        index_label(row.index),
        row.key
    ));
    terminal.line(&format!("  input {}", printable_lines(&row.input)));
}

/// Writes a line of CSV.
fn write<F: AsRef<[u8]>>(
    terminal: &Terminal,
    record: impl IntoIterator<Item = F>,
) -> anyhow::Result<()> {
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(record)?;
    terminal.whole(&String::from_utf8(line.into_inner()?)?);
    Ok(())
}
