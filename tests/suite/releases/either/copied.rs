//! From place to place, by us and by tools that know nothing of releases.

use crate::place::Place;
use crate::releases::registry::{PASSWORD, Registry, USER, skopeo};
use crate::releases::{files, push, shop};

/// A place that knows the registry.
fn knowing(place: Place, registry: &Registry) -> Place {
    let settings = format!(
        "[registry.\"{}\"]\nca_file = \"{}\"\nusername = \"{USER}\"\npassword_file = \"password\"\n",
        registry.host,
        registry.certificate().display()
    );
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    std::fs::write(place.path().join("password"), PASSWORD).unwrap();
    place
}

#[test]
fn a_release_goes_through_an_archive_to_another_registry_as_it_is() {
    let (from, to) = (Registry::plain(), Registry::with_password());
    let place = knowing(shop(), &to);
    let first = from.at("shop/migrations:1.4.0");
    let digest = place.run(&push(&first)).ends_with(0).json()["digest"].clone();
    let digest = digest.as_str().unwrap();

    for name in ["one.tar", "other.tar"] {
        place
            .run(&["release", "copy", &first, &format!("oci-layout:{name}")])
            .ends_with(0)
            .and_says(digest);
    }
    let archives =
        ["one.tar", "other.tar"].map(|name| std::fs::read(place.path().join(name)).unwrap());
    assert!(
        archives[0] == archives[1],
        "the same release makes another archive"
    );

    let second = to.at("elsewhere/migrations");
    place
        .run(&["release", "copy", "oci-layout:one.tar:1.4.0", &second])
        .ends_with(0)
        .and_says(digest);
    place
        .run(&[
            "release",
            "copy",
            &to.at("elsewhere/migrations:1.4.0"),
            "oci-layout:directory:1.4.0",
        ])
        .ends_with(0)
        .and_says(digest);
    place
        .run(&[
            "release",
            "pull",
            &format!("oci-layout:directory:1.4.0@{digest}"),
            "-o",
            "back",
        ])
        .ends_with(0);
    let mut expected = files(&place.path().join("migrations"));
    expected.retain(|(name, _)| name != "README.md");
    assert_eq!(files(&place.path().join("back")), expected);
    to.collect_garbage();
    place
        .run(&[
            "release",
            "pull",
            &to.at("elsewhere/migrations:1.4.0"),
            "-o",
            "again",
        ])
        .ends_with(0);
}

#[test]
fn a_tool_for_images_copies_a_release_as_it_is() {
    let (from, to) = (Registry::plain(), Registry::with_password());
    let place = knowing(shop(), &to);
    let digest = place.run(&push(&from.at("a:1.0.0"))).ends_with(0).json()["digest"].clone();
    let digest = digest.as_str().unwrap();
    let archive = place.path().join("skopeo.tar").display().to_string();
    let certificates = to.certificate();
    let certificates = certificates.parent().unwrap().to_str().unwrap();
    skopeo(&[
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        &format!("docker://{}/a:1.0.0", from.host),
        &format!("oci-archive:{archive}:1.0.0"),
    ]);
    skopeo(&[
        "copy",
        "--all",
        "--preserve-digests",
        "--dest-cert-dir",
        certificates,
        "--dest-creds",
        &format!("{USER}:{PASSWORD}"),
        &format!("oci-archive:{archive}:1.0.0"),
        &format!("docker://{}/b:1.0.0", to.host),
    ]);
    for reference in [to.at("b:1.0.0"), format!("oci-layout:{archive}:1.0.0")] {
        let said = place
            .run(&["release", "pull", &reference, "--json"])
            .ends_with(0)
            .json();
        assert_eq!(said["digest"], digest);
    }
    // And what we make, it reads.
    place
        .run(&["release", "copy", &to.at("b:1.0.0"), "oci-layout:ours.tar"])
        .ends_with(0);
    let ours = place.path().join("ours.tar").display().to_string();
    skopeo(&[
        "copy",
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
        &format!("oci-archive:{ours}:1.0.0"),
        &format!("docker://{}/c:1.0.0", from.host),
    ]);
    let said = place
        .run(&["inspect", &from.at("c:1.0.0"), "--json"])
        .ends_with(0)
        .json();
    assert_eq!(said["digest"], digest);
}
