//! Python, of which there is nothing to build either.

use std::process::Command;

use super::{example_scripts_do_the_same, sdk, templates_are_scripts};
use crate::scripts::python::place;

#[test]
fn templates_in_python_are_steps() {
    templates_are_scripts(place(), "py");
}

#[test]
fn examples_in_python_do_what_those_in_rust_do() {
    example_scripts_do_the_same(place(), "python", "py");
}

/// The package with which steps are unit-tested in an ordinary Python.
#[test]
fn the_test_helper_tests_the_examples() {
    let said = Command::new("python3")
        .args(["-m", "unittest", "discover", "-s", "tests"])
        .current_dir(sdk("python"))
        .env("PYTHONPATH", "src")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:#?}");
}
