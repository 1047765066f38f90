//! `compile-component`: what the host starts itself as, to compile one component. Nobody else calls it.

use std::process::ExitCode;

use clap::Args;

use crate::sandbox::{CompilerBounds, run_compiler};

#[derive(Debug, Args)]
pub(super) struct CompileArguments {
    memory_mib: u64,
    seconds: u64,
    stack_kib: u64,
    process: u32,
}

pub(super) fn run(arguments: &CompileArguments) -> ExitCode {
    run_compiler(CompilerBounds {
        memory_mib: arguments.memory_mib,
        seconds: arguments.seconds,
        stack_kib: arguments.stack_kib,
        host: arguments.process,
    })
}
