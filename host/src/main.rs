//! The process: arguments become a command.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    wasmigrate::cli::run(&wasmigrate::cli::Arguments::parse())
}
