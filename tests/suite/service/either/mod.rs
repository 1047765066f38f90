//! What is the same on each database.

mod flood;
mod fuzz;
mod impostor;
mod logs;
mod names;
mod pages;
mod refusals;
mod sessions;
mod slow;
mod tls;
