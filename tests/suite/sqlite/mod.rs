//! What only SQLite has.

mod outside;
mod pragmas;
mod replaced;
mod scripts;
mod virtual_tables;
mod turn;
