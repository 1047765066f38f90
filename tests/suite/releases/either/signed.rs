//! Who has signed a release, and who must.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::place::{Place, Said};
use crate::releases::hostile::{Answer, Content, Hostile, digest};
use crate::releases::registry::Registry;
use crate::releases::{push, shop};

/// A place with keys of these names.
fn with_keys(place: Place, names: &[&str]) -> Place {
    let place = place.with_variable("COSIGN_PASSWORD", "geheim");
    for name in names {
        place.run(&["release", "keys", name]).ends_with(0);
    }
    place
}

fn sign(place: &Place, reference: &str, key: &str) -> Said {
    place.run(&["release", "sign", reference, "--key", &format!("{key}.key")])
}

fn verify(place: &Place, reference: &str, key: &str) -> Said {
    place.run(&[
        "release",
        "verify",
        reference,
        "--key",
        &format!("{key}.pub"),
    ])
}

/// The file of a blob in a layout.
fn blob(layout: &Path, digest: &str) -> std::path::PathBuf {
    layout
        .join("blobs/sha256")
        .join(digest.strip_prefix("sha256:").unwrap())
}

fn read(layout: &Path, digest: &str) -> Value {
    serde_json::from_slice(&std::fs::read(blob(layout, digest)).unwrap()).unwrap()
}

#[test]
fn a_release_is_signed_by_who_has_the_key_and_by_nobody_else() {
    let registry = Registry::plain();
    let place = with_keys(shop(), &["release", "other"]);
    let reference = registry.at("shop/migrations:1.4.0");
    place.run(&push(&reference)).ends_with(0);
    verify(&place, &reference, "release")
        .ends_with(2)
        .and_says("is not signed");
    sign(&place, &reference, "release").ends_with(0);
    verify(&place, &reference, "release")
        .ends_with(0)
        .and_says("signed by release (sha256:");
    verify(&place, &reference, "other")
        .ends_with(2)
        .and_says("of nobody whom");

    // Who has signed need not sign again.
    let before = registry.requests("PUT");
    sign(&place, &reference, "release").ends_with(0);
    assert_eq!(registry.requests("PUT"), before);
    sign(&place, &reference, "other").ends_with(0);
    for key in ["release", "other"] {
        verify(&place, &reference, key).ends_with(0);
    }
    place
        .run(&["inspect", &reference])
        .ends_with(0)
        .and_says("signed    4 signatures, of whom");
    registry.collect_garbage();
    verify(&place, &reference, "release").ends_with(0);

    let wrong = place.with_variable("COSIGN_PASSWORD", "wrong");
    sign(&wrong, &reference, "release")
        .ends_with(2)
        .and_says("does not open");
    wrong
        .run(&["release", "keys", "release"])
        .ends_with(2)
        .and_says("is there already");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(wrong.path().join("release.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn both_forms_of_a_signature_are_what_other_tools_read() {
    let place = with_keys(shop(), &["release"]);
    let pushed = place
        .run(&push("oci-layout:layout:1.4.0"))
        .ends_with(0)
        .json();
    let release = pushed["digest"].as_str().unwrap();
    sign(&place, "oci-layout:layout:1.4.0", "release").ends_with(0);
    let layout = place.path().join("layout");
    let index: Value =
        serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let named = |tag: &str| {
        let all = index["manifests"].as_array().unwrap();
        let found = all
            .iter()
            .find(|one| one["annotations"]["org.opencontainers.image.ref.name"] == tag);
        found.map(|one| one["digest"].as_str().unwrap().to_owned())
    };
    let old = named(&format!("{}.sig", release.replace(':', "-"))).unwrap();
    let old = read(&layout, &old);
    let layer = &old["layers"][0];
    assert_eq!(
        layer["mediaType"],
        "application/vnd.dev.cosign.simplesigning.v1+json"
    );
    let payload = blob(&layout, layer["digest"].as_str().unwrap());
    let signed: Value = serde_json::from_slice(&std::fs::read(&payload).unwrap()).unwrap();
    assert_eq!(
        signed["critical"]["image"]["docker-manifest-digest"],
        release
    );
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"]
        .as_str()
        .unwrap();
    openssl(&place, &payload, &STANDARD.decode(signature).unwrap());

    let bundle = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json");
    let bundle = read(&layout, bundle.unwrap()["digest"].as_str().unwrap());
    assert_eq!(bundle["subject"]["digest"], release);
    let bundle = read(&layout, bundle["layers"][0]["digest"].as_str().unwrap());
    let names: Vec<&String> = bundle.as_object().unwrap().keys().collect();
    assert_eq!(names, ["dsseEnvelope", "mediaType", "verificationMaterial"]);
    let envelope = &bundle["dsseEnvelope"];
    let payload = STANDARD
        .decode(envelope["payload"].as_str().unwrap())
        .unwrap();
    let kind = envelope["payloadType"].as_str().unwrap();
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    let message = place.path().join("message");
    std::fs::write(&message, [head.as_bytes(), &payload].concat()).unwrap();
    let signature = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap());
    openssl(&place, &message, &signature.unwrap());
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        statement["predicateType"],
        "https://sigstore.dev/cosign/sign/v1"
    );
    assert_eq!(
        format!(
            "sha256:{}",
            statement["subject"][0]["digest"]["sha256"]
                .as_str()
                .unwrap()
        ),
        release
    );
}

/// Demands that openssl finds the signature over a file to be of the key `release`.
#[track_caller]
fn openssl(place: &Place, message: &Path, signature: &[u8]) {
    let file = place.path().join("signature");
    std::fs::write(&file, signature).unwrap();
    let said = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify"])
        .arg(place.path().join("release.pub"))
        .arg("-signature")
        .arg(&file)
        .arg(message)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
}

#[test]
fn signatures_go_along_wherever_a_release_is_copied() {
    let (from, to) = (Registry::plain(), Registry::plain());
    let place = with_keys(shop(), &["release", "dba", "old"]);
    let reference = from.at("shop/migrations:1.4.0");
    place.run(&push(&reference)).ends_with(0);
    sign(&place, &reference, "release").ends_with(0);
    place
        .run(&["release", "sign", &reference, "--key", "dba.key", "--steps"])
        .ends_with(0);
    let second = to.at("mirror/migrations:1.4.0");
    place
        .run(&["release", "copy", &reference, "oci-layout:bundle.tar"])
        .ends_with(0);
    place
        .run(&["release", "copy", "oci-layout:bundle.tar:1.4.0", &second])
        .ends_with(0);
    let rules = rules(
        "[[rule]]\nrepository = \"*\"\nkeys = [\"release\"]\n[[rule.step]]\nmatch = \"*.sql\"\nkeys = [\"dba\"]\n",
    );
    std::fs::write(place.path().join("trust.toml"), rules).unwrap();
    for place_of_it in [&second, "oci-layout:bundle.tar:1.4.0"] {
        verify(&place, place_of_it, "release").ends_with(0);
        place
            .run(&["release", "verify", place_of_it, "--trust", "trust.toml"])
            .ends_with(0);
    }
}

/// A file of rules over the keys `release` and `dba`.
fn rules(rules: &str) -> String {
    format!(
        "version = 1\ndefault = \"reject\"\n[[key]]\nid = \"release\"\npublic_key_file = \"release.pub\"\n[[key]]\nid = \"dba\"\n\
         public_key_file = \"dba.pub\"\n[[key]]\nid = \"old\"\npublic_key_file = \"old.pub\"\nnot_after = \"2020-01-01\"\n{rules}"
    )
}

#[test]
fn rules_say_who_must_have_signed_what() {
    let registry = Registry::plain();
    let place = with_keys(shop(), &["release", "dba", "old"]);
    let reference = registry.at("shop/migrations:1.4.0");
    place.run(&push(&reference)).ends_with(0);
    sign(&place, &reference, "old").ends_with(0);
    let rule = |rest: &str| {
        let repository = format!("{}/shop/*", registry.host);
        let rule = format!("[[rule]]\nrepository = \"{repository}\"\n{rest}");
        std::fs::write(place.path().join("trust.toml"), rules(&rule)).unwrap();
        place.run(&["release", "verify", &reference, "--trust", "trust.toml"])
    };
    rule("keys = [\"old\"]").ends_with(2).and_says("not_after");
    rule("keys = [\"release\"]")
        .ends_with(2)
        .and_says("of nobody whom");
    sign(&place, &reference, "release").ends_with(0);
    rule("keys = [\"release\"]")
        .ends_with(0)
        .and_says("signed by release");
    rule("keys = [\"release\", \"dba\"]\nthreshold = 2")
        .ends_with(2)
        .and_says("1 of the 2");
    sign(&place, &reference, "dba").ends_with(0);
    rule("keys = [\"release\", \"dba\"]\nthreshold = 2").ends_with(0);
    rule("keys = [\"release\"]\nlineage = \"blog\"")
        .ends_with(2)
        .and_says("a release of `shop`");
    rule("keys = [\"release\"]\nmax_age_days = 7")
        .ends_with(2)
        .and_says("when it was made");
    let steps = "keys = [\"release\"]\n[[rule.step]]\nmatch = \"*.sql\"\nkeys = [\"dba\"]";
    rule(steps).ends_with(2).and_says("signature of its own");
    place
        .run(&["release", "sign", &reference, "--key", "dba.key", "--steps"])
        .ends_with(0);
    rule(steps).ends_with(0);
    std::fs::write(place.path().join("trust.toml"), rules("")).unwrap();
    place
        .run(&["release", "verify", &reference, "--trust", "trust.toml"])
        .ends_with(2)
        .and_says("no rule of");
    place
        .run(&["release", "verify", &reference])
        .ends_with(2)
        .and_says("who must have signed");
}

/// A release in a layout that is signed, and what the layout holds beside the release.
fn signed() -> (Place, Content, Value) {
    // A key that openssl can use, too.
    let place = shop();
    let make = "openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt > release.key
        openssl pkey -in release.key -pubout > release.pub";
    let made = Command::new("sh")
        .args(["-ec", make])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    place.run(&push("oci-layout:layout:1.4.0")).ends_with(0);
    sign(&place, "oci-layout:layout:1.4.0", "release").ends_with(0);
    let layout = place.path().join("layout");
    let content = Content::of_layout(&layout);
    let references = std::fs::read(layout.join("index.json")).unwrap();
    (place, content, serde_json::from_slice(&references).unwrap())
}

/// Serves a release with these referrers, and with this manifest of signatures in the older form.
fn serve(content: Content, referrers: Value, old: Option<Vec<u8>>) -> Hostile {
    Hostile::serve(move |request, _| {
        if request.path.contains("/referrers/") {
            return Answer::new(200, referrers.to_string());
        }
        match (&old, request.path.ends_with(".sig")) {
            (Some(old), true) => Answer::new(200, old.clone()),
            (None, true) => Answer::new(404, "{}"),
            _ => content.answer(request),
        }
    })
}

#[test]
fn what_only_looks_like_a_signature_of_the_release_does_not_count() {
    let (place, content, references) = signed();
    let all = references["manifests"].as_array().unwrap();
    let bundle = all
        .iter()
        .find(|one| one["artifactType"].is_string())
        .unwrap()
        .clone();
    let old = all.iter().find(|one| {
        let name = one["annotations"]["org.opencontainers.image.ref.name"].as_str();
        name.is_some_and(|name| name.ends_with(".sig"))
    });
    let old = content.blobs[old.unwrap()["digest"].as_str().unwrap()].clone();
    let list = |referrers: Value| json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": referrers});
    let verified = |registry: &Hostile| verify(&place, &registry.at("a/b:1.4.0"), "release");

    // Each of the two forms is enough, and what the list says of the type does not matter.
    let mut untyped = bundle.clone();
    untyped["artifactType"] = json!("application/vnd.oci.empty.v1+json");
    verified(&serve(content.clone(), list(json!([untyped])), None)).ends_with(0);
    verified(&serve(content.clone(), list(json!([])), Some(old.clone()))).ends_with(0);
    verified(&serve(content.clone(), list(json!([])), None))
        .ends_with(2)
        .and_says("is not signed");

    // Right signatures, and another release.
    let other =
        content.changed(|index| index["annotations"]["dev.wasmigrate.lineage"] = json!("evil"));
    verified(&serve(other.clone(), list(json!([bundle])), None))
        .ends_with(2)
        .and_says("is not signed");
    verified(&serve(other, list(json!([])), Some(old.clone())))
        .ends_with(2)
        .and_says("of nobody whom");

    // A statement of another kind by the same key.
    let manifest: Value =
        serde_json::from_slice(&content.blobs[bundle["digest"].as_str().unwrap()]).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let mut inner: Value = serde_json::from_slice(&content.blobs[layer]).unwrap();
    let payload = STANDARD
        .decode(inner["dsseEnvelope"]["payload"].as_str().unwrap())
        .unwrap();
    let mut statement: Value = serde_json::from_slice(&payload).unwrap();
    statement["predicateType"] = json!("https://slsa.dev/provenance/v1");
    let payload = statement.to_string();
    let kind = "application/vnd.in-toto+json";
    let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    std::fs::write(place.path().join("message"), message).unwrap();
    let signature = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign", "release.key", "message"])
        .current_dir(place.path())
        .output()
        .unwrap();
    inner["dsseEnvelope"]["payload"] = json!(STANDARD.encode(payload));
    inner["dsseEnvelope"]["signatures"][0]["sig"] = json!(STANDARD.encode(signature.stdout));
    let mut foreign = content.clone();
    let bytes = inner.to_string().into_bytes();
    let mut outer = manifest.clone();
    outer["layers"][0]["digest"] = json!(digest(&bytes));
    outer["layers"][0]["size"] = json!(bytes.len());
    foreign.blobs.insert(digest(&bytes), bytes);
    let outer = outer.to_string().into_bytes();
    let mut referrer = bundle.clone();
    referrer["digest"] = json!(digest(&outer));
    referrer["size"] = json!(outer.len());
    foreign.blobs.insert(digest(&outer), outer);
    let registry = serve(foreign, list(json!([referrer])), None);
    verified(&registry).ends_with(2).and_says("is not signed");
    place
        .run(&["inspect", &registry.at("a/b:1.4.0")])
        .ends_with(0)
        .and_says("https://slsa.dev/provenance/v1, not verified");

    // And far too many.
    let many = json!(vec![bundle; 10_000]);
    verified(&serve(content.clone(), list(many), None))
        .ends_with(2)
        .and_says("over the limit");
    let mut signatures: Value = serde_json::from_slice(&old).unwrap();
    signatures["layers"] = json!(vec![signatures["layers"][0].clone(); 65]);
    let registry = serve(
        content,
        list(json!([])),
        Some(signatures.to_string().into_bytes()),
    );
    verified(&registry)
        .ends_with(2)
        .and_says("over the limit of 64");
}
