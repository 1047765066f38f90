//! What is the same on each database.

mod errors;
mod hostile;
pub mod imports;
mod types;
