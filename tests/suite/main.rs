//! Black-box tests: the real binary, real databases, real components.
//!
//! A test is three sentences: a [`place::Place`] with a database and steps, an act, and what a user sees. `cargo xtask
//! test` builds what they need and runs them, once on each database: but for modules named after a database, which are run on
//! that alone, and those called `either`, whose subject has nothing to do with the database.

mod adopt;
mod application;
mod baselines;
mod beside_steps;
mod commands;
mod configuration;
mod crash;
mod dashboard;
mod directories;
mod dotenv;
mod environments;
mod examples;
mod faults;
mod files;
mod foreign_keys;
mod groups;
mod hostile;
mod hosts;
mod init;
mod journal;
mod judged;
mod likeness;
mod memory;
mod migrator;
mod monitors;
mod names;
mod new;
mod order_of_names;
mod passwords;
mod place;
mod placeholders;
mod postgres;
mod projects;
mod releases;
mod repair;
mod repeatable;
mod route;
mod schema;
mod scripts;
mod seeded_faults;
mod seeds;
mod server;
mod service;
mod small_disk;
mod source_files;
mod source_names;
mod sqlite;
mod switched;
mod target;
mod tenants;
mod told;
mod transform;
mod unwritten;
mod verbs;
