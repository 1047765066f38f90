//! What `wit-bindgen` makes of the world.

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

use crate::Eraser;

wit_bindgen::generate!({
    path: "../wit",
    world: "eraser",
});

export!(Eraser with_types_in self);
