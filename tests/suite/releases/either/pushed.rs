//! From a directory to a registry and back.

use serde_json::Value;

use crate::releases::registry::{Registry, skopeo};
use crate::releases::{COMPONENT, files, push, shop};

#[test]
fn a_release_comes_back_as_it_was_pushed_and_is_sent_once() {
    let (place, registry) = (shop(), Registry::plain());
    let reference = registry.at("shop/migrations:1.4.0");
    let pushed = place
        .run(&push(&reference))
        .ends_with(0)
        .and_says("README.md");
    let first = pushed.json();
    assert_eq!(first["steps"], 5, "{first}");
    let digest = first["digest"].as_str().unwrap();

    place
        .run(&["release", "pull", &reference, "-o", "back/steps"])
        .ends_with(0)
        .and_says(digest);
    let mut expected = files(&place.path().join("migrations"));
    expected.retain(|(name, _)| name != "README.md");
    assert_eq!(files(&place.path().join("back/steps")), expected);

    let before = registry.requests("PUT") + registry.requests("POST");
    let second = place.run(&push(&reference)).ends_with(0).json();
    assert_eq!(second["digest"], first["digest"]);
    assert_eq!(second["sent"], 0, "{second}");
    let after = registry.requests("PUT") + registry.requests("POST");
    assert_eq!(before, after, "something was sent again");
}

#[test]
fn the_same_files_make_the_same_release_wherever_they_are_pushed() {
    let (one, other) = (Registry::plain(), Registry::plain());
    let digests: Vec<Value> = [&one, &other]
        .map(|registry| {
            let said = shop().run(&push(&registry.at("a/b:1.0.0"))).ends_with(0);
            said.json()["digest"].clone()
        })
        .to_vec();
    assert_eq!(digests[0], digests[1]);
    let dated = shop()
        .with_variable("SOURCE_DATE_EPOCH", "1700000000")
        .run(&push(&one.at("a/b:1.0.1")))
        .ends_with(0);
    assert_ne!(dated.json()["digest"], digests[0]);
    let raw = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &docker(&one, "a/b:1.0.1"),
    ]);
    assert!(raw.contains("2023-11-14T22:13:20Z"), "{raw}");
}

#[test]
fn a_version_keeps_its_content() {
    let (place, registry) = (shop(), Registry::plain());
    let reference = registry.at("shop/migrations:1.4.0");
    let first = place.run(&push(&reference)).ends_with(0).json();
    place.write_step("0004_more.sql", b"SELECT 4");
    let refused = place
        .run(&push(&reference))
        .ends_with(2)
        .and_says("--force");
    assert!(
        refused.stdout.contains(first["digest"].as_str().unwrap()),
        "{refused:?}"
    );
    let mut forced = push(&reference);
    forced.push("--force");
    let second = place.run(&forced).ends_with(0).json();
    assert_ne!(first["digest"], second["digest"]);
    // Who has named the digest gets what he named.
    let pinned = format!("{reference}@{}", first["digest"].as_str().unwrap());
    let steps = place
        .run(&["inspect", &pinned, "--json"])
        .ends_with(0)
        .json();
    assert_eq!(steps["steps"].as_array().unwrap().len(), 5);
}

#[test]
fn a_component_is_kept_as_other_tools_for_components_keep_one() {
    let (place, registry) = (shop(), Registry::plain());
    let reference = registry.at("shop/migrations:1.4.0_b7");
    place.run(&push(&reference)).ends_with(0);
    let inspected = place
        .run(&["inspect", &reference, "--json"])
        .ends_with(0)
        .json();
    assert_eq!(inspected["version"], "1.4.0+b7");
    let step = &inspected["steps"][1];
    assert_eq!(step["step"]["file"], "0002_split.wasm");
    let manifest = step["manifest"].as_str().unwrap();
    let raw = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &docker(&registry, &format!("shop/migrations@{manifest}")),
    ]);
    let manifest: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["digest"], step["step"]["digest"]);
    place
        .run(&["inspect", &reference, "--step", "1"])
        .ends_with(0)
        .and_says("CREATE TABLE customers");

    let component = place.step("0002_split.wasm");
    let alone = registry.at("acme/split:1.0.0");
    let pushed = place
        .run(&[
            "release",
            "push",
            component.to_str().unwrap(),
            &alone,
            "--json",
        ])
        .ends_with(0);
    let raw = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &docker(&registry, "acme/split:1.0.0"),
    ]);
    let own: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(own, manifest, "{pushed:?}");
    place
        .run(&["release", "pull", &alone])
        .ends_with(2)
        .and_says("is no release");
}

#[test]
fn what_has_no_place_in_a_release_is_refused_before_anything_is_sent() {
    let registry = Registry::plain();
    let to = registry.at("shop/migrations:1.4.0");
    for (name, content, why) in [
        ("0009_core.wasm", &b"\0asm\x01\0\0\0"[..], "is no component"),
        ("0001_again.sql", b"SELECT 1", "two steps have the index 1"),
    ] {
        let place = shop();
        place.write_step(name, content);
        place.run(&push(&to)).ends_with(2).and_says(why);
    }
    let place = shop();
    std::fs::create_dir(place.step("20260101000000_more")).unwrap();
    place.write_step("20260101000000_more/migration.sql", b"SELECT 1");
    place
        .run(&push(&to))
        .ends_with(2)
        .and_says("in a directory of its own");
    let place = shop();
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "[sources]\nsingle_migrations = [\".\"]\n",
    )
    .unwrap();
    place
        .run(&push(&to))
        .ends_with(2)
        .and_says("`[sources]` names several");
    let place = shop();
    let said = place.run(&["release", "push", &to]).ends_with(2);
    said.and_says("--lineage");
    let wrong = registry.at("shop/migrations:latest");
    place.run(&push(&wrong)).ends_with(2).and_says("no version");
    assert_eq!(registry.requests("POST") + registry.requests("PUT"), 0);
    assert!(wat::parse_str(COMPONENT).is_ok());
}

#[test]
fn blobs_are_taken_over_from_another_repository() {
    let (place, registry) = (shop(), Registry::plain());
    place
        .run(&push(&registry.at("old/place:1.0.0")))
        .ends_with(0);
    let before = registry.requests("PUT");
    let to = registry.at("new/place:1.0.0");
    let mut mounting = push(&to);
    mounting.extend(["--mount-from", "old/place"]);
    place.run(&mounting).ends_with(0);
    // The manifests of five steps and the index, and not one blob.
    assert_eq!(registry.requests("PUT") - before, 6);
}

#[test]
fn what_is_no_longer_tagged_may_be_cleaned_away_and_the_release_stays_whole() {
    let (place, registry) = (shop(), Registry::plain());
    let reference = registry.at("shop/migrations:1.4.0");
    place.run(&push(&reference)).ends_with(0);
    registry.collect_garbage();
    place
        .run(&["release", "pull", &reference, "-o", "back"])
        .ends_with(0);
    let second = registry.at("shop/copy:1.4.0");
    place
        .run(&["release", "copy", &reference, &second])
        .ends_with(0);
}

fn docker(registry: &Registry, rest: &str) -> String {
    format!("docker://{}/{rest}", registry.host)
}
