//! What only PostgreSQL has.

mod advice;
mod drift;
mod dumps;
mod enumerations;
mod errors;
mod first_journal;
mod home;
mod notices;
mod outside;
mod outside_component;
mod reading;
mod replicated;
mod role;
mod search_path;
mod undone_outside;
mod values;
mod whole_database;
