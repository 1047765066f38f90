//! JavaScript and TypeScript, of which there is nothing to build.

use super::{example_scripts_do_the_same, templates_are_scripts};
use crate::place::Place;

#[test]
fn templates_in_javascript_are_steps() {
    templates_are_scripts(Place::new(), "js");
}

#[test]
fn templates_in_typescript_are_steps() {
    templates_are_scripts(Place::new(), "ts");
}

#[test]
fn examples_in_typescript_do_what_those_in_rust_do() {
    example_scripts_do_the_same(Place::new(), "typescript", "ts");
}
