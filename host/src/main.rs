//! The process: arguments become a command.

use std::process::ExitCode;

use clap::Parser as _;
use wasmigrate::cli::{self, Arguments};

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => cli::run(&arguments),
        Err(error) => cli::explain(&error),
    }
}
