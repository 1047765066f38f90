//! From files to what a registry keeps: blobs, a manifest for each step, and the index over them.
//!
//! The same files make the same bytes, whenever and wherever that is done; a step that is the same in two releases is the same manifest
//! in both.

use std::path::Path;

use super::component::ComponentConfig;
use super::content_digest::ContentDigest;
use super::document::{
    Descriptor, Document, EMPTY, EMPTY_CONTENT, MANIFEST, TITLE, WASM_CONFIG, json, media_type,
};
use super::error::ReleaseError;
use super::index::{Identity, PackedFile, PackedStep, ReleaseIndex, check_name, check_size};
use super::limits;
use super::step_manifest::artifact_type;
use crate::catalog::{FileToPack, PackedFiles, StepToPack, packed_files, read_step_file};

/// How many digits of a manifest's digest are in its tag.
const DIGITS: usize = 12;

/// The most letters of a tag.
const MOST_TAG: usize = 128;

/// Bytes, and what names them.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) digest: ContentDigest,
    pub(super) bytes: Vec<u8>,
}

impl Blob {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self {
            digest: ContentDigest::of(&bytes),
            bytes,
        }
    }
}

/// A manifest that is to be pushed, with the blobs that it names.
#[derive(Clone, Debug)]
pub(super) struct PackedManifest {
    /// The tag under which it is kept: what has none may be cleaned away from below the index.
    pub(super) tag: String,
    pub(super) manifest: Blob,
    pub(super) blobs: Vec<Blob>,
}

/// A release that is to be pushed.
#[derive(Clone, Debug)]
pub(super) struct PackedRelease {
    pub(super) steps: Vec<PackedManifest>,
    pub(super) index: Blob,
    /// The files that are left out, and why.
    pub(super) left_out: Vec<(String, String)>,
}

/// Packs the steps of a directory; `most_component` is the limit for the bytes of a component.
pub(super) fn pack(
    directory: &Path,
    identity: &Identity,
    most_component: u64,
) -> Result<PackedRelease, ReleaseError> {
    let PackedFiles { steps, left_out } = packed_files(directory)?;
    if steps.is_empty() {
        return Err(ReleaseError::Refused(format!(
            "`{}` holds no step: there is nothing to release",
            directory.display()
        )));
    }
    if steps.len() > limits::STEPS {
        return Err(ReleaseError::OverLimit {
            what: format!("`{}` with {} steps", directory.display(), steps.len()),
            limit: "the steps of a release",
            most: limits::STEPS.to_string(),
        });
    }
    let (mut manifests, mut packed, mut total) = (Vec::new(), Vec::new(), 0);
    for StepToPack { step, undo, beside } in steps {
        let read = |file| read(file, most_component);
        let (file, undo) = (read(step)?, undo.map(read).transpose()?);
        let beside = beside
            .into_iter()
            .map(read)
            .collect::<Result<Vec<_>, _>>()?;
        let all = [&file].into_iter().chain(&undo).chain(&beside);
        total += all.map(|(_, blob)| blob.bytes.len()).sum::<usize>();
        check_size(
            &directory.display().to_string(),
            total as u64,
            "the bytes of a release",
            limits::RELEASE_BYTES,
        )?;
        let described = |(file, blob): &(String, Blob)| PackedFile {
            file: file.clone(),
            digest: blob.digest.clone(),
            size: blob.bytes.len() as u64,
        };
        let (of_step, of_undo) = (described(&file), undo.as_ref().map(described));
        let of_others = beside.iter().map(described).collect();
        let manifest = manifest(file, undo.into_iter().chain(beside))?;
        packed.push(PackedStep {
            file: of_step,
            undo: of_undo,
            beside: of_others,
            manifest: manifest.manifest.digest.clone(),
            manifest_size: manifest.manifest.bytes.len() as u64,
        });
        manifests.push(manifest);
    }
    let index = ReleaseIndex {
        identity: identity.clone(),
        steps: packed,
    };
    let bytes = index.bytes()?;
    check_size(
        "the index of the release",
        bytes.len() as u64,
        "the bytes of an index",
        limits::MANIFEST_BYTES,
    )?;
    // What is pushed can be pulled.
    ReleaseIndex::read(&bytes, "this release", most_component)?;
    Ok(PackedRelease {
        steps: manifests,
        index: Blob::of(bytes),
        left_out,
    })
}

/// Packs one component as an artifact of its own.
pub(super) fn pack_component(
    path: &Path,
    tag: &str,
    most_component: u64,
) -> Result<PackedManifest, ReleaseError> {
    let name = path.file_name().unwrap_or_default();
    let file = FileToPack {
        name: name.to_string_lossy().into_owned(),
        path: path.to_owned(),
        text: None,
    };
    let file = read(file, most_component)?;
    if !is_component(&file.0) {
        return Err(ReleaseError::Refused(format!(
            "`{}` is no component, and one file alone can be pushed as a component: push the directory of the steps",
            path.display()
        )));
    }
    Ok(PackedManifest {
        tag: tag.to_owned(),
        ..manifest(file, [])?
    })
}

fn is_component(file: &str) -> bool {
    file.to_ascii_lowercase().ends_with(".wasm")
}

/// The name and the bytes of a file.
fn read(file: FileToPack, most_component: u64) -> Result<(String, Blob), ReleaseError> {
    let FileToPack { name, path, text } = file;
    for part in name.split('/') {
        check_name(part).map_err(ReleaseError::Refused)?;
    }
    let bytes = match text {
        Some(text) => text.into_bytes(),
        None => read_step_file(&path).map_err(ReleaseError::file("read", &path))?,
    };
    let (limit, most) = match is_component(&name) {
        true => ("`limits.component_mib`, in bytes", most_component),
        false => ("the bytes of a file of text", limits::TEXT_BYTES),
    };
    check_size(&path.display().to_string(), bytes.len() as u64, limit, most)?;
    Ok((name, Blob::of(bytes)))
}

/// The manifest of a step; the others are the files that belong to it.
fn manifest(
    (file, blob): (String, Blob),
    others: impl IntoIterator<Item = (String, Blob)>,
) -> Result<PackedManifest, ReleaseError> {
    let layer = |file: &str, blob: &Blob| {
        let mut layer = Descriptor::of(media_type(file), &blob.bytes);
        layer.annotations.set(TITLE, file);
        layer
    };
    let mut manifest = Document::new(MANIFEST);
    let config = if is_component(&file) {
        let facts = ComponentConfig::of(&blob.bytes)
            .map_err(|why| ReleaseError::Refused(format!("`{file}` {why}")))?;
        let config = Blob::of(json(&facts)?);
        check_size(
            &file,
            config.bytes.len() as u64,
            "the bytes of a configuration: it has too many imports and exports",
            limits::CONFIG_BYTES,
        )?;
        manifest.config = Some(Descriptor::of(WASM_CONFIG, &config.bytes));
        config
    } else {
        let config = Blob::of(EMPTY_CONTENT.to_vec());
        manifest.artifact_type = Some(artifact_type(&file).to_owned());
        manifest.config = Some(Descriptor::of(EMPTY, &config.bytes));
        config
    };
    let mut layers = vec![layer(&file, &blob)];
    let mut blobs = vec![config, blob];
    for (other, blob) in others {
        layers.push(layer(&other, &blob));
        blobs.push(blob);
    }
    manifest.layers = Some(layers);
    let manifest = Blob::of(manifest.bytes()?);
    Ok(PackedManifest {
        tag: step_tag(&file, &manifest.digest),
        manifest,
        blobs,
    })
}

/// The tag of a step's manifest: `step-NNNN_name-` and the first digits of its digest.
pub(super) fn step_tag(file: &str, manifest: &ContentDigest) -> String {
    let digits = manifest.hexadecimal().get(..DIGITS).unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let allowed = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || "._-".contains(letter) => letter,
        _ => '-',
    };
    let name: String = stem.chars().map(allowed).collect();
    let room = MOST_TAG - DIGITS - 1;
    let mut tag = format!("step-{name}");
    // All of its letters are one byte long.
    tag.truncate(room);
    format!("{tag}-{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use semver::Version;

    fn identity() -> Identity {
        Identity {
            lineage: "shop".to_owned(),
            version: Version::new(1, 4, 0),
            source: None,
            revision: None,
            created: None,
        }
    }

    fn packed(files: &[(&str, &[u8])]) -> Result<PackedRelease, ReleaseError> {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        pack(directory.path(), &identity(), 1 << 20)
    }

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn the_same_files_make_the_same_bytes_and_they_are_those_of_the_specification() {
        let files: &[(&str, &[u8])] = &[
            ("0001_a.sql", b"SELECT 1"),
            ("0001_a.down.sql", b"SELECT 2"),
            ("0002_b.wasm", COMPONENT),
            ("0003_c.postgres.sql", b"SELECT 3"),
            ("0003_c.sqlite.sql", b"SELECT 3"),
            ("README.md", b"not a step"),
        ];
        let (one, other) = (packed(files).unwrap(), packed(files).unwrap());
        assert_eq!(one.index.bytes, other.index.bytes);
        assert_eq!(one.left_out.len(), 1);
        let index = String::from_utf8(one.index.bytes.clone()).unwrap();
        let begin = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"application/vnd.wasmigrate.release.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:"#;
        assert!(index.starts_with(begin), "{index}");
        let end = r#""annotations":{"dev.wasmigrate.lineage":"shop","org.opencontainers.image.version":"1.4.0"}}"#;
        assert!(index.ends_with(end), "{index}");
        let component = &one.steps[1];
        let manifest = String::from_utf8(component.manifest.bytes.clone()).unwrap();
        let begin = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.wasm.config.v0+json","#;
        assert!(manifest.starts_with(begin), "{manifest}");
        let config = String::from_utf8(component.blobs[0].bytes.clone()).unwrap();
        let begin = r#"{"created":"1970-01-01T00:00:00Z","author":null,"architecture":"wasm","os":"wasip2","layerDigests":["sha256:"#;
        assert!(config.starts_with(begin), "{config}");
        assert_eq!(one.steps[0].blobs[0].bytes, b"{}");
        assert_eq!(
            one.steps[0].blobs[0].digest.to_string(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert!(
            component.tag.starts_with("step-0002_b-"),
            "{}",
            component.tag
        );
        let read = ReleaseIndex::read(&one.index.bytes, "it", 1 << 20).unwrap();
        let names: Vec<&str> = read.steps.iter().map(|step| &*step.file.file).collect();
        assert_eq!(
            names,
            [
                "0001_a.sql",
                "0002_b.wasm",
                "0003_c.postgres.sql",
                "0003_c.sqlite.sql"
            ]
        );
    }

    #[test]
    fn what_would_run_otherwise_after_a_pull_is_refused() {
        for (files, why) in [
            (
                &[("0001_a.wasm", &b"\0asm\x01\0\0\0"[..])][..],
                "no component",
            ),
            (&[("0001_a.js", b"import './lib/b.js' \xff")], "not UTF-8"),
            (&[("0001_a.sql", b"x"), ("0001_b.sql", b"x")], "index 1"),
            (&[("README.md", b"x")], "README.md"),
        ] {
            let error = packed(files).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_tag_of_a_step_is_one() {
        let digest = ContentDigest::of(b"x");
        assert_eq!(
            step_tag("0001_a b.sql", &digest),
            "step-0001_a-b-2d711642b726"
        );
        assert_eq!(step_tag(&"ä".repeat(300), &digest).len(), MOST_TAG);
    }
}
