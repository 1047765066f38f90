//! A registry may answer whatever it likes: nothing comes of it but a refusal.

use serde_json::{Value, json};

use crate::place::{Place, Said};
use crate::releases::hostile::{Answer, Content, End, Hostile};
use crate::releases::{push, shop};

/// What is changed in an index.
type Change = Box<dyn FnOnce(&mut Value)>;

/// A place, and a release of its steps.
fn released() -> (Place, Content) {
    let place = shop();
    place.run(&push("oci-layout:layout:1.4.0")).ends_with(0);
    let content = Content::of_layout(&place.path().join("layout"));
    (place, content)
}

fn pull(place: &Place, registry: &Hostile) -> Said {
    place.run(&["release", "pull", &registry.at("a/b:1.4.0")])
}

/// Whether the cache holds a directory of steps.
fn has_release(place: &Place) -> bool {
    let releases = std::fs::read_dir(place.path().join("cache/oci/releases"));
    releases.is_ok_and(|entries| entries.count() > 0)
}

#[test]
fn an_honest_answer_is_taken() {
    let (place, content) = released();
    let registry = Hostile::serve(move |request, _| content.answer(request));
    pull(&place, &registry).ends_with(0);
    assert!(has_release(&place));
}

#[test]
fn other_bytes_than_those_of_the_digest_are_not_taken() {
    let (place, content) = released();
    let registry = Hostile::serve(move |request, _| {
        let mut answer = content.answer(request);
        if request.path.contains("/blobs/")
            && let Some(byte) = answer.body.first_mut()
        {
            *byte ^= 1;
        }
        answer
    });
    pull(&place, &registry)
        .ends_with(2)
        .and_says("damaged or exchanged");
    assert!(!has_release(&place));

    let (place, content) = released();
    let named = format!("sha256:{}", "0".repeat(64));
    let registry = Hostile::serve(move |request, _| content.answer(request));
    let pinned = registry.at(&format!("a/b:1.4.0@{named}"));
    place
        .run(&["release", "pull", &pinned])
        .ends_with(2)
        .and_says("damaged or exchanged");

    let (place, content) = released();
    let registry = Hostile::serve(move |request, _| {
        let answer = content.answer(request);
        answer.with(
            "Docker-Content-Digest",
            &format!("sha256:{}", "0".repeat(64)),
        )
    });
    pull(&place, &registry)
        .ends_with(2)
        .and_says("damaged or exchanged");
}

#[test]
fn what_does_not_end_is_cut_off() {
    let (place, content) = released();
    let registry = Hostile::serve(move |request, _| match request.path.contains("/blobs/") {
        true => content.answer(request).that_ends(End::Never),
        false => content.answer(request),
    });
    pull(&place, &registry)
        .ends_with(2)
        .and_says("over the limit");
    assert!(!has_release(&place));

    let place = shop();
    let registry = Hostile::serve(|_, _| Answer::new(200, "{").that_ends(End::Never));
    pull(&place, &registry)
        .ends_with(2)
        .and_says("the bytes of a manifest");
}

#[test]
fn a_manifest_of_five_mebibytes_is_over_the_limit() {
    let place = shop();
    let registry = Hostile::serve(|_, _| Answer::new(200, vec![b' '; 5 << 20]));
    pull(&place, &registry).ends_with(2).and_says("4194304");
}

#[test]
fn an_index_that_is_not_well_made_is_refused() {
    let (place, content) = released();
    let step = |number: usize, name: &'static str, text: &'static str| {
        move |index: &mut Value| {
            index["manifests"][number]["annotations"][format!("dev.wasmigrate.step.{name}")] =
                json!(text);
        }
    };
    let long: &'static str = Box::leak(format!("0001_{}.sql", "x".repeat(250)).into_boxed_str());
    let changes: Vec<(Change, &str)> = vec![
        (Box::new(step(0, "file", "../x.sql")), "is refused"),
        (Box::new(step(0, "file", "a\\0001_x.sql")), "is refused"),
        (Box::new(step(0, "file", ".0001_x.sql")), "is refused"),
        (
            Box::new(step(0, "file", "0001_\u{1b}[31m.sql")),
            "is refused",
        ),
        (Box::new(step(0, "file", "0001_\0.sql")), "is refused"),
        (Box::new(step(0, "file", long)), "longer than 255"),
        (Box::new(step(0, "file", "README.md")), "is no .sql"),
        (Box::new(step(0, "file", "0001_x.txt")), "is no .sql"),
        (Box::new(step(1, "file", "0009_x.wasm")), "not in order"),
        (
            Box::new(step(0, "undo.file", "0002_split.wasm")),
            "is no name of a file that undoes",
        ),
        (
            Box::new(step(0, "undo.file", "../x.down.sql")),
            "is refused",
        ),
        (Box::new(step(0, "sha256", "00")), "no SHA-256"),
        (Box::new(step(0, "size", "-1")), "no size"),
        (Box::new(step(0, "size", "99999999")), "over the limit"),
        (
            Box::new(step(1, "size", "99999999")),
            "limits.component_mib",
        ),
        (
            Box::new(|index| {
                let first = index["manifests"][0].clone();
                index["manifests"].as_array_mut().unwrap().insert(0, first);
            }),
            "not in order",
        ),
        (
            Box::new(|index| {
                let undo =
                    index["manifests"][0]["annotations"]["dev.wasmigrate.step.undo.file"].clone();
                let annotations = &mut index["manifests"][1]["annotations"];
                annotations["dev.wasmigrate.step.undo.file"] = undo;
                annotations["dev.wasmigrate.step.undo.sha256"] = json!("0".repeat(64));
                annotations["dev.wasmigrate.step.undo.size"] = json!("1");
            }),
            "is no name of a file that undoes",
        ),
        (
            Box::new(|index| {
                let first = index["manifests"][0].clone();
                index["manifests"] = json!(vec![first; 5_001]);
            }),
            "over the limit of 5000",
        ),
        (Box::new(|index| index["layers"] = json!([])), "`layers`"),
        (
            Box::new(|index| index["config"] = index["manifests"][0].clone()),
            "`config`",
        ),
        (
            Box::new(|index| index["schemaVersion"] = json!(1)),
            "schemaVersion",
        ),
        (
            Box::new(|index| {
                index["manifests"][0]["digest"] = json!(format!("sha512:{}", "0".repeat(128)))
            }),
            "sha256",
        ),
        (
            Box::new(|index| index["manifests"][0]["mediaType"] = json!("text/plain")),
            "text/plain",
        ),
        (
            Box::new(|index| {
                index["artifactType"] = json!("application/vnd.wasmigrate.release.v2+json")
            }),
            "newer wasmigrate",
        ),
        (
            Box::new(|index| index["artifactType"] = json!("text/plain")),
            "text/plain",
        ),
        (
            Box::new(|index| index["annotations"]["dev.wasmigrate.lineage"] = json!("A b")),
            "lineage",
        ),
        (
            Box::new(|index| index["annotations"]["org.opencontainers.image.version"] = json!("1")),
            "semantic version",
        ),
        (
            Box::new(|index| index["annotations"] = Value::Null),
            "no annotation",
        ),
    ];
    for (change, why) in changes {
        let content = content.changed(change);
        let registry = Hostile::serve(move |request, _| content.answer(request));
        let said = pull(&place, &registry).ends_with(2).and_says(why);
        assert!(!said.stderr.contains('\u{1b}'), "{said:?}");
        assert_eq!(registry.count("GET", "/blobs/"), 0);
    }
    let twice = content
        .index
        .to_string()
        .replacen("{", r#"{"schemaVersion":2,"#, 1);
    let registry = Hostile::serve(move |_, _| Answer::new(200, twice.clone()));
    pull(&place, &registry).ends_with(2).and_says("duplicate");
    let docker = r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":null,"layers":[]}"#;
    let registry = Hostile::serve(move |_, _| Answer::new(200, docker));
    pull(&place, &registry).ends_with(2).and_says("vnd.docker");
    assert!(!has_release(&place));
}

#[test]
fn a_tag_is_looked_up_once_whatever_it_becomes() {
    let (place, content) = released();
    let other =
        content.changed(|index| index["annotations"]["dev.wasmigrate.lineage"] = json!("evil"));
    let registry = Hostile::serve(move |request, number| match number {
        0 => content.answer(request),
        _ => other.answer(request),
    });
    let said = pull(&place, &registry).ends_with(0);
    assert_eq!(registry.count("GET", "/manifests/1.4.0"), 1, "{said:?}");
}

#[test]
fn a_lost_connection_is_made_up_for_and_leaves_nothing_half_done() {
    let (place, content) = released();
    let kept = content.clone();
    let registry =
        Hostile::serve(
            move |request, number| match (request.path.contains("/blobs/"), number) {
                (true, 3..) => {
                    let mut answer = kept.answer(request).that_ends(End::Early);
                    answer.body.truncate(3);
                    answer
                }
                _ => kept.answer(request),
            },
        );
    pull(&place, &registry).ends_with(2).and_says("whole");
    assert!(!has_release(&place));

    let registry = Hostile::serve(move |request, number| match number {
        2 => content.answer(request).that_ends(End::Early),
        _ => content.answer(request),
    });
    pull(&place, &registry).ends_with(0);
    assert!(has_release(&place));
}

#[test]
fn a_registry_that_is_busy_is_asked_again_when_it_says() {
    let (place, content) = released();
    let registry = Hostile::serve(move |request, number| match number {
        0 => Answer::new(429, "").with("Retry-After", "1"),
        1 => Answer::new(503, ""),
        _ => content.answer(request),
    });
    pull(&place, &registry).ends_with(0);
    let registry = Hostile::serve(|_, _| Answer::new(503, ""));
    pull(&place, &registry).ends_with(2).and_says("503");
    assert_eq!(registry.requests().len(), 3);
}

#[test]
fn compressed_bytes_are_not_taken() {
    let (place, content) = released();
    let registry =
        Hostile::serve(move |request, _| content.answer(request).with("Content-Encoding", "gzip"));
    pull(&place, &registry).ends_with(2).and_says("compressed");
}

#[test]
fn whoever_a_registry_redirects_to_gets_no_credentials() {
    let (place, content) = released();
    let place = place
        .with_variable("WASMIGRATE_REGISTRY_USERNAME", "me")
        .with_variable("WASMIGRATE_REGISTRY_PASSWORD", "geheim");
    let blobs = content.clone();
    let elsewhere = Hostile::serve(move |request, _| blobs.answer(request));
    let there = elsewhere.host.clone();
    let registry = Hostile::serve(move |request, _| match &request.authorization {
        None => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
        Some(_) if request.path.contains("/blobs/") => {
            let to = format!("http://{there}{}?signature=geheim", request.path);
            Answer::new(307, "").with("Location", &to)
        }
        Some(_) => content.answer(request),
    });
    let place = place.with_variable("WASMIGRATE_REGISTRY_HOST", &registry.host);
    // The query is a part of the last word.
    let said = pull(&place, &registry);
    assert!(!format!("{said:?}").contains("geheim"), "{said:?}");
    let arrived = elsewhere.requests();
    assert!(!arrived.is_empty());
    assert!(
        arrived
            .iter()
            .all(|request| request.authorization.is_none()),
        "{arrived:?}"
    );

    let around = Hostile::serve(|request, _| Answer::new(302, "").with("Location", &request.path));
    pull(&place, &around).ends_with(2).and_says("302");
    assert_eq!(around.requests().len(), 6);
}

#[test]
fn a_realm_on_another_host_without_tls_gets_no_credentials() {
    let (place, _) = released();
    let realm = Hostile::serve(|_, _| Answer::new(200, "{}"));
    let port = realm.host.rsplit(':').next().unwrap().to_owned();
    let registry = Hostile::serve(move |_, _| {
        let challenge = format!("Bearer realm=\"http://localhost:{port}/token\",service=\"x\"");
        Answer::new(401, "").with("WWW-Authenticate", &challenge)
    });
    let place = place
        .with_variable("WASMIGRATE_REGISTRY_USERNAME", "me")
        .with_variable("WASMIGRATE_REGISTRY_PASSWORD", "geheim")
        .with_variable("WASMIGRATE_REGISTRY_HOST", &registry.host);
    pull(&place, &registry)
        .ends_with(2)
        .and_says("gets no credentials");
    assert!(realm.requests().is_empty());
}

#[test]
fn a_token_has_its_limit_and_is_bought_once() {
    let (place, content) = released();
    let registry = Hostile::serve(move |request, _| {
        let host = "127.0.0.1";
        match &request.authorization {
            _ if request.path.starts_with("/token") => {
                Answer::new(200, format!(r#"{{"token":"{}"}}"#, "t".repeat(65 << 10)))
            }
            _ => Answer::new(401, "").with(
                "WWW-Authenticate",
                &format!("Bearer realm=\"http://{host}:PORT/token\""),
            ),
        }
    });
    // The realm is on a port that nobody listens on: it says so without a word of what was asked.
    pull(&place, &registry)
        .ends_with(2)
        .and_says("without TLS or to none");

    let (first, kept) = (std::sync::OnceLock::<String>::new(), content);
    let first = std::sync::Arc::new(first);
    let port = std::sync::Arc::clone(&first);
    let long = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_long = std::sync::Arc::clone(&long);
    let registry = Hostile::serve(move |request, _| {
        let length = match is_long.load(std::sync::atomic::Ordering::Relaxed) {
            true => 65 << 10,
            false => 10,
        };
        if request.path.starts_with("/token") {
            return Answer::new(
                200,
                format!(r#"{{"access_token":"{}"}}"#, "t".repeat(length)),
            );
        }
        match request.authorization.as_deref() {
            Some("Bearer tttttttttt") => kept.answer(request),
            _ => {
                let realm = format!("Bearer realm=\"http://{}/token\"", port.get().unwrap());
                Answer::new(401, "").with("WWW-Authenticate", &realm)
            }
        }
    });
    first.set(registry.host.clone()).unwrap();
    pull(&place, &registry).ends_with(2).and_says("64 KiB");
    assert_eq!(registry.count("GET", "/token"), 1);
    long.store(false, std::sync::atomic::Ordering::Relaxed);
    pull(&place, &registry).ends_with(0);
    assert_eq!(registry.count("GET", "/token"), 2);
    let scope = registry.requests().iter().any(|request| {
        request.path.contains("scope=repository%3Aa%2Fb%3Apull") && request.body.is_empty()
    });
    assert!(scope);
}
