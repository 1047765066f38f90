//! PostgreSQL.

mod away;
mod full;
pub mod killed;
mod locks;
mod lost;
mod mute;
mod proof;
mod together;
mod untrusted;

use wasmigrate_test_server::{Cluster, Durability};

use crate::place::Place;

fn cluster() -> Cluster {
    Cluster::start(Durability::None).unwrap()
}

/// Each phase of each step that the journal calls done, as `1 migrate`.
fn done(place: &Place) -> Vec<String> {
    place.texts(
        "SELECT step_index || ' ' || phase FROM wasmigrate_attempt WHERE outcome = 'done' ORDER BY phase, step_index",
    )
}
