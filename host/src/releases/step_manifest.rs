//! The manifest of a step, as others made it: it must name the files that the index names, and nothing else.

use super::document::{
    Descriptor, Document, EMPTY, MANIFEST, SCRIPT_STEP, SQL_STEP, WASM_CONFIG, media_type,
};
use super::error::ReleaseError;
use super::index::PackedStep;
use super::limits;

/// What the manifest of a step is that is no component.
pub(super) fn artifact_type(file: &str) -> &'static str {
    match file.to_ascii_lowercase().ends_with(".sql") {
        true => SQL_STEP,
        false => SCRIPT_STEP,
    }
}

/// A manifest that fits the index.
#[derive(Clone, Debug)]
pub(super) struct StepManifest {
    /// What says how the step was made.
    pub(super) config: Descriptor,
    /// Its files.
    pub(super) layers: Vec<Descriptor>,
}

impl StepManifest {
    /// Reads the bytes of the manifest of a step.
    pub(super) fn read(bytes: &[u8], step: &PackedStep) -> Result<Self, ReleaseError> {
        let what = format!("the manifest of `{}`", step.file.file);
        let document = Document::read(bytes, &what)?;
        let wrong = |why: &str| {
            Err(ReleaseError::NotARelease {
                what: what.clone(),
                why: why.to_owned(),
            })
        };
        let (Some(config), Some(layers), None) =
            (document.config, document.layers, document.manifests)
        else {
            return wrong("it has no `config` or no `layers`");
        };
        let is_component = config.media_type == WASM_CONFIG;
        let is_text = config.media_type == EMPTY
            && document.artifact_type.as_deref() == Some(artifact_type(&step.file.file));
        if !is_component && !is_text {
            return wrong(&format!(
                "it is neither a component nor {}, but {}",
                artifact_type(&step.file.file),
                ReleaseError::said(&config.media_type)
            ));
        }
        if config.size > limits::CONFIG_BYTES {
            return wrong("its `config` is too large");
        }
        let is_named = layers.len() == step.files().count()
            && layers.iter().zip(step.files()).all(|(layer, file)| {
                layer.media_type == media_type(&file.file)
                    && layer.digest == file.digest
                    && layer.size == file.size
            });
        match is_named {
            true => Ok(Self { config, layers }),
            false => wrong("it names other files than the index does"),
        }
    }

    /// All that it names.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        [&self.config].into_iter().chain(&self.layers)
    }

    /// The media type of the manifests of steps.
    pub(super) const MEDIA_TYPE: &str = MANIFEST;
}
