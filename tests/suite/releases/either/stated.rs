//! Statements about a release that are no signatures.

use crate::place::Place;
use crate::releases::registry::Registry;
use crate::releases::{push, shop};

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A place with a release that is signed, and a statement to make about it.
fn signed(reference: &str) -> Place {
    let place = shop().with_variable("COSIGN_PASSWORD", "");
    for key in ["release", "ci"] {
        place.run(&["release", "keys", key]).ends_with(0);
    }
    place
        .run(&[&push(reference)[..], &["--sign", "release.key"]].concat())
        .ends_with(0);
    let predicate = r#"{"buildDefinition": {"buildType": "https://ci.example/build"}}"#;
    std::fs::write(place.path().join("provenance.json"), predicate).unwrap();
    place
}

fn attest<'a>(reference: &'a str, key: &'a str) -> [&'a str; 9] {
    [
        "release",
        "attest",
        reference,
        "--type",
        "slsaprovenance1",
        "--predicate",
        "provenance.json",
        "--key",
        key,
    ]
}

#[test]
fn a_statement_counts_where_the_rules_demand_it_and_goes_along() {
    let registry = Registry::plain();
    let reference = registry.at("shop/migrations:1.4.0");
    let place = signed(&reference);
    let rules = "version = 1\ndefault = \"reject\"\n[[key]]\nid = \"release\"\npublic_key_file = \"release.pub\"\n[[rule]]\n\
                 repository = \"*\"\nkeys = [\"release\"]\nattestations = [\"slsaprovenance1\"]\n";
    std::fs::write(place.path().join("trust.toml"), rules).unwrap();
    let verify =
        |reference: &str| place.run(&["release", "verify", reference, "--trust", "trust.toml"]);
    verify(&reference).ends_with(2).and_says(PROVENANCE);
    // Of somebody whom the rule does not name.
    place.run(&attest(&reference, "ci.key")).ends_with(0);
    verify(&reference).ends_with(2).and_says(PROVENANCE);
    place
        .run(&["inspect", &reference, "--key", "release.pub"])
        .ends_with(0)
        .and_says(&format!("states    {PROVENANCE}, not verified"));
    place
        .run(&attest(&reference, "release.key"))
        .ends_with(0)
        .and_says(PROVENANCE);
    verify(&reference).ends_with(0);
    place
        .run(&["inspect", &reference, "--key", "release.pub"])
        .ends_with(0)
        .and_says(&format!("states    {PROVENANCE}, by release (sha256:"))
        .and_says("signed    by release (sha256:");

    // A statement is no signature.
    place
        .run(&["release", "verify", &reference, "--key", "ci.pub"])
        .ends_with(2)
        .and_says("of nobody whom");
    place
        .run(&["release", "copy", &reference, "oci-layout:bundle.tar"])
        .ends_with(0);
    verify("oci-layout:bundle.tar:1.4.0").ends_with(0);
}

#[test]
fn what_is_no_statement_is_refused() {
    let reference = "oci-layout:layout:1.4.0";
    let place = signed(reference);
    let mut wrong = attest(reference, "release.key");
    wrong[4] = "provenance";
    place.run(&wrong).ends_with(2).and_says("nor a URI");
    wrong[4] = "https://sigstore.dev/cosign/sign/v1";
    place.run(&wrong).ends_with(2).and_says("release sign");
    wrong[4] = "spdxjson";
    std::fs::write(place.path().join("provenance.json"), "{").unwrap();
    place.run(&wrong).ends_with(2).and_says("is no JSON");
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    std::fs::write(place.path().join("provenance.json"), large).unwrap();
    place.run(&wrong).ends_with(2).and_says("over the limit");
    place
        .run(&wrong[..7])
        .ends_with(2)
        .and_says("the key that signs");
}
