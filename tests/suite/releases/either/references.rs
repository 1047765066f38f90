//! What names a release, and what does not.

use crate::releases::registry::Registry;
use crate::releases::{push, shop};

#[test]
fn what_is_no_reference_is_refused_and_no_secret_in_it_is_said_again() {
    let place = shop();
    for (reference, why) in [
        ("oci://h", "no repository"),
        ("oci://user:geheim@h/a:1", "user name"),
        ("oci://h/a:1?geheim", "query"),
        ("oci://h/a:1@sha256:geheim", "64 digits"),
        ("oci-layout:nowhere", "names no version"),
        ("oci-layout:nowhere:1.0.0", "there is no `nowhere`"),
        ("oci-layout:nowhere.tar:1.0.0", "there is no `nowhere.tar`"),
    ] {
        let said = place
            .run(&["release", "pull", reference])
            .ends_with(2)
            .and_says(why);
        assert!(!format!("{said:?}").contains("geheim"), "{said:?}");
    }
}

#[test]
fn what_is_not_there_is_said_to_be_nowhere() {
    let (place, mut registry) = (shop(), Registry::plain());
    let reference = registry.at("shop/migrations:1.0.0");
    place
        .run(&["release", "pull", &reference])
        .ends_with(2)
        .and_says("there is no");
    place.run(&push(&reference)).ends_with(0);
    let other = registry.at("shop/migrations:2.0.0");
    place
        .run(&["release", "pull", &other])
        .ends_with(2)
        .and_says(&other);
    let without = registry.at("shop/migrations");
    place
        .run(&["release", "pull", &without])
        .ends_with(2)
        .and_says("names no version");
    registry.stop();
    place
        .run(&["release", "pull", &reference])
        .ends_with(2)
        .and_says("cannot reach the registry");
}

#[test]
fn a_directory_that_is_not_empty_is_left_alone() {
    let (place, registry) = (shop(), Registry::plain());
    let reference = registry.at("shop/migrations:1.0.0");
    place.run(&push(&reference)).ends_with(0);
    place
        .run(&["release", "pull", &reference, "-o", "migrations"])
        .ends_with(2)
        .and_says("not empty");
}
