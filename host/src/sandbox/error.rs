//! What ended a call into a component.

use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::limits::Limits;
use crate::database::{self, ErrorKind, StopReason};
use crate::output::cut;

/// Frames of a backtrace that are kept.
const FRAMES: usize = 20;

/// What is kept of a function's name, and of its file's.
const NAME_BYTES: usize = 500;

/// Why a component did not do what it was called for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no component, or not one that can be compiled.
    #[error("{0}")]
    Load(String),
    /// It does not fit the contract: what it imports is not offered, or what it must export is not there.
    #[error("{0}")]
    Incompatible(String),
    /// It trapped.
    #[error("the component trapped: {message}{}", written(last_lines))]
    Trap {
        /// What the processor of WebAssembly said.
        message: String,
        /// What it wrote to its standard error before.
        last_lines: Vec<String>,
        /// The component's own frames, the innermost first.
        backtrace: Vec<String>,
    },
    /// It ended itself instead of returning.
    #[error(
        "the component exited with status {status} instead of returning{}",
        written(last_lines)
    )]
    Exited {
        /// The status.
        status: i32,
        /// What it wrote to its standard error before.
        last_lines: Vec<String>,
    },
    /// The run was cancelled, or its time is over.
    #[error("{}", stopped(*.0))]
    Stopped(StopReason),
    /// It went over a limit.
    #[error("{}", .error.message)]
    Limit {
        /// Which, and by what.
        error: database::Error,
        /// The component's own frames, the innermost first.
        backtrace: Vec<String>,
    },
    /// It gave up.
    #[error("{message}")]
    Failed {
        /// Its own words.
        message: String,
        /// Whether it may succeed when tried again.
        retryable: bool,
        /// The error of the database that led to it.
        cause: Option<database::Error>,
        /// The statement that the database did not accept.
        statement: Option<String>,
    },
    /// The host itself failed.
    #[error("the host failed: {0}")]
    Host(String),
}

impl Error {
    /// With what the component wrote before it ended: the language's own words for a trap.
    pub(super) fn after(mut self, lines: impl FnOnce() -> Vec<String>) -> Self {
        if let Self::Trap { last_lines, .. } | Self::Exited { last_lines, .. } = &mut self {
            *last_lines = lines();
        }
        self
    }
}

/// The last line that a component wrote, as the end of a message.
pub(super) fn written(last_lines: &[String]) -> String {
    match last_lines.last() {
        Some(line) => format!("; the last that it wrote is: {}", line.trim()),
        None => String::new(),
    }
}

fn stopped(reason: StopReason) -> String {
    match reason {
        StopReason::Cancelled => "cancelled by the operator".to_owned(),
        StopReason::Deadline(duration) => deadline_message(duration),
    }
}

fn deadline_message(duration: Duration) -> String {
    format!(
        "not done in time: the limit `limits.deadline_seconds` is {}",
        duration.as_secs()
    )
}

/// A reason to stop, as it travels through wasmtime.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(super) struct StopError(pub(super) StopReason);

/// Finds out what an error of wasmtime means.
pub(super) fn classify(error: wasmtime::Error, limits: &Limits) -> Error {
    if let Some(StopError(reason)) = error.downcast_ref() {
        return Error::Stopped(*reason);
    }
    let backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .map(frames)
        .unwrap_or_default();
    if let Some(database_error) = error.downcast_ref::<database::Error>()
        && database_error.kind == ErrorKind::Limit
    {
        return Error::Limit {
            error: database_error.clone(),
            backtrace,
        };
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Error::Exited {
            status: exit.0,
            last_lines: Vec::new(),
        };
    }
    let limit = |name: &str, value: u64, what: &str, backtrace| Error::Limit {
        error: database::Error::limit(name, value, what),
        backtrace,
    };
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => limit(
            "limits.stack_kib",
            limits.stack_kib,
            "the component's calls are nested too deep",
            backtrace,
        ),
        Some(trap) => Error::Trap {
            message: trap.to_string(),
            last_lines: Vec::new(),
            backtrace,
        },
        None => {
            // wasmtime has no types for these; their texts are checked by the tests of hostile components.
            let root = error.root_cause().to_string();
            if root.contains("fuel allocated for hostcalls") {
                limit(
                    "limits.call_mib",
                    limits.call_mib,
                    "one call passes too much data to the host",
                    backtrace,
                )
            } else if root.contains("handle limit exceeded") || root.contains("no free keys") {
                limit(
                    "limits.handles",
                    limits.handles,
                    "the component holds too many handles",
                    backtrace,
                )
            } else {
                Error::Trap {
                    message: root,
                    last_lines: Vec::new(),
                    backtrace,
                }
            }
        }
    }
}

fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    backtrace
        .frames()
        .iter()
        .take(FRAMES)
        .map(|frame| {
            let symbol = frame.symbols().first();
            let name = symbol
                .and_then(|symbol| symbol.name())
                .or_else(|| frame.func_name())
                .map(|name| format!("{:#}", rustc_demangle::demangle(name)))
                .unwrap_or_else(|| format!("function {}", frame.func_index()));
            // The component chose it.
            let name = cut(&name, NAME_BYTES);
            match symbol.and_then(|symbol| Some((symbol.file()?, symbol.line()?))) {
                Some((file, line)) => format!("{name} ({}:{line})", cut(file, NAME_BYTES)),
                None => name,
            }
        })
        .collect()
}
