//! A server of the test's own: it is killed, restarted, filled, put behind a pooler, and asks for proof.

pub mod postgres;
