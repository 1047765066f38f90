//! What only PostgreSQL has.

mod advice;
mod errors;
mod notices;
mod outside;
mod outside_component;
mod replicated;
mod role;
mod values;
