//! What only PostgreSQL has.

mod advice;
mod outside;
