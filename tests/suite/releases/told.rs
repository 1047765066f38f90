//! Who is told which release a run is of, and who has signed it.

use serde_json::Value;

use super::push;
use crate::monitors::receiver::Receiver;
use crate::place::Place;
use crate::service::process::Service;

/// A place with a release in a layout, signed by the one key, and its steps in SQL by the other.
fn signed() -> (Place, String) {
    let place = Place::new()
        .with_own_cache()
        .with_variable("COSIGN_PASSWORD", "")
        .with_sql("0001_customers.sql", "CREATE TABLE customers (id INTEGER);")
        .with_sql("0002_notes.sql", "CREATE TABLE notes (id INTEGER);");
    for key in ["release", "dba"] {
        place.run(&["release", "keys", key]).ends_with(0);
    }
    let tag = "oci-layout:layout:1.0.0";
    let pushed = place.run(&push(tag)).ends_with(0).json();
    for sign in [&["release.key"][..], &["dba.key", "--steps"]] {
        place
            .run(&[&["release", "sign", tag, "--key"][..], sign].concat())
            .ends_with(0);
    }
    let rules = "version = 1\ndefault = \"reject\"\n[[key]]\nid = \"release\"\npublic_key_file = \"release.pub\"\n[[key]]\nid = \"dba\"\n\
                 public_key_file = \"dba.pub\"\n[[rule]]\nrepository = \"local\"\nkeys = [\"release\"]\n[[rule.step]]\nmatch = \"0002_*\"\n\
                 keys = [\"dba\"]\n";
    std::fs::write(place.path().join("trust.toml"), rules).unwrap();
    (place, pushed["reference"].as_str().unwrap().to_owned())
}

#[test]
fn the_history_names_who_has_signed_what_and_by_which_rules() {
    let (place, release) = signed();
    let steps = ["--migrations", &release, "--trust", "trust.toml"];
    place
        .run(&[&["release", "verify", &release][..], &steps[2..]].concat())
        .ends_with(0)
        .and_says("0002_notes.sql signed by dba (sha256:");
    let run = place
        .run(&[&["migrate", "--json"][..], &steps].concat())
        .ends_with(0);
    let started = run.stdout.lines().map(serde_json::from_str::<Value>);
    let started = started
        .map(Result::unwrap)
        .find(|event| event["event"] == "run_started")
        .unwrap();
    assert_eq!(started["release"]["reference"], release, "{started}");
    assert_eq!(started["release"]["lineage"], "shop");
    let signer = started["release"]["signers"][0].as_str().unwrap();
    assert!(signer.starts_with("release (sha256:"), "{signer}");

    // All of it is known when rules, release and cache are gone.
    for gone in ["layout", "cache"] {
        std::fs::remove_dir_all(place.path().join(gone)).unwrap();
    }
    std::fs::remove_file(place.path().join("trust.toml")).unwrap();
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("  signed by release (sha256:")
        .and_says("  by the rules sha256:")
        .and_says("    signed by dba (sha256:");
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    let entry = &history[0];
    assert!(entry["release"]["policy_digest"].is_string(), "{entry}");
    let of_steps = entry["step_signers"].as_object().unwrap();
    assert_eq!(of_steps.len(), 1, "{entry}");
    assert!(of_steps.contains_key("0002_notes"), "{entry}");
    let kept = place.texts("SELECT coalesce(signer, '') FROM wasmigrate_step ORDER BY step_index");
    assert!(
        kept[0].is_empty() && kept[1].starts_with("dba (sha256:"),
        "{kept:?}"
    );
}

#[test]
fn a_webhook_names_the_release_and_who_has_signed_it() {
    let (place, release) = signed();
    let receiver = Receiver::new();
    let template = r#"'{"content": "{{release}}", "by": {{signers}}}'"#;
    let settings = format!(
        "trust = \"trust.toml\"\nmigrations = \"{release}\"\n[[webhook]]\nname = \"all\"\nurl = \"{url}\"\n[[webhook]]\nname = \"own\"\n\
         url = \"{url}\"\nevents = [\"finished\"]\ntemplate = {template}\n",
        url = receiver.url()
    );
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    let service = Service::start(&place);
    service.does("migrate");
    let received = receiver.until_received(4);
    let said: Vec<Value> = received.iter().map(|request| request.json()).collect();
    let full: Vec<&Value> = said
        .iter()
        .filter(|body| body["event"].is_string())
        .collect();
    assert_eq!(full.len(), 3, "{said:?}");
    for body in full {
        assert_eq!(body["release"], release, "{body}");
        assert_eq!(body["signers"].as_array().unwrap().len(), 1, "{body}");
    }
    let own = said
        .iter()
        .find(|body| body["content"].is_string())
        .unwrap();
    assert_eq!(own["content"], release);
    assert_eq!(own["by"].as_array().unwrap().len(), 1, "{own}");
}

#[test]
fn a_step_outside_a_transaction_can_need_a_signature_of_its_own() {
    let place = Place::new()
        .with_own_cache()
        .with_variable("COSIGN_PASSWORD", "")
        .with_sql("0001_customers.sql", "CREATE TABLE customers (id INTEGER);")
        .with_sql(
            "0002_index.sql",
            Place::in_sql_of(
                "-- wasmigrate:no-transaction\nVACUUM;",
                "-- wasmigrate:no-transaction\nCREATE INDEX CONCURRENTLY customers_id ON customers (id);",
            ),
        );
    for key in ["release", "dba"] {
        place.run(&["release", "keys", key]).ends_with(0);
    }
    let tag = "oci-layout:layout:1.0.0";
    place
        .run(&[&push(tag)[..], &["--sign", "release.key"]].concat())
        .ends_with(0);
    let rules = "version = 1\ndefault = \"reject\"\n[[key]]\nid = \"release\"\npublic_key_file = \"release.pub\"\n[[key]]\nid = \"dba\"\n\
                 public_key_file = \"dba.pub\"\n[[rule]]\nrepository = \"local\"\nkeys = [\"release\"]\n[[rule.step]]\nneeds = [\"no-transaction\"]\n\
                 keys = [\"dba\"]\n";
    std::fs::write(place.path().join("trust.toml"), rules).unwrap();
    let run = |command: &[&str]| place.run(&[command, &["--trust", "trust.toml"]].concat());
    run(&["release", "verify", tag])
        .ends_with(0)
        .and_says("0002_index.sql may not run outside a transaction");
    let migrate = ["migrate", "--migrations", tag];
    run(&migrate)
        .ends_with(2)
        .and_says("0002_index")
        .and_says("nobody has signed it who must for that");
    assert!(!place.has_table("customers"));
    place
        .run(&["release", "sign", tag, "--steps", "--key", "dba.key"])
        .ends_with(0);
    run(&migrate).ends_with(0);
    assert!(place.has_table("customers"));
    for wrong in [
        "needs = [\"no-transactions\"]",
        "needs = [\"no-transaction\"]\nmatch = \"*\"",
    ] {
        let rules = rules.replace("needs = [\"no-transaction\"]", wrong);
        std::fs::write(place.path().join("trust.toml"), rules).unwrap();
        run(&["release", "verify", tag])
            .ends_with(2)
            .and_says("needs one of");
    }
}
