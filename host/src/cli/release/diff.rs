//! `release diff`: what a reviewer of a release looks at.

use clap::Args;

use crate::cli::release_steps::options;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, GlobalArguments};
use crate::output::printable;
use crate::releases::{ReleaseDifference, ReleaseReference, StepChange, StepDifference, diff};

#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArguments {
    /// The release that is known: oci://HOST/REPOSITORY:VERSION, …@sha256:… or oci-layout:PATH:VERSION
    #[arg(value_name = "FROM")]
    from: String,
    /// The release to look at
    #[arg(value_name = "TO")]
    to: String,
    /// Write it in Markdown, for a merge request
    #[arg(long)]
    markdown: bool,
}

pub(in crate::cli) fn run(
    global: &GlobalArguments,
    arguments: &DiffArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let options = options(&global.config()?);
    let from = ReleaseReference::parse(&arguments.from)?;
    let to = ReleaseReference::parse(&arguments.to)?;
    let difference = diff(&from, &to, &options)?;
    match (terminal.json(), arguments.markdown) {
        (true, _) => terminal.document(&difference),
        (_, true) => markdown(&difference, terminal),
        (_, false) => show(&difference, terminal),
    }
    Ok(0)
}

fn show(difference: &ReleaseDifference, terminal: &Terminal) {
    terminal.line(&format!("from  {}", difference.from));
    terminal.line(&format!("to    {}", difference.to));
    if let Some((from, to)) = &difference.lineages {
        terminal.warning_line(&format!("the one is of `{from}`, and the other of `{to}`"));
    }
    for step in &difference.steps {
        let sign = match step.change {
            StepChange::Added => '+',
            StepChange::Changed => '~',
            StepChange::Removed => '-',
        };
        terminal.line(&format!("{sign} {}  {}", step.file, digests(step)));
        for line in details(step, str::to_owned) {
            terminal.line(&format!("    {line}"));
        }
    }
    terminal.line(&format!("{} unchanged", difference.unchanged));
}

fn markdown(difference: &ReleaseDifference, terminal: &Terminal) {
    let mut text = format!(
        "From {}\nto {}\n\n",
        code(&difference.from.to_string()),
        code(&difference.to.to_string())
    );
    if let Some((from, to)) = &difference.lineages {
        text.push_str(&format!(
            "**The one is of `{from}`, and the other of `{to}`.**\n\n"
        ));
    }
    text.push_str("| step | change | digest | what it may do |\n|---|---|---|---|\n");
    for step in &difference.steps {
        let change = match step.change {
            StepChange::Added => "added",
            StepChange::Changed => "changed",
            StepChange::Removed => "removed",
        };
        text.push_str(&format!(
            "| {} | {change} | {} | {} |\n",
            code(&step.file),
            digests(step),
            details(step, code).join("<br>")
        ));
    }
    text.push_str(&format!("\n{} unchanged\n", difference.unchanged));
    terminal.whole(&text);
}

/// A name that others have given, as code in one line of a table: nothing in it is a mark, a link or the end of a cell.
fn code(name: &str) -> String {
    let name = printable(name).replace('`', "'").replace('|', "\\|");
    format!("`{name}`")
}

/// The digests, short enough to be compared by eye.
fn digests(step: &StepDifference) -> String {
    let both = [&step.before, &step.after];
    let told = both
        .iter()
        .filter_map(|digest| digest.as_ref())
        .map(|digest| {
            let digits = digest.hexadecimal();
            digits.get(..12).unwrap_or(digits).to_owned()
        });
    let mut told: Vec<String> = told.collect();
    told.dedup();
    told.join(" → ")
}

/// What a reviewer should look at, with names of others as `named` writes them.
fn details(step: &StepDifference, named: impl Fn(&str) -> String) -> Vec<String> {
    let mut details = Vec::new();
    for (what, names) in [
        ("+ imports", &step.imports_added),
        ("- imports", &step.imports_removed),
        ("+ exports", &step.exports_added),
        ("- exports", &step.exports_removed),
    ] {
        details.extend(names.iter().map(|name| format!("{what} {}", named(name))));
    }
    if step.undo_changed && step.change == StepChange::Changed {
        details.push("the file that undoes it differs".to_owned());
    }
    if step.change == StepChange::Changed {
        let files = step.beside_changed.iter();
        details.extend(files.map(|file| format!("{} differs", named(file))));
    }
    details
}
