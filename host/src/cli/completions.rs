//! `completions`: a script for the user's shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Arguments;
use super::terminal::Terminal;

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments, terminal: &Terminal) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "wasmigrate",
        &mut script,
    );
    terminal.line(String::from_utf8_lossy(&script).trim_end());
    0
}
