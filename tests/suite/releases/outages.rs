//! Registries that are down, and tags that move while a service runs.

use super::push;
use super::registry::Registry;
use crate::place::{Place, Said};
use crate::service::process::Service;
use crate::service::remote::Desk;

/// A place whose release is signed, and its registry.
fn signed() -> (Place, Registry, String) {
    let place = Place::new()
        .with_own_cache()
        .with_variable("COSIGN_PASSWORD", "")
        .with_sql("0001_customers.sql", "CREATE TABLE customers (id INTEGER);");
    let registry = Registry::plain();
    for key in ["release", "other"] {
        place.run(&["release", "keys", key]).ends_with(0);
    }
    let tag = registry.at("shop/migrations:1.0.0");
    push_signed(&place, &tag, &[]);
    (place, registry, tag)
}

/// Pushes the steps of the place, signed at once; returns the digest.
fn push_signed(place: &Place, tag: &str, more: &[&str]) -> String {
    let sign = ["--sign", "release.key"];
    let pushed = place.run(&[&push(tag)[..], &sign, more].concat());
    let pushed = pushed.ends_with(0).json();
    assert!(pushed["signed_by"].is_string(), "{pushed}");
    pushed["digest"].as_str().unwrap().to_owned()
}

fn run(place: &Place, command: &[&str], tag: &str) -> Said {
    let steps = ["--migrations", tag, "--key", "release.pub"];
    place.run(&[command, &steps].concat())
}

#[test]
fn who_only_looks_sees_what_a_tag_was_while_its_registry_is_down() {
    let (place, mut registry, tag) = signed();
    run(&place, &["migrate"], &tag).ends_with(0);
    registry.stop();
    for command in [&["status"][..], &["plan"], &["verify"]] {
        run(&place, command, &tag)
            .ends_with(0)
            .and_says("cannot reach the registry")
            .and_says("is taken for what it was")
            .and_says(" ago: sha256:");
    }
    let status = run(&place, &["status", "--json"], &tag).ends_with(0).json();
    let warning = status["source_warning"].as_str().unwrap();
    assert!(warning.contains("ago"), "{status}");
    // Who changes something does not take an old answer, unless told so.
    for command in ["migrate", "finalize", "reset"] {
        run(&place, &[command], &tag)
            .ends_with(2)
            .and_says("cannot reach the registry");
    }
    run(&place, &["finalize", "--offline"], &tag)
        .ends_with(0)
        .and_says("`--offline` forbids to ask")
        .and_says("finalized");
    // What is known is verified by the rules of now.
    place
        .run(&["status", "--migrations", &tag, "--key", "other.pub"])
        .ends_with(2)
        .and_says("of nobody whom");
    std::fs::remove_dir_all(place.path().join("cache/oci/tags")).unwrap();
    run(&place, &["status"], &tag)
        .ends_with(2)
        .and_says("cannot reach the registry");
    run(&place, &["migrate", "--offline"], &tag)
        .ends_with(2)
        .and_says("release pull");
}

#[test]
fn what_was_pulled_by_its_tag_runs_offline_by_its_tag() {
    let (place, mut registry, tag) = signed();
    place
        .run(&["release", "pull", &tag, "--key", "other.pub"])
        .ends_with(2)
        .and_says("of nobody whom");
    place
        .run(&["release", "pull", &tag, "--key", "release.pub"])
        .ends_with(0);
    registry.stop();
    run(&place, &["migrate", "--offline"], &tag).ends_with(0);
    assert!(place.has_table("customers"));
}

#[test]
fn a_service_starts_while_its_registry_is_down_and_asks_again_when_it_is_told_to_migrate() {
    let (place, mut registry, tag) = signed();
    run(&place, &["status"], &tag).ends_with(0);
    registry.stop();
    let mut service = Service::start_with(&place, &["--migrations", &tag, "--key", "release.pub"]);
    let logs = service.logs().join("\n");
    assert!(logs.contains("is taken for what it was"), "{logs}");
    let desk = Desk::of(&service);
    desk.run(&["status"])
        .ends_with(0)
        .and_says("is taken for what it was")
        .and_says("migration_required");
    let healthy = |service: &Service| {
        for probe in ["/healthz", "/readyz"] {
            assert_eq!(service.get(probe).status, 200, "{probe}");
        }
    };
    healthy(&service);
    desk.run(&["migrate"])
        .ends_with(2)
        .and_says("cannot reach the registry");
    healthy(&service);
    assert!(!place.has_table("customers"));
    registry.start_again();
    desk.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("customers"));
    // Now it is known what the tag is.
    let status = desk.run(&["status", "--json"]).ends_with(0).json();
    assert!(status["source_warning"].is_null(), "{status}");
    service.is_well();
}

#[test]
fn a_service_notices_that_its_tag_has_moved_with_its_next_command() {
    let (place, _registry, tag) = signed();
    let service = Service::start_with(&place, &["--migrations", &tag, "--key", "release.pub"]);
    let desk = Desk::of(&service);
    desk.run(&["migrate"]).ends_with(0);
    place.write_step("0002_notes.sql", b"CREATE TABLE notes (id INTEGER);");

    // To what nobody has signed.
    place
        .run(&[&push(&tag)[..], &["--force"]].concat())
        .ends_with(0);
    desk.run(&["migrate"])
        .ends_with(2)
        .and_says("is not signed");
    assert!(!place.has_table("notes"));
    desk.run(&["status"])
        .ends_with(0)
        .and_says("finalization_required");

    let moved = push_signed(&place, &tag, &["--force"]);
    desk.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("notes"));
    desk.run(&["status"]).ends_with(0).and_says(&moved);
    desk.run(&["history"]).ends_with(0).and_says(&moved);
    let logs = service.logs().join("\n");
    assert!(logs.contains("the release is another one now"), "{logs}");
}

#[test]
fn a_lock_can_be_demanded_to_the_letter() {
    let (place, _registry, tag) = signed();
    run(&place, &["migrate", "--locked"], &tag)
        .ends_with(2)
        .and_says("release lock");
    place.run(&["release", "lock", &tag]).ends_with(0);
    run(&place, &["migrate", "--locked"], &tag)
        .ends_with(2)
        .and_says("who has signed it");
    place
        .run(&["release", "lock", &tag, "--key", "release.pub"])
        .ends_with(0);
    run(&place, &["migrate", "--locked"], &tag).ends_with(0);
    let lock = place.path().join("wasmigrate.lock");
    let text = std::fs::read_to_string(&lock).unwrap();
    for (from, to, what) in [
        ("0001_customers.sql", "0001_others.sql", "its steps"),
        ("lineage = \"shop\"", "lineage = \"blog\"", "its lineage"),
        ("release = \"1.0.0\"", "release = \"1.0.1\"", "its version"),
    ] {
        std::fs::write(&lock, text.replace(from, to)).unwrap();
        run(&place, &["finalize", "--locked"], &tag)
            .ends_with(2)
            .and_says(what);
    }
    place
        .run(&["migrate", "--locked"])
        .ends_with(2)
        .and_says("is for steps of a release");
}

#[test]
fn a_run_with_nothing_to_do_costs_one_request_by_its_tag_and_none_by_its_digest() {
    let (place, registry, tag) = signed();
    run(&place, &["migrate"], &tag).ends_with(0);
    let asked = || -> usize {
        let methods = ["GET", "HEAD", "PUT", "POST"];
        methods.iter().map(|method| registry.requests(method)).sum()
    };
    let before = asked();
    run(&place, &["migrate"], &tag)
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(asked() - before, 1);
    let status = run(&place, &["status", "--json"], &tag).ends_with(0).json();
    let digest = status["source"]["digest"].as_str().unwrap();
    let before = asked();
    run(&place, &["migrate"], &format!("{tag}@{digest}"))
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(asked(), before);
}

#[test]
fn what_is_there_is_asked_for_once_and_not_sent_again() {
    let (place, registry, tag) = signed();
    let sent = || registry.requests("PUT") + registry.requests("POST");
    let (before, looked) = (sent(), registry.requests("HEAD"));
    place.run(&push(&tag)).ends_with(0);
    assert_eq!(sent(), before);
    // The tag of the release, twice, and that of its one step; not its blobs.
    assert_eq!(registry.requests("HEAD") - looked, 3);
    let puts = registry.requests("PUT");
    place.write_step("0002_notes.sql", b"CREATE TABLE notes (id INTEGER);");
    let second = registry.at("shop/migrations:1.1.0");
    place.run(&push(&second)).ends_with(0);
    // The bytes of the new step, its manifest, and the index.
    assert_eq!(registry.requests("PUT") - puts, 3);
}
