//! The last resort against work that does not end.
//!
//! A statement of SQLite can be interrupted between two instructions of its machine, but not inside a function such as
//! `instr` on megabytes of text; a compiler not at all. When work continues for long after it had to end, the process ends
//! itself: the database rolls back what was not committed, and the next run continues from there, as after any other death.

use std::time::Duration;

/// How long work may go on after it had to end.
const GRACE: Duration = Duration::from_secs(10);

/// How often to look.
const INTERVAL: Duration = Duration::from_millis(500);

/// Watches on a thread of its own; `overdue` says for how long work has had to end, when it has.
pub(super) fn start(
    overdue: impl Fn() -> Option<Duration> + Send + 'static,
    tell: impl Fn(&str) + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(INTERVAL);
                if overdue().is_some_and(|overdue| overdue > GRACE) {
                    tell(
                        "the step neither ended in time nor could be interrupted, so that the host ends itself; the \
                         database rolls back what was not committed, and the next run continues from there",
                    );
                    std::process::exit(i32::from(super::FAILED));
                }
            }
        })?;
    Ok(())
}
