//! What a step tells its operator: output lines and progress.
//!
//! `debug!`, `info!`, `warning!` and `error!` write a line of that level; `output!` takes the level as its first
//! argument.

use std::fmt::Display;

use crate::bindings::wasmigrate::migration::report as host;

pub use host::Level;

/// Writes output lines. The macros are the comfortable form.
pub fn output(level: Level, text: impl Display) {
    host::output(level, &text.to_string());
}

/// Says how far the step is, in rows or whatever it counts. Cheap: the host shows it a few times a second.
///
/// Without a total, what [`Step::count`](crate::Step::count) returned is taken:
///
/// ```no_run
/// # use wasmigrate_sdk::progress;
/// progress(500, 2_000);
/// progress(500, None);
/// ```
pub fn progress(done: u64, total: impl Into<Option<u64>>) {
    host::progress(done, total.into());
}

/// Writes an output line of the level given first.
///
/// ```no_run
/// # use wasmigrate_sdk::{Level, output};
/// output!(Level::Warning, "{} rows have no owner", 3);
/// ```
#[macro_export]
macro_rules! output {
    ($level:expr, $($text:tt)+) => {
        $crate::report::output($level, ::core::format_args!($($text)+))
    };
}

/// Writes an output line that is shown on request only.
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => { $crate::output!($crate::Level::Debug, $($text)+) };
}

/// Writes an output line that the operator may want to read.
#[macro_export]
macro_rules! info {
    ($($text:tt)+) => { $crate::output!($crate::Level::Info, $($text)+) };
}

/// Writes an output line that the operator should look at.
#[macro_export]
macro_rules! warning {
    ($($text:tt)+) => { $crate::output!($crate::Level::Warning, $($text)+) };
}

/// Writes an output line about what went wrong. It does not end the step; `bail!` does.
#[macro_export]
macro_rules! error {
    ($($text:tt)+) => { $crate::output!($crate::Level::Error, $($text)+) };
}
