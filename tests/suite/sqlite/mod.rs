//! What only SQLite has.

mod outside;
mod pragmas;
mod scripts;
