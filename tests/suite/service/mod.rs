//! The service as its operators, its clients and its enemies meet it: the real binary behind real sockets.
//!
//! `process` starts it, `client` speaks HTTP by hand. What the compatible route answers to which command is tested
//! elsewhere; here it is about what holds whatever is asked: nothing is lost, nothing is done twice, nobody gets in the
//! way of the migration, and the service says what goes on.

mod allowances;
mod audit;
pub mod client;
mod commands;
mod either;
pub mod events;
mod killed;
mod manifests;
mod observed;
mod postgres;
pub mod process;
pub mod proxy;
pub mod remote;
mod replicas;
mod restarted;
mod simultaneous;
mod steps;
mod terminated;

use crate::application::Application;
use crate::hostile::component::{Component, sql};
use crate::place::Place;

/// Goes on for ever while the gate is closed, and ends at once when it is open.
fn wait() -> String {
    sql(Place::in_sql_of(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE (SELECT is_open FROM gate) = 0)
         SELECT max(i) FROM n",
        "SELECT CASE WHEN is_open = 0 THEN pg_sleep(3600) END FROM gate",
    ))
}

/// The body of an export that says that it has come here.
const READY: &str = "(call $output (i32.const 1) {{ready}})";

/// A database with a gate that is closed, and a table in which each step leaves its name.
fn gated() -> Place {
    let first =
        Component::migrating(note("first") + "(call $output (i32.const 1) {{first is done}})");
    let place = Place::new()
        .with_data(
            "CREATE TABLE gate (is_open INTEGER NOT NULL);
             INSERT INTO gate VALUES (0);",
        )
        .with_data(Place::in_sql_of(
            "CREATE TABLE applied (number INTEGER PRIMARY KEY, note TEXT)",
            "CREATE TABLE applied (number INTEGER PRIMARY KEY GENERATED ALWAYS AS IDENTITY, note TEXT)",
        ));
    place.write_step("0001_first.wasm", &first.build());
    place
}

/// The same with a second step that waits in one of its exports.
pub fn held_in(export: &'static str) -> Place {
    let place = gated();
    // What a check changes is rolled back in any case.
    let body = note("begun") + READY + &wait() + &note("done");
    let step = Component::new().with(export, body);
    place.write_step("0002_held.wasm", &step.build());
    place
}

fn note(text: &str) -> String {
    sql(&format!("INSERT INTO applied (note) VALUES ('{text}')"))
}

/// Keeps every run from being accepted until the transaction ends, as another host does while its own is.
fn hold_runs(place: &Place) -> Application {
    let mut application = place.connect();
    application.run(Place::in_sql_of(
        "BEGIN IMMEDIATE",
        "BEGIN; SELECT pg_advisory_xact_lock(hashtext('wasmigrate'), hashtext('wasmigrate'))",
    ));
    application
}

pub fn open_gate(place: &Place) {
    let mut application = place.connect();
    application.run("UPDATE gate SET is_open = 1");
}

/// What the steps left, in the order in which they did.
pub fn applied(place: &Place) -> Vec<String> {
    place.texts("SELECT note FROM applied ORDER BY number")
}

/// How the runs ended, the first one first.
pub fn outcomes(place: &Place) -> Vec<String> {
    place.texts("SELECT coalesce(outcome, 'running') FROM wasmigrate_run ORDER BY id")
}
