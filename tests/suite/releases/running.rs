//! Runs whose steps are of a release.

use std::path::Path;

use serde_json::Value;

use super::hostile::{Content, Hostile, digest};
use super::push;
use super::registry::Registry;
use crate::place::Place;
use crate::service::process::Service;
use crate::service::remote::Desk;

/// A place with two steps.
fn place() -> Place {
    Place::new()
        .with_own_cache()
        .with_sql("0001_customers.sql", "CREATE TABLE customers (id INTEGER);")
        .with_sql("0002_notes.sql", "CREATE TABLE notes (id INTEGER);")
        .with_sql("0002_notes.down.sql", "DROP TABLE notes;")
}

/// Pushes the steps of the place; returns the reference with its digest.
fn pinned(place: &Place, to: &str) -> String {
    let pushed = place.run(&push(to)).ends_with(0).json();
    pushed["reference"].as_str().unwrap().to_owned()
}

/// Takes the files away, so that nothing but a release can be run.
fn empty(place: &Place) {
    std::fs::remove_dir_all(place.path().join("migrations")).unwrap();
}

#[test]
fn a_release_migrates_a_database_and_is_named_ever_after() {
    let (place, mut registry) = (place(), Registry::plain());
    let release = pinned(&place, &registry.at("shop/migrations:1.0.0"));
    empty(&place);
    let steps = ["--migrations", &release];
    let run = |place: &Place, command: &str| place.run(&[&[command][..], &steps].concat());
    run(&place, "plan").ends_with(0).and_says("0001_customers");
    run(&place, "migrate")
        .ends_with(0)
        .and_says(&format!("source  {release}"))
        .and_says("finalization_required");
    assert!(place.has_table("notes"));
    run(&place, "status").ends_with(0).and_says(&release);
    run(&place, "history")
        .ends_with(0)
        .and_says(&format!("shop 1.0.0  {release}"));
    run(&place, "reset").ends_with(2).and_says("0001_customers");

    // Nobody is asked for what is here, and what has run is known when the registry is gone.
    let asked = registry.requests("GET");
    registry.stop();
    run(&place, "finalize").ends_with(0).and_says("finalized");
    run(&place, "verify").ends_with(0);
    run(&place, "migrate")
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(registry.requests("GET"), asked);
    std::fs::remove_dir_all(place.path().join("cache")).unwrap();
    run(&place, "migrate")
        .ends_with(2)
        .and_says("cannot reach the registry");
    let history = run(&place, "history").ends_with(0).and_says(&release);
    assert!(history.stdout.contains("shop 1.0.0"), "{history:?}");
    let kept =
        place.texts("SELECT lineage || ' ' || version || ' ' || digest FROM wasmigrate_release");
    let digest = release.rsplit('@').next().unwrap();
    assert_eq!(kept, [format!("shop 1.0.0 {digest}")]);
}

#[test]
fn a_tag_of_a_registry_is_no_release_that_anybody_reviewed() {
    let (place, registry) = (place(), Registry::plain());
    let tag = registry.at("shop/migrations:1.0.0");
    pinned(&place, &tag);
    for command in [
        "migrate", "finalize", "reset", "plan", "status", "verify", "test", "serve",
    ] {
        place
            .run(&[command, "--migrations", &tag])
            .ends_with(2)
            .and_says("is a tag");
    }
    assert!(place.is_untouched());
}

#[test]
fn an_archive_is_run_as_a_registry_is_and_the_file_may_name_it() {
    let place = place();
    std::fs::create_dir(place.path().join("settings")).unwrap();
    place
        .run(&push("oci-layout:settings/bundle.tar:1.0.0"))
        .ends_with(0);
    empty(&place);
    let settings = place.path().join("settings/wasmigrate.toml");
    std::fs::write(&settings, "migrations = \"oci-layout:bundle.tar:1.0.0\"\n").unwrap();
    let config = ["--config", "settings/wasmigrate.toml"];
    place
        .run(&[&["migrate"][..], &config].concat())
        .ends_with(0);
    assert!(place.has_table("notes"));
    let status = place
        .run(&[&["status", "--json"][..], &config].concat())
        .ends_with(0)
        .json();
    assert_eq!(status["source"]["version"], "1.0.0", "{status}");
    place
        .run(&[&["new", "more"][..], &config].concat())
        .ends_with(2)
        .and_says("nobody changes");
    place
        .run(&[&["test", "0002_notes"][..], &config].concat())
        .ends_with(0)
        .and_says("passed");
}

#[test]
fn a_database_takes_releases_of_one_application_in_the_order_of_their_versions() {
    let place = place();
    let run = |place: &Place, version: &str, more: &[&str]| {
        let release = format!("oci-layout:layout:{version}");
        place.run(&[&["migrate", "--migrations", &release][..], more].concat())
    };
    let push_as = |place: &Place, version: &str, lineage: &str| {
        let to = format!("oci-layout:layout:{version}");
        place
            .run(&["release", "push", &to, "--lineage", lineage, "--force"])
            .ends_with(0);
    };
    push_as(&place, "1.9.0", "shop");
    place.write_step("0003_more.sql", b"CREATE TABLE more (id INTEGER);");
    push_as(&place, "1.10.0", "shop");
    run(&place, "1.10.0", &["--to", "1"]).ends_with(0);

    let everything = place.everything();
    run(&place, "1.9.0", &[])
        .ends_with(2)
        .and_says("is older than 1.10.0");
    push_as(&place, "2.0.0", "blog");
    run(&place, "2.0.0", &[])
        .ends_with(2)
        .and_says("--adopt-lineage");
    assert!(
        place.everything() == everything,
        "a refused command has written something"
    );

    run(&place, "1.9.0", &["--allow-older"]).ends_with(0);
    place.write_step("0004_other.sql", b"CREATE TABLE other (id INTEGER);");
    push_as(&place, "1.10.0", "shop");
    run(&place, "1.10.0", &[])
        .ends_with(0)
        .and_says("had the digest")
        .and_says("compared one by one");
    place.write_step("0005_last.sql", b"CREATE TABLE last (id INTEGER);");
    push_as(&place, "0.1.0", "blog");
    run(&place, "0.1.0", &["--adopt-lineage"]).ends_with(0);
    push_as(&place, "1.11.0", "shop");
    place.write_step("0006_end.sql", b"CREATE TABLE ending (id INTEGER);");
    push_as(&place, "1.12.0", "shop");
    run(&place, "1.12.0", &[])
        .ends_with(2)
        .and_says("takes releases of `blog`");
    let history = place.run(&["history"]).ends_with(0);
    for release in ["shop 1.10.0", "shop 1.9.0", "blog 0.1.0"] {
        assert!(history.stdout.contains(release), "{history:?}");
    }
    place
        .run(&["migrate", "--allow-older"])
        .ends_with(2)
        .and_says("are in a directory");
}

#[test]
fn offline_takes_what_was_pulled_and_nothing_else() {
    let (place, registry) = (place(), Registry::plain());
    let release = pinned(&place, &registry.at("shop/migrations:1.0.0"));
    let migrate = ["migrate", "--offline", "--migrations", &release];
    place.run(&migrate).ends_with(2).and_says("release pull");
    assert_eq!(registry.requests("GET"), 0);
    place.run(&["release", "pull", &release]).ends_with(0);
    let asked = registry.requests("GET");
    place.run(&migrate).ends_with(0);
    assert_eq!(registry.requests("GET"), asked);
    place
        .run(&["migrate", "--offline"])
        .ends_with(2)
        .and_says("is for steps of a release");
}

#[test]
fn what_was_changed_in_the_cache_is_not_run() {
    let (place, registry) = (place(), Registry::plain());
    let release = pinned(&place, &registry.at("shop/migrations:1.0.0"));
    place.run(&["release", "pull", &release]).ends_with(0);
    let evil = "CREATE TABLE evil (id INTEGER);";
    let blob = digest(b"CREATE TABLE notes (id INTEGER);");
    let blob = blob.strip_prefix("sha256:").unwrap();
    let blob = place.path().join("cache/oci/blobs/sha256").join(blob);
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, evil).unwrap();
    let directory = releases(&place).pop().unwrap();
    let step = directory.join("0002_notes.sql");
    std::fs::remove_file(&step).unwrap();
    std::fs::write(&step, evil).unwrap();
    place
        .run(&["migrate", "--offline", "--migrations", &release])
        .ends_with(2)
        .and_says("not whole in the cache");
    place
        .run(&["migrate", "--migrations", &release])
        .ends_with(0);
    assert!(place.has_table("notes") && !place.has_table("evil"));
}

/// The directories of releases in the cache.
fn releases(place: &Place) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(place.path().join("cache/oci/releases")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_one =
        |path: &std::path::PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with('.');
    paths.filter(is_one).collect()
}

#[test]
fn a_kill_at_any_moment_of_a_pull_leaves_a_cache_that_is_right_or_absent() {
    let source = place();
    source.run(&push("oci-layout:layout:1.0.0")).ends_with(0);
    let content = Content::of_layout(&source.path().join("layout"));
    let registry = Hostile::serve(move |request, _| content.answer(request));
    let reference = registry.at("shop/migrations:1.0.0");
    let expected = super::files(&source.path().join("migrations"));
    let mut kills = 0;
    let place = Place::new().with_own_cache();
    for number in 1.. {
        let _ = std::fs::remove_dir_all(place.path().join("cache"));
        let calls = "/rename|link|fsync|mkdir|unlink|chmod|write|recvfrom|sendto";
        let kill = format!("inject={calls}:signal=SIGKILL:when={number}");
        // Of a cache in which nothing is, and of what that has left.
        let ended = [(); 2].map(|()| {
            let output = place
                .command_under_strace(
                    &["-f", "-qq", "-o", "/dev/null", "-e", &kill],
                    &["release", "pull", &reference],
                )
                .output()
                .unwrap();
            for directory in releases(&place) {
                assert_eq!(super::files(&directory), expected, "after {kills} kills");
            }
            blobs_are_right(&place);
            kills += usize::from(!output.status.success());
            output.status.success()
        });
        if ended[0] {
            break;
        }
    }
    assert!(kills > 10, "only {kills} moments");
    assert_eq!(releases(&place).len(), 1);
}

/// A file that has the name of its digest has that digest.
#[track_caller]
fn blobs_are_right(place: &Place) {
    let blobs = place.path().join("cache/oci/blobs/sha256");
    if !Path::new(&blobs).exists() {
        return;
    }
    for (name, bytes) in super::files(&blobs) {
        if name.len() == 64 {
            assert_eq!(digest(&bytes), format!("sha256:{name}"));
        }
    }
}

#[test]
fn a_service_says_which_release_it_runs() {
    let place = place();
    let pushed = place
        .run(&push("oci-layout:layout:1.0.0"))
        .ends_with(0)
        .json();
    let release = pushed["reference"].as_str().unwrap();
    empty(&place);
    let service = Service::start_with(&place, &["--migrations", release]);
    let desk = Desk::of(&service);
    desk.run(&["migrate"]).ends_with(0);
    desk.run(&["status"]).ends_with(0).and_says(release);
    let history: Value = desk.run(&["history", "--json"]).ends_with(0).json();
    assert_eq!(history[0]["release"]["lineage"], "shop", "{history}");
    desk.run(&["migrate", "--allow-older"])
        .ends_with(2)
        .and_says("where its settings say");
}

#[test]
fn a_tag_runs_when_it_is_signed_and_the_history_says_by_whom() {
    let (place, registry) = (
        place().with_variable("COSIGN_PASSWORD", ""),
        Registry::plain(),
    );
    place.run(&["release", "keys", "release"]).ends_with(0);
    let tag = registry.at("shop/migrations:1.0.0");
    let release = pinned(&place, &tag);
    let migrate = ["migrate", "--migrations", &tag, "--key", "release.pub"];
    place.run(&migrate).ends_with(2).and_says("is not signed");
    assert!(place.is_untouched());
    place
        .run(&["release", "sign", &tag, "--key", "release.key"])
        .ends_with(0);
    place
        .run(&migrate)
        .ends_with(0)
        .and_says(&format!("source  {release}  signed by release (sha256:"));
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("signed by release (sha256:");

    // No switch takes the place of rules.
    let rules = "version = 1\ndefault = \"reject\"\n";
    std::fs::write(place.path().join("rules.toml"), rules).unwrap();
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "trust = \"rules.toml\"\n",
    )
    .unwrap();
    place
        .run(&migrate)
        .ends_with(2)
        .and_says("has others, which hold");
    place
        .run(&["status", "--migrations", &release])
        .ends_with(2)
        .and_says("no rule of `rules.toml`");
    std::fs::remove_file(place.path().join("wasmigrate.toml")).unwrap();

    // A tag that was moved to what nobody has signed.
    place.write_step("0003_evil.sql", b"CREATE TABLE evil (id INTEGER);");
    let mut moved = push(&tag);
    moved.push("--force");
    place.run(&moved).ends_with(0);
    place.run(&migrate).ends_with(2).and_says("is not signed");
    assert!(!place.has_table("evil"));

    // What was verified is verified again from the cache, by the rules of now.
    let mut registry = registry;
    registry.stop();
    let finalize = [
        "finalize",
        "--offline",
        "--migrations",
        &release,
        "--key",
        "release.pub",
    ];
    place.run(&["release", "keys", "other"]).ends_with(0);
    let mut other = finalize;
    other[5] = "other.pub";
    place.run(&other).ends_with(2).and_says("of nobody whom");
    place.run(&finalize).ends_with(0).and_says("finalized");
}

#[test]
fn a_lock_says_which_release_a_tag_is() {
    let (place, registry) = (place(), Registry::plain());
    let tag = registry.at("shop/migrations:1.0.0");
    let release = pinned(&place, &tag);
    place
        .run(&["release", "lock", &tag])
        .ends_with(0)
        .and_says(&release);
    let lock = std::fs::read_to_string(place.path().join("wasmigrate.lock")).unwrap();
    assert!(lock.contains(&format!("reference = \"{tag}\"")), "{lock}");
    assert!(lock.contains("file = \"0002_notes.sql\""), "{lock}");
    place.write_step("0003_evil.sql", b"CREATE TABLE evil (id INTEGER);");
    let mut moved = push(&tag);
    moved.push("--force");
    let other = place.run(&moved).ends_with(0).json()["reference"].clone();
    place
        .run(&["migrate", "--migrations", &tag])
        .ends_with(0)
        .and_says(&release);
    assert!(place.has_table("notes") && !place.has_table("evil"));
    for named in [
        other.as_str().unwrap(),
        &registry.at("shop/migrations:2.0.0"),
    ] {
        place
            .run(&["migrate", "--migrations", named])
            .ends_with(2)
            .and_says("is not the release of `wasmigrate.lock`");
    }
    // The same files make the same lock.
    place
        .run(&["release", "lock", &release])
        .ends_with(0)
        .and_says("the tag is another release by now");
    let again = std::fs::read_to_string(place.path().join("wasmigrate.lock")).unwrap();
    assert_eq!(again, lock);
    std::fs::write(place.path().join("wasmigrate.lock"), "version = 2").unwrap();
    place
        .run(&["migrate", "--migrations", &release])
        .ends_with(2)
        .and_says("wasmigrate.lock");
}
