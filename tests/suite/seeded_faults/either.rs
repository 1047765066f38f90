//! Mistakes of components which are found in the same way on each database: in what they are given, not in what it makes of it.

use super::components::exhibit;
use super::{caught, people, test};

#[test]
fn the_first_batch_taken_for_all() {
    exhibit(
        "one_batch",
        "deterministic",
        "with batches of 1 rows the result is another",
    );
}

#[test]
fn chance() {
    exhibit("chance", "deterministic", "not from time or chance");
}

#[test]
fn memory_that_grows_with_the_data() {
    exhibit("memory", "confined", "read with a cursor");
}

#[test]
fn an_empty_text() {
    exhibit(
        "empty",
        "generated",
        "called `Option::unwrap()` on a `None` value",
    );
}

#[test]
fn a_text_of_ten_thousand_characters() {
    exhibit("long", "generated", "range end index 10000");
}

#[test]
fn an_emoji() {
    exhibit("emoji", "generated", "not a char boundary");
}

/// What was found is kept, with the fewest rows, and tried by the next test.
#[test]
fn what_was_found_is_kept_as_a_fixture() {
    let place = people().with_guest("0002_greet.wasm", "gallery");
    let arguments = [
        "2",
        "--set",
        "gallery.step=year",
        "--set",
        "gallery.mistake=yes",
    ];
    test(&place, &arguments).ends_with(1);
    let directory = place.path().join("migrations/fixtures/0002_greet");
    let kept: Vec<_> = std::fs::read_dir(directory).unwrap().collect();
    let [Ok(kept)] = &*kept else {
        panic!("{kept:?}");
    };
    let rows: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(kept.path()).unwrap()).unwrap();
    let rows = rows["person"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["note"], "9999-12-31");
    let again = test(&place, &arguments);
    caught(again, "applies", "the year 10000 does not fit");
}
