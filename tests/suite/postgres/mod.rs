//! What only PostgreSQL has.

mod advice;
mod errors;
mod notices;
mod outside;
mod values;
