//! All that reads the bytes of a component outside of the compiler's process, for a fuzzer.

use super::{compiler, cost, inspect};

/// Reads bytes as a component.
pub fn read_foreign(bytes: &[u8]) {
    let _ = compiler::check(bytes, &super::Limits::default());
    let _ = cost::check(bytes);
    // The host does that only with what was compiled.
    let _ = inspect::written(bytes);
}
