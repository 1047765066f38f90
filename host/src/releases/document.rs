//! What manifests and indexes are made of: <https://github.com/opencontainers/image-spec/blob/main/manifest.md>
//!
//! They are read strictly, from the bytes whose digest is known; a field that is given twice is an error. They are written so that
//! the same content makes the same bytes.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::content_digest::ContentDigest;
use super::error::ReleaseError;

/// The media type of an index.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The media type of a manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of a release, and what those of later forms begin with.
pub(super) const RELEASE: &str = "application/vnd.wasmigrate.release.v1+json";
pub(super) const ANY_RELEASE: &str = "application/vnd.wasmigrate.release.";

/// The media type of a step made of SQL.
pub(super) const SQL_STEP: &str = "application/vnd.wasmigrate.sql-step.v1";

/// The media types of files and of what says how a component is made:
/// <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>
const WASM: &str = "application/wasm";
pub(super) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// That of SQL: <https://www.rfc-editor.org/rfc/rfc6922>
const SQL: &str = "application/sql";

/// The media type of a step that is a script, and those of its files: <https://www.rfc-editor.org/rfc/rfc9239>; the other two have no
/// name of their own.
pub(super) const SCRIPT_STEP: &str = "application/vnd.wasmigrate.script-step.v1";
const JAVASCRIPT: &str = "text/javascript";
const TYPESCRIPT: &str = "text/x-typescript";
const PYTHON: &str = "text/x-python";

/// What everything else is that may stand beside a step.
const PLAIN: &str = "text/plain";

/// The media type of a file of a step, by its name.
pub(super) fn media_type(file: &str) -> &'static str {
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "wasm" => WASM,
        "sql" => SQL,
        "js" => JAVASCRIPT,
        "ts" => TYPESCRIPT,
        "py" => PYTHON,
        _ => PLAIN,
    }
}

/// That of a configuration that says nothing, and its content.
pub(super) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub(super) const EMPTY_CONTENT: &[u8] = b"{}";

/// The name of a file, by which other tools write it.
pub(super) const TITLE: &str = "org.opencontainers.image.title";

/// What a reference is called in a layout on disk.
pub(super) const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";

/// The schema of all manifests and indexes.
const SCHEMA: u64 = 2;

/// Names and texts; none is there twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Annotations(pub(super) BTreeMap<String, String>);

impl Annotations {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn set(&mut self, name: &str, text: impl Into<String>) {
        self.0.insert(name.to_owned(), text.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Annotations;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("annotations")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Annotations, M::Error> {
                let mut annotations = BTreeMap::new();
                while let Some((name, text)) = map.next_entry::<String, String>()? {
                    if annotations.insert(name, text).is_some() {
                        return Err(M::Error::custom("an annotation is given twice"));
                    }
                }
                Ok(Annotations(annotations))
            }

            fn visit_unit<E>(self) -> Result<Annotations, E> {
                Ok(Annotations::default())
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// What names some bytes: their type, digest and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    pub(super) digest: ContentDigest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub(super) annotations: Annotations,
}

impl Descriptor {
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            artifact_type: None,
            digest: ContentDigest::of(bytes),
            size: bytes.len() as u64,
            annotations: Annotations::default(),
        }
    }
}

/// A manifest or an index.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) config: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) layers: Option<Vec<Descriptor>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manifests: Option<Vec<Descriptor>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub(super) annotations: Annotations,
    /// A part of an older form, which no reader of this one looks at.
    #[serde(default, skip_serializing)]
    fs_layers: Option<IgnoredAny>,
}

impl Document {
    /// A manifest or an index without content.
    pub(super) fn new(media_type: &str) -> Self {
        Self {
            schema_version: SCHEMA,
            media_type: Some(media_type.to_owned()),
            artifact_type: None,
            config: None,
            layers: None,
            manifests: None,
            subject: None,
            annotations: Annotations::default(),
            fs_layers: None,
        }
    }

    /// Reads the bytes of a manifest or an index, called `what` in errors. One that could be read as both is refused:
    /// <https://github.com/advisories/GHSA-77vh-xpmg-72qh>
    pub(super) fn read(bytes: &[u8], what: &str) -> Result<Self, ReleaseError> {
        let wrong = |why: String| ReleaseError::NotARelease {
            what: what.to_owned(),
            why,
        };
        let document: Self = serde_json::from_slice(bytes)
            .map_err(|error| wrong(ReleaseError::said(&error.to_string())))?;
        if document.schema_version != SCHEMA {
            return Err(wrong(format!(
                "its `schemaVersion` is {}, and not {SCHEMA}",
                document.schema_version
            )));
        }
        if document.fs_layers.is_some() {
            return Err(wrong(
                "it has `fsLayers`, which are of an older form".to_owned(),
            ));
        }
        let is_index = document.manifests.is_some();
        if is_index && (document.layers.is_some() || document.config.is_some()) {
            return Err(wrong(
                "it is an index with `layers` or `config`, which others could read as another thing".to_owned(),
            ));
        }
        let expected = if is_index { INDEX } else { MANIFEST };
        match document.media_type.as_deref() {
            Some(media_type) if media_type != expected => Err(wrong(format!(
                "it has the media type `{}`",
                ReleaseError::said(media_type)
            ))),
            _ => Ok(document),
        }
    }

    /// Its bytes, the same for the same content.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, ReleaseError> {
        json(self)
    }
}

/// The bytes of a document.
pub(super) fn json(document: &impl Serialize) -> Result<Vec<u8>, ReleaseError> {
    serde_json::to_vec(document)
        .map_err(|error| ReleaseError::Refused(format!("a manifest cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let read = |text: &str| Document::read(text.as_bytes(), "it").map(|_| ());
        let said = |text: &str| read(text).unwrap_err().to_string();
        assert!(read(r#"{"schemaVersion":2,"manifests":[],"new":1}"#).is_ok());
        assert!(said(r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#).contains("`layers`"));
        assert!(said(r#"{"schemaVersion":1,"manifests":[]}"#).contains("schemaVersion"));
        assert!(said(r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#).contains("duplicate"));
        let twice = r#"{"schemaVersion":2,"manifests":[],"annotations":{"a":"1","a":"2"}}"#;
        assert!(said(twice).contains("twice"));
        let docker = r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","layers":[]}"#;
        assert!(said(docker).contains("vnd.docker"));
    }
}
