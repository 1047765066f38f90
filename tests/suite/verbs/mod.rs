//! The verbs people know: some steps instead of all, there and back, and what other tools call it.

mod empty_undo;
mod irreversible;
mod lost_files;
mod out_of_order;
mod peers;
mod pending_repairs;
mod some_steps;
mod ways_on;
