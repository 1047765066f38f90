//! Rust, by cargo.

use super::templates_are_steps;
use crate::place::built;

#[test]
fn templates_in_rust_are_steps() {
    templates_are_steps("rust", |place| {
        // What the crates of others became is kept from one run to the next.
        let kept = built().join("test-projects/rust");
        std::fs::create_dir_all(&kept).unwrap();
        let steps = place.path().join("steps");
        std::fs::create_dir(&steps).unwrap();
        std::os::unix::fs::symlink(kept, steps.join("target")).unwrap();
    });
}
