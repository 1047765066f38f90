//! Runs migrations written in JavaScript.
//!
//! QuickJS in a component. What a script may do is what a component may do: the host hands the script's text to this
//! runner through an import that no other component may have, and calls the exports of a step or of a transformation.

#![cfg_attr(
    not(feature = "step"),
    allow(dead_code, unused_imports, reason = "transformations have no database")
)]

mod bindings;
#[cfg(feature = "step")]
mod database;
mod failure;
mod report;
mod rows;
mod script;
#[cfg(feature = "step")]
mod step;
mod text;
#[cfg(feature = "transform")]
mod transform;
mod values;

use bindings::{Form, Guest};
use script::Script;

struct Runner;

impl Guest for Runner {
    fn inspect() -> Result<Form, String> {
        Script::load().map(|script| script.form())
    }
}
