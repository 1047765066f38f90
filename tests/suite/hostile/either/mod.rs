//! What is the same on each database.

mod cache;
mod compile;
mod files;
pub mod long_texts;
mod toolchains;
mod traps;
mod wasi;
