//! The clock of epoch interruption.

use std::time::Duration;

use wasmtime::Engine;

/// How often a running component looks at its deadline.
const TICK: Duration = Duration::from_millis(10);

/// Starts a thread that advances the engine's epoch until the engine is gone. A thread of its own, because everything
/// else may be busy with the very component that must be stopped.
pub(super) fn start(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
    Ok(())
}
