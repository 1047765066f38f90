//! What `wit-bindgen` makes of the runner's own world.

#![allow(
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated code"
)]

use crate::Runner;

wit_bindgen::generate!({
    path: "../wit",
    world: "runner",
    generate_all,
});

export!(Runner with_types_in self);
