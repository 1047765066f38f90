//! The verbs people know: some steps instead of all, there and back, and what other tools call it.

mod irreversible;
mod peers;
mod ways_on;
