//! What only SQLite has.

mod full;
mod outside;
mod pragmas;
mod replaced;
mod scripts;
mod turn;
mod virtual_tables;
