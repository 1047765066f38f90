//! Standard output: the one place where the command line writes to it.
//!
//! What cannot be written (a full disk, a device that is gone) is no reason to end a run in the middle. So the first error is
//! kept, and the command says it at its end, with an exit status of its own. A reader that has gone away has seen what it
//! wanted to: that is no error.

use std::io::{ErrorKind, IsTerminal as _, Result, Write as _, stdout};
use std::process::ExitCode;
use std::sync::OnceLock;

use super::FAILED;
use super::shown;

/// Why something could not be written, the first time.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Writes a text and ends the line.
pub(super) fn line(text: &str) {
    keep(|| writeln!(stdout().lock(), "{text}"));
}

/// Writes a text as it is.
pub(super) fn text(text: &str) {
    keep(|| stdout().lock().write_all(text.as_bytes()));
}

/// Whether people read it on a terminal.
pub(super) fn is_terminal() -> bool {
    stdout().is_terminal()
}

fn keep(write: impl FnOnce() -> Result<()>) {
    // What is left in the buffer is written when the process ends, where nobody hears of errors.
    let written = write().and_then(|()| stdout().lock().flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // The first one tells the most.
        let _ = FAILURE.set(error.to_string());
    }
}

/// The exit status of a command that ended with this one: what was done in vain, because nobody can read it, has failed.
pub(super) fn exit_status(status: u8) -> ExitCode {
    let Some(why) = FAILURE.get() else {
        return ExitCode::from(status);
    };
    let message = format!("error: the output cannot be written, and is not whole: {why}");
    // Nobody is left to tell when the reader has gone away.
    let _ = writeln!(std::io::stderr().lock(), "{}", shown::text(&message));
    ExitCode::from(match status {
        0 => FAILED,
        failed => failed,
    })
}
