//! `init`: begins a project that works from its first minute.

use crate::place::Place;

fn empty() -> Place {
    let place = Place::new();
    std::fs::remove_dir(place.path().join("migrations")).unwrap();
    place
}

#[test]
fn a_project_passes_its_tests_and_runs_as_it_is_made() {
    let place = empty();
    place
        .run(&["init"])
        .ends_with(0)
        .and_says("made wasmigrate.toml")
        .and_says("made migrations/0001_create_customers.sql")
        .and_says("made migrations/fixtures/customer.csv");
    place.run(&["test", "--on", "sqlite"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("customer"));
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("customer"));
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["new", "add invoices"])
        .ends_with(0)
        .and_says("0002_add_invoices.sql");
}

#[test]
fn nothing_that_is_there_is_touched() {
    for there in [
        "wasmigrate.toml",
        "migrations",
        ".github/workflows/migrations.yml",
    ] {
        let place = empty();
        let path = place.path().join(there);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        place
            .run(&["init", "--ci", "github"])
            .ends_with(2)
            .and_says(&format!("{there} is there already"));
        let made = ["wasmigrate.toml", "migrations/0001_create_customers.sql"];
        for made in made.iter().filter(|made| **made != there) {
            assert!(!place.path().join(made).exists(), "{made}");
        }
    }
}

#[test]
fn a_directory_is_made_and_named() {
    let place = empty();
    let said = place
        .run(&["init", "shop", "--ci", "gitlab", "--json"])
        .ends_with(0);
    let files = said.json()["files"].to_string();
    assert!(files.contains("shop/migrations.gitlab-ci.yml"), "{files}");
    assert!(place.path().join("shop/wasmigrate.toml").exists());
    place
        .run(&["init", "other", "--database", "sqlite:a.db"])
        .ends_with(2)
        .and_says("leave out `--database`");
    assert!(!place.path().join("other").exists());
}

/// What fails in the middle leaves nothing, so that it can be done again.
#[test]
fn a_project_that_cannot_be_made_leaves_nothing() {
    let place = empty();
    std::fs::create_dir(place.path().join(".github")).unwrap();
    std::fs::write(place.path().join(".github/workflows"), "").unwrap();
    place
        .run(&["init", "--ci", "github"])
        .ends_with(2)
        .and_says(
            "cannot make `.github/workflows/migrations.yml`: `.github/workflows` is no directory",
        );
    for name in ["wasmigrate.toml", "migrations"] {
        assert!(!place.path().join(name).exists(), "{name}");
    }
    place
        .run(&["init", ".github/workflows/shop"])
        .ends_with(2)
        .and_says("`.github/workflows` is no directory");
    place.run(&["init"]).ends_with(0);
}

/// What `init --ci` writes is what the page on CI shows.
#[test]
fn the_recipes_are_those_of_the_docs() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ci.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (ci, file) in [
        ("github", ".github/workflows/migrations.yml"),
        ("gitlab", "migrations.gitlab-ci.yml"),
    ] {
        let place = empty();
        place.run(&["init", "--ci", ci]).ends_with(0);
        let recipe = std::fs::read_to_string(place.path().join(file)).unwrap();
        assert!(page.contains(&format!("```yaml\n{recipe}```")), "{ci}");
    }
}
