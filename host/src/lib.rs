//! Runs database migrations that are shipped as sandboxed WebAssembly components.
//!
//! The rooms of the house, and who may enter which:
//!
//! ```text
//! cli → rehearsal → engine → journal ┐
//!                          → foreign │
//!                          → catalog ├→ database
//!                          → sandbox ┘
//! ```
//!
//! - `database`: the target; statements, transactions, batches. Drivers stay inside.
//! - `catalog`: the steps on disk.
//! - `sandbox`: components, and what they may do. wasmtime stays inside.
//! - `journal`: what is remembered, and the lease.
//! - `foreign`: what other migration tools remember.
//! - `engine`: what may run when, and the running of it.
//! - `notifications`: what is sent to those who do not watch.
//! - `traces`: runs as spans of OpenTelemetry.
//! - [`rehearsal`]: steps, proven on throw-away databases.
//! - `releases`: steps in registries, and the way from there to a directory.
//! - [`cli`]: the commands.
//! - `contract`: the text of the contract with steps.
//! - `projects`: the sources of steps in compiled languages, and the tools that build them.
//! - `config`: settings from the file, the environment and the flags.
//! - `input`: files that others may have put there, read whole.
//! - `private`: directories that are this user's alone.
//!
//! What this crate does not do: it talks to nobody but the database and those whom the operator names. What it changes in
//! your tables is what a step says: its statements as they are, and for a transformation the columns, the triggers and the
//! writes that the step's description asks for.

#![allow(
    unreachable_pub,
    reason = "`pub` is what a room shows to the other rooms; what the crate shows is said here"
)]

mod catalog;
pub mod cli;
mod client;
mod config;
mod contract;
mod database;
mod engine;
mod foreign;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod input;
mod journal;
mod notifications;
mod output;
mod private;
mod projects;
pub mod rehearsal;
mod releases;
mod sandbox;
mod temporary;
mod traces;
mod webhook_client;

pub use config::Config;
// What a benchmark needs to run the same function inside the host.
pub use database::{Batch, Cell, ColumnBuilder};
pub use sandbox::{Rejected, Transformed};
