//! The index of a release: which steps it has, of which application it is, and in which version.

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::content_digest::ContentDigest;
use super::document::{
    ANY_RELEASE, Annotations, Descriptor, Document, INDEX, MANIFEST, RELEASE, json,
};
use super::error::ReleaseError;
use super::limits;
use super::reference::ReleaseReference;
use crate::catalog::{PackedName, is_packed_beside, is_packed_undo, packed_name};
use crate::output::printable;

const LINEAGE: &str = "dev.wasmigrate.lineage";
const VERSION: &str = "org.opencontainers.image.version";
const SOURCE: &str = "org.opencontainers.image.source";
const REVISION: &str = "org.opencontainers.image.revision";
const CREATED: &str = "org.opencontainers.image.created";

const STEP: &str = "dev.wasmigrate.step";
const UNDO: &str = "dev.wasmigrate.step.undo";
const BESIDE: &str = "dev.wasmigrate.step.beside";

/// The most letters of a lineage.
const MOST_LINEAGE: usize = 64;

/// The most letters of a file's name.
const MOST_NAME: usize = 255;

/// What a release is, beside its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The application that its steps are for.
    pub lineage: String,
    /// Its version.
    pub version: Version,
    /// Where its sources are.
    pub source: Option<String>,
    /// Of which revision it was made.
    pub revision: Option<String>,
    /// When it was made.
    pub created: Option<String>,
}

/// A file of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackedFile {
    /// Its name.
    pub file: String,
    /// The SHA-256 of its bytes.
    pub digest: ContentDigest,
    /// How many they are.
    pub size: u64,
}

/// A step of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedStep {
    /// Its file.
    pub file: PackedFile,
    /// The file that undoes it.
    pub undo: Option<PackedFile>,
    /// What a script imports, and what says how SQL runs, in the order of their names.
    pub beside: Vec<PackedFile>,
    /// The digest of its manifest.
    pub manifest: ContentDigest,
    /// The size of its manifest.
    pub manifest_size: u64,
}

impl PackedStep {
    /// Its files.
    pub fn files(&self) -> impl Iterator<Item = &PackedFile> {
        [&self.file]
            .into_iter()
            .chain(&self.undo)
            .chain(&self.beside)
    }
}

/// A release: what it is, and its steps in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseIndex {
    /// What it is.
    pub identity: Identity,
    /// Its steps, in order.
    pub steps: Vec<PackedStep>,
}

impl Identity {
    /// Refuses a tag that is another version's: whoever puts an old release under a new tag hides what would run.
    pub(super) fn check_tag(&self, reference: &ReleaseReference) -> Result<(), ReleaseError> {
        let tag = reference.tag.as_deref().unwrap_or_default();
        // Others than versions may come and go, and so may what a version adds to its three numbers.
        let Ok(tagged) = Version::parse(&tag.replacen('_', "+", 1)) else {
            return Ok(());
        };
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        match numbers(&tagged) == numbers(&self.version) {
            true => Ok(()),
            false => Err(ReleaseError::Refused(format!(
                "`{reference}` says of itself that it is version {}: somebody has put it under the tag of another; where that is meant, \
                 name it by its digest alone",
                self.version
            ))),
        }
    }
}

/// Whether a text is the name of an application's line of releases.
pub(super) fn is_lineage(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= MOST_LINEAGE && text.bytes().all(is_inner)
}

impl ReleaseIndex {
    /// Its files, each once: several scripts may import the same one.
    pub(super) fn files(&self) -> BTreeMap<&str, &PackedFile> {
        let files = self.steps.iter().flat_map(PackedStep::files);
        files.map(|file| (&*file.file, file)).collect()
    }

    /// The bytes of the index, the same for the same release. Its descriptors have no type, no title and no platform, which tools
    /// that copy or pull it would drop or take for something.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, ReleaseError> {
        let mut index = Document::new(INDEX);
        index.artifact_type = Some(RELEASE.to_owned());
        let manifests = self.steps.iter().map(descriptor);
        index.manifests = Some(manifests.collect::<Result<_, _>>()?);
        let identity = &self.identity;
        index.annotations.set(LINEAGE, &identity.lineage);
        index.annotations.set(VERSION, identity.version.to_string());
        for (name, text) in [
            (SOURCE, &identity.source),
            (REVISION, &identity.revision),
            (CREATED, &identity.created),
        ] {
            if let Some(text) = text {
                index.annotations.set(name, text);
            }
        }
        index.bytes()
    }

    /// Reads the bytes of an index, called `what` in errors; `most_component` is the limit for the bytes of a component.
    pub(super) fn read(
        bytes: &[u8],
        what: &str,
        most_component: u64,
    ) -> Result<Self, ReleaseError> {
        let document = Document::read(bytes, what)?;
        let wrong = |why: String| ReleaseError::NotARelease {
            what: what.to_owned(),
            why,
        };
        let artifact_type = document.artifact_type.as_deref().unwrap_or("none");
        if artifact_type != RELEASE {
            let said = ReleaseError::said(artifact_type);
            return Err(wrong(match artifact_type.starts_with(ANY_RELEASE) {
                true => format!("it was made by a newer wasmigrate (`{said}`): install that"),
                false => format!(
                    "its artifact type is {said}, and not {RELEASE}: push it with `wasmigrate release push`"
                ),
            }));
        }
        let manifests = document
            .manifests
            .ok_or_else(|| wrong("it is a manifest, and no index".to_owned()))?;
        if manifests.len() > limits::STEPS {
            return Err(ReleaseError::OverLimit {
                what: format!("{what} with {} steps", manifests.len()),
                limit: "the steps of a release",
                most: limits::STEPS.to_string(),
            });
        }
        let identity = identity(&document.annotations).map_err(wrong)?;
        let mut steps = Vec::with_capacity(manifests.len());
        let (mut names, mut last, mut total) = (BTreeMap::new(), None, 0_u64);
        for manifest in &manifests {
            let (step, place) = step(manifest).map_err(wrong)?;
            if last.as_ref().is_some_and(|last| *last >= place) {
                return Err(wrong(format!(
                    "its steps are not in order: `{}` comes too late",
                    step.file.file
                )));
            }
            last = Some(place);
            for file in step.files() {
                match names.insert(file.file.clone(), file.digest.clone()) {
                    // Several scripts may import the same file.
                    Some(known) if file.file.contains('/') && known == file.digest => continue,
                    Some(_) => return Err(wrong(format!("it has two files `{}`", file.file))),
                    None => {}
                }
                let is_component = file.file.to_ascii_lowercase().ends_with(".wasm");
                let (limit, most) = match is_component {
                    true => ("`limits.component_mib`, in bytes", most_component),
                    false => ("the bytes of a file of text", limits::TEXT_BYTES),
                };
                check_size(&file.file, file.size, limit, most)?;
                total = total.saturating_add(file.size);
            }
            steps.push(step);
        }
        check_size(what, total, "the bytes of a release", limits::RELEASE_BYTES)?;
        Ok(Self { identity, steps })
    }
}

/// Refuses what is larger than may be.
pub(super) fn check_size(
    what: &str,
    size: u64,
    limit: &'static str,
    most: u64,
) -> Result<(), ReleaseError> {
    if size <= most {
        return Ok(());
    }
    Err(ReleaseError::OverLimit {
        what: format!("`{what}` with {size} bytes"),
        limit,
        most: most.to_string(),
    })
}

fn identity(annotations: &Annotations) -> Result<Identity, String> {
    let required = |name: &str| {
        annotations
            .get(name)
            .ok_or_else(|| format!("it has no annotation `{name}`"))
    };
    let lineage = required(LINEAGE)?;
    if !is_lineage(lineage) {
        return Err(format!(
            "its lineage is not 1 to {MOST_LINEAGE} small letters, digits and `-`"
        ));
    }
    let version = Version::parse(required(VERSION)?)
        .map_err(|error| format!("its version is no semantic version: {error}"))?;
    let optional = |name: &str| annotations.get(name).map(ReleaseError::said);
    Ok(Identity {
        lineage: lineage.to_owned(),
        version,
        source: optional(SOURCE),
        revision: optional(REVISION),
        created: optional(CREATED),
    })
}

/// A file beside a step, as its annotation names it.
#[derive(Serialize, Deserialize)]
struct FileBeside {
    file: String,
    sha256: String,
    size: u64,
}

fn descriptor(step: &PackedStep) -> Result<Descriptor, ReleaseError> {
    let mut annotations = Annotations::default();
    for (prefix, file) in [(STEP, Some(&step.file)), (UNDO, step.undo.as_ref())] {
        if let Some(file) = file {
            annotations.set(&format!("{prefix}.file"), &file.file);
            annotations.set(&format!("{prefix}.sha256"), file.digest.hexadecimal());
            annotations.set(&format!("{prefix}.size"), file.size.to_string());
        }
    }
    if !step.beside.is_empty() {
        let named = step.beside.iter().map(|file| FileBeside {
            file: file.file.clone(),
            sha256: file.digest.hexadecimal().to_owned(),
            size: file.size,
        });
        let named = json(&named.collect::<Vec<_>>())?;
        annotations.set(BESIDE, String::from_utf8_lossy(&named));
    }
    Ok(Descriptor {
        media_type: MANIFEST.to_owned(),
        artifact_type: None,
        digest: step.manifest.clone(),
        size: step.manifest_size,
        annotations,
    })
}

/// A step, and its place in the order.
fn step(manifest: &Descriptor) -> Result<(PackedStep, (u64, String)), String> {
    if manifest.media_type != MANIFEST {
        return Err(format!(
            "one of its steps has the media type `{}`",
            ReleaseError::said(&manifest.media_type)
        ));
    }
    if manifest.size > limits::MANIFEST_BYTES {
        return Err(format!("the manifest {} is too large", manifest.digest));
    }
    let file = packed_file(&manifest.annotations, STEP)?
        .ok_or_else(|| format!("the step {} names no file", manifest.digest))?;
    let undo = packed_file(&manifest.annotations, UNDO)?;
    let place = match packed_name(&file.file) {
        Ok(PackedName::Step { index }) => (index, file.file.clone()),
        Ok(PackedName::Undo) => {
            return Err(format!(
                "`{}` undoes another file, and is no step",
                file.file
            ));
        }
        Err(why) => return Err(format!("`{}` {why}", file.file)),
    };
    if let Some(undo) = &undo
        && !(packed_name(&undo.file) == Ok(PackedName::Undo)
            && is_packed_undo(&file.file, &undo.file))
    {
        return Err(format!(
            "`{}` is no name of a file that undoes `{}`",
            undo.file, file.file
        ));
    }
    let undone_by = undo.as_ref().map(|undo| &*undo.file);
    let beside = files_beside(&manifest.annotations, &file.file, undone_by)?;
    Ok((
        PackedStep {
            file,
            undo,
            beside,
            manifest: manifest.digest.clone(),
            manifest_size: manifest.size,
        },
        place,
    ))
}

/// The files beside a step.
fn files_beside(
    annotations: &Annotations,
    step: &str,
    undo: Option<&str>,
) -> Result<Vec<PackedFile>, String> {
    let Some(text) = annotations.get(BESIDE) else {
        return Ok(Vec::new());
    };
    let named: Vec<FileBeside> = serde_json::from_str(text)
        .map_err(|_| format!("what stands beside `{step}` is no list of files"))?;
    if !named.is_sorted_by(|one, other| one.file < other.file) {
        return Err(format!("the files beside `{step}` are not in order"));
    }
    let file = |FileBeside { file, sha256, size }: FileBeside| {
        for part in file.split('/') {
            check_name(part)?;
        }
        if !is_packed_beside(step, undo, &file) {
            return Err(format!("`{file}` is no part of `{step}`"));
        }
        let digest = ContentDigest::from_hexadecimal(&sha256)
            .ok_or_else(|| format!("`{file}` has no SHA-256"))?;
        Ok(PackedFile { file, digest, size })
    };
    named.into_iter().map(file).collect()
}

fn packed_file(annotations: &Annotations, prefix: &str) -> Result<Option<PackedFile>, String> {
    let Some(file) = annotations.get(&format!("{prefix}.file")) else {
        return Ok(None);
    };
    check_name(file)?;
    let digest = annotations
        .get(&format!("{prefix}.sha256"))
        .and_then(ContentDigest::from_hexadecimal)
        .ok_or_else(|| format!("`{file}` has no SHA-256"))?;
    let size = annotations
        .get(&format!("{prefix}.size"))
        .and_then(|size| size.parse().ok())
        .ok_or_else(|| format!("`{file}` has no size"))?;
    Ok(Some(PackedFile {
        file: file.to_owned(),
        digest,
        size,
    }))
}

/// Refuses a name that would lead out of a directory, hide in it, or not be shown as it is.
pub(super) fn check_name(file: &str) -> Result<(), String> {
    let is_refused = file.is_empty()
        || file.starts_with('.')
        || file.contains(['/', '\\', '\0', '\t'])
        || printable(file) != file;
    if is_refused {
        return Err(format!(
            "the name of the file `{}` is refused: a release has no directories, no hidden files and no control characters in names",
            ReleaseError::said(file)
        ));
    }
    match file.len() > MOST_NAME {
        true => Err(format!(
            "the name of a file is longer than {MOST_NAME} bytes"
        )),
        false => Ok(()),
    }
}
