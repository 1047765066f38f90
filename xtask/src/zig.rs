//! What steps in Zig are built with in the tests: the package of Python that has Zig in it, in a directory of its own.

use std::env;
use std::path::Path;

use crate::cargo::say;
use crate::python;

/// The variable by which the host is told of it.
pub(crate) const VARIABLE: &str = "WASMIGRATE_ZIG";

/// The package, and the version that the SDK was tried with.
const PACKAGE: &str = "ziglang==0.17.0";

/// Installs it below a target directory, and returns the program with its arguments. Without it everything else is built and tested
/// all the same.
pub(crate) fn prepare(target: &Path) -> Option<String> {
    if let Ok(named) = env::var(VARIABLE) {
        return Some(named);
    }
    let directory = target.join("tools/zig");
    if !directory.join("bin/python-zig").exists() {
        say("installing Zig, in which the tests write steps");
        if let Err(why) = python::install(&directory, &[PACKAGE]) {
            say(&format!(
                "NO ZIG: steps in Zig are not tested here, since {PACKAGE} cannot be installed: {why}"
            ));
            return None;
        }
    }
    Some(format!(
        "{} -m ziglang",
        directory.join("bin/python").display()
    ))
}
