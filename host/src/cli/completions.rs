//! `completions`: a script for the user's shell.

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::terminal::Terminal;
use super::{Arguments, CommandError};

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(
    arguments: &CompletionsArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    if terminal.json() {
        return Err(anyhow::anyhow!(
            "`completions` prints a script for a shell: leave out `--json`"
        )
        .into());
    }
    let mut script = Vec::new();
    let all = Arguments::command();
    let shown = all
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    // Only the host itself gives the commands that are not shown.
    let mut commands = Command::new("wasmigrate")
        .args(all.get_arguments().cloned())
        .subcommands(shown.cloned());
    clap_complete::generate(arguments.shell, &mut commands, "wasmigrate", &mut script);
    terminal.line(String::from_utf8_lossy(&script).trim_end());
    Ok(0)
}
