//! All that reads the bytes of a component outside of the compiler's process, for a fuzzer.

use super::{compiler, cost, inspect};

/// Reads bytes as a component.
pub fn read_foreign(bytes: &[u8]) {
    let is_passed_on = compiler::check(bytes, &super::Limits::default()).is_ok();
    let _ = cost::check(bytes);
    // The host does that only with what was compiled, and so was found valid.
    if is_passed_on && wasmparser::validate(bytes).is_ok() {
        let _ = inspect::written(bytes);
    }
}
