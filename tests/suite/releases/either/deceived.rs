//! Layouts that somebody has made by hand, to have something else run than what was reviewed and signed.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::place::Place;
use crate::releases::hostile::digest;
use crate::releases::push;

const NAME: &str = "org.opencontainers.image.ref.name";

/// A layout whose files are written as they come.
struct Layout {
    root: PathBuf,
    references: Value,
}

impl Layout {
    fn of(place: &Place, name: &str) -> Self {
        let root = place.path().join(name);
        let references = std::fs::read(root.join("index.json")).unwrap();
        Self {
            root,
            references: serde_json::from_slice(&references).unwrap(),
        }
    }

    fn references(&mut self) -> &mut Vec<Value> {
        self.references["manifests"].as_array_mut().unwrap()
    }

    /// The digest of what has a tag, and what it is.
    fn get(&mut self, tag: &str) -> (String, Value) {
        let named = |one: &&mut Value| one["annotations"][NAME] == tag;
        let found = self.references().iter_mut().find(named).unwrap();
        let digest = found["digest"].as_str().unwrap().to_owned();
        let bytes = std::fs::read(blob(&self.root, &digest)).unwrap();
        (digest, serde_json::from_slice(&bytes).unwrap())
    }

    fn put(&self, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        std::fs::write(blob(&self.root, &digest), bytes).unwrap();
        digest
    }

    /// Gives an index a tag.
    fn name(&mut self, tag: &str, index: &Value) -> String {
        let bytes = index.to_string().into_bytes();
        let digest = self.put(&bytes);
        let entry = json!({
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": digest,
            "size": bytes.len(),
            "annotations": { NAME: tag },
        });
        self.references()
            .retain(|one| one["annotations"][NAME] != tag);
        self.references().push(entry);
        self.write();
        digest
    }

    fn write(&self) {
        let path = self.root.join("index.json");
        std::fs::write(path, self.references.to_string()).unwrap();
    }
}

fn blob(root: &Path, digest: &str) -> PathBuf {
    let digits = digest.strip_prefix("sha256:").unwrap();
    root.join("blobs/sha256").join(digits)
}

/// Lets the entry of a step name another file of SQL.
fn rename(layout: &Layout, step: &mut Value, prefix: &str, file: &str, sql: &[u8]) {
    let digest = layout.put(sql);
    let annotations = &mut step["annotations"];
    annotations[format!("{prefix}.file")] = json!(file);
    annotations[format!("{prefix}.sha256")] = json!(digest.strip_prefix("sha256:").unwrap());
    annotations[format!("{prefix}.size")] = json!(sql.len().to_string());
}

/// A place with one release in the layout `store`, and keys.
fn pushed() -> Place {
    let place = Place::new()
        .with_own_cache()
        .with_sql("0001_a.sql", "CREATE TABLE a (x INTEGER);")
        .with_sql("0001_a.down.sql", "DROP TABLE a;")
        .with_variable("COSIGN_PASSWORD", "geheim");
    for name in ["release", "dba"] {
        place.run(&["release", "keys", name]).ends_with(0);
    }
    place.run(&push("oci-layout:store:1.0.0")).ends_with(0);
    place
}

fn rules(place: &Place, step: &str) {
    let text = format!(
        "version = 1\ndefault = \"reject\"\n[[key]]\nid = \"release\"\npublic_key_file = \"release.pub\"\n[[key]]\nid = \"dba\"\n\
         public_key_file = \"dba.pub\"\n[[rule]]\nrepository = \"*\"\nkeys = [\"release\"]\n[[rule.step]]\nmatch = \"{step}\"\nkeys = [\"dba\"]\n"
    );
    std::fs::write(place.path().join("trust.toml"), text).unwrap();
}

fn sign(place: &Place, reference: &str, key: &str) {
    let key = format!("{key}.key");
    place
        .run(&["release", "sign", reference, "--key", &key])
        .ends_with(0);
}

#[test]
fn a_step_is_what_its_signed_manifest_says() {
    let place = pushed();
    let mut layout = Layout::of(&place, "store");
    let (_, mut index) = layout.get("1.0.0");
    // The second entry leads to the manifest of the first one, and names another file.
    let mut second = index["manifests"][0].clone();
    let (file, sql) = ("0002_evil.sql", b"CREATE TABLE evil (x INTEGER);");
    rename(&layout, &mut second, "dev.wasmigrate.step", file, sql);
    for part in ["file", "sha256", "size"] {
        let name = format!("dev.wasmigrate.step.undo.{part}");
        second["annotations"].as_object_mut().unwrap().remove(&name);
    }
    index["manifests"].as_array_mut().unwrap().push(second);
    index["annotations"]["org.opencontainers.image.version"] = json!("2.0.0");
    layout.name("2.0.0", &index);
    let evil = "oci-layout:store:2.0.0";
    for arguments in [
        &["release", "sign", evil, "--key", "release.key"][..],
        &["release", "verify", evil, "--key", "release.pub"],
        &["release", "pull", evil, "-o", "pulled"],
        &["release", "diff", "oci-layout:store:1.0.0", evil],
        &["release", "copy", evil, "oci-layout:other:2.0.0"],
        &["inspect", evil],
        &["migrate", "--migrations", evil],
    ] {
        place
            .run(arguments)
            .ends_with(2)
            .and_says("it names other files than the index does");
    }
}

#[test]
fn nobody_signs_another_release_as_a_step_of_this_one() {
    let place = pushed();
    let mut layout = Layout::of(&place, "store");
    let (_, mut evil) = layout.get("1.0.0");
    evil["annotations"]["org.opencontainers.image.version"] = json!("9.0.0");
    let digest = layout.name("9.0.0", &evil);
    let (_, mut harmless) = layout.get("1.0.0");
    harmless["manifests"][0]["digest"] = json!(digest);
    harmless["manifests"][0]["size"] = json!(evil.to_string().len());
    harmless["annotations"]["org.opencontainers.image.version"] = json!("1.0.1");
    layout.name("1.0.1", &harmless);
    let key = ["--key", "release.key", "--steps"];
    let sign = ["release", "sign", "oci-layout:store:1.0.1"];
    place
        .run(&[&sign[..], &key].concat())
        .ends_with(2)
        .and_says("it has no `config` or no `layers`");
    place
        .run(&[
            "release",
            "verify",
            "oci-layout:store:9.0.0",
            "--key",
            "release.pub",
        ])
        .ends_with(2)
        .and_says("is not signed");
}

#[test]
fn a_rule_for_steps_holds_for_all_files_of_a_step_and_for_capital_letters() {
    let place = pushed();
    place.write_step("0002_b.SQL", b"CREATE TABLE b (x INTEGER);");
    place.run(&push("oci-layout:store:1.1.0")).ends_with(0);
    let reference = "oci-layout:store:1.1.0";
    sign(&place, reference, "release");
    for pattern in ["0002*.sql", "*.down.sql"] {
        rules(&place, pattern);
        place
            .run(&[
                "migrate",
                "--migrations",
                reference,
                "--trust",
                "trust.toml",
            ])
            .ends_with(2)
            .and_says("which needs a signature of its own by `dba`");
    }
}

#[test]
fn a_step_brings_no_file_that_undoes_another_one() {
    let place = pushed();
    std::fs::write(place.step("0002_b.sql"), "CREATE TABLE b (x INTEGER);").unwrap();
    std::fs::remove_file(place.step("0001_a.down.sql")).unwrap();
    place.run(&push("oci-layout:store:1.1.0")).ends_with(0);
    let mut layout = Layout::of(&place, "store");
    let (_, mut index) = layout.get("1.1.0");
    let mut second = index["manifests"][1].clone();
    let (file, sql) = ("0001_a.down.sql", b"CREATE TABLE evil (x INTEGER);");
    rename(&layout, &mut second, "dev.wasmigrate.step.undo", file, sql);
    index["manifests"][1] = second;
    layout.name("1.1.0", &index);
    place
        .run(&["migrate", "--migrations", "oci-layout:store:1.1.0"])
        .ends_with(2)
        .and_says("is no name of a file that undoes `0002_b.sql`");
}

#[test]
fn what_is_listed_many_times_is_one_signature() {
    let place = pushed();
    sign(&place, "oci-layout:store:1.0.0", "release");
    let mut layout = Layout::of(&place, "store");
    let is_unnamed = |one: &&Value| one["annotations"][NAME].is_null();
    let referrer = layout.references().iter().find(is_unnamed).unwrap();
    let referrer = referrer.clone();
    let more = std::iter::repeat_n(referrer, 2_000);
    layout.references().extend(more);
    layout.write();
    place
        .run(&["inspect", "oci-layout:store:1.0.0"])
        .ends_with(0)
        .and_says("signed    2 signatures");
}

#[test]
fn more_manifests_than_may_refer_to_a_release_are_refused() {
    let place = pushed();
    let mut layout = Layout::of(&place, "store");
    let (digest, index) = layout.get("1.0.0");
    let size = index.to_string().len();
    for number in 0..65 {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": format!("application/x-{number}"),
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest, "size": 2 },
            "layers": [],
            "subject": { "mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": size },
        });
        let bytes = manifest.to_string().into_bytes();
        let entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": layout.put(&bytes),
            "size": bytes.len(),
        });
        layout.references().push(entry);
    }
    layout.write();
    place
        .run(&["inspect", "oci-layout:store:1.0.0"])
        .ends_with(2)
        .and_says("65 manifests refer");
}

#[test]
fn an_old_release_under_a_new_tag_is_refused() {
    let place = pushed();
    let mut layout = Layout::of(&place, "store");
    let (_, index) = layout.get("1.0.0");
    let digest = layout.name("3.0.0", &index);
    for reference in [
        "oci-layout:store:3.0.0".to_owned(),
        format!("oci-layout:store:3.0.0@{digest}"),
    ] {
        place
            .run(&["migrate", "--migrations", &reference])
            .ends_with(2)
            .and_says("says of itself that it is version 1.0.0");
    }
    layout.name("stable", &index);
    place
        .run(&["migrate", "--migrations", "oci-layout:store:stable"])
        .ends_with(0);
}

#[test]
fn a_layout_that_is_locked_is_what_it_was() {
    let place = pushed();
    let reference = "oci-layout:store:1.0.0";
    place.run(&["release", "lock", reference]).ends_with(0);
    place.write_step("0001_a.sql", b"CREATE TABLE evil (x INTEGER);");
    place
        .run(&[&push(reference)[..], &["--force"]].concat())
        .ends_with(0);
    let said = place.run(&["migrate", "--migrations", reference]);
    assert!(
        !place.database().exists() || !place.has_table("evil"),
        "{said:#?}"
    );
}

#[test]
fn the_rules_of_the_configuration_hold_whatever_the_command_says() {
    let place = pushed();
    rules(&place, "*.sql");
    let settings = "trust = \"trust.toml\"\n";
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    let accept = "version = 1\ndefault = \"accept\"\n";
    std::fs::write(place.path().join("accept.toml"), accept).unwrap();
    let migrate = ["migrate", "--migrations", "oci-layout:store:1.0.0"];
    place
        .run(&[&migrate[..], &["--trust", "accept.toml"]].concat())
        .ends_with(2)
        .and_says("`--trust` names other rules than the configuration");
    place
        .run(&[&migrate[..], &["--trust", "./trust.toml"]].concat())
        .ends_with(2)
        .and_says("is not signed");
}

#[test]
fn no_link_leads_out_of_a_layout_that_is_written() {
    let place = pushed();
    let root = place.path().join("linked");
    std::fs::create_dir_all(root.join("blobs")).unwrap();
    std::fs::create_dir(place.path().join("out")).unwrap();
    std::os::unix::fs::symlink("../../out", root.join("blobs/sha256")).unwrap();
    place
        .run(&push("oci-layout:linked:1.0.0"))
        .ends_with(2)
        .and_says("a link to a place outside");
    let out = std::fs::read_dir(place.path().join("out")).unwrap();
    assert_eq!(out.count(), 0);
}

#[test]
fn an_archive_with_an_endless_name_is_refused() {
    let place = pushed();
    let path = place.path().join("bomb.tar");
    // A header in the form of GNU for a long name: https://www.gnu.org/software/tar/manual/html_node/Standard.html
    let mut header = [0_u8; 512];
    header[..13].copy_from_slice(b"././@LongLink");
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(b"04000000000\0");
    header[148..156].fill(b' ');
    header[156] = b'L';
    header[257..265].copy_from_slice(b"ustar  \0");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    std::fs::write(&path, header).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(512 + (512 << 20)).unwrap();
    place
        .run(&["inspect", "oci-layout:bomb.tar:1.0.0"])
        .ends_with(2)
        .and_says("is no file");
}
