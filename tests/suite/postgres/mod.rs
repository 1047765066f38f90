//! What only PostgreSQL has.

mod advice;
mod notices;
mod outside;
