//! What is the same on each database.

mod cache;
mod compile;
mod files;
mod toolchains;
mod traps;
mod wasi;
