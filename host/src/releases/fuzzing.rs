//! All that reads what registries, and those who push to them, have written; for a fuzzer.

use std::path::Path;

use super::component;
use super::content_digest::ContentDigest;
use super::document::Document;
use super::index::ReleaseIndex;
use super::lock::ReleaseLock;
use super::reference::ReleaseReference;
use super::registry::reads_challenge;
use super::signing;
use super::step_manifest::StepManifest;
use super::trust::TrustPolicy;

/// The most bytes of a component.
const COMPONENT: u64 = 1 << 20;

/// Reads bytes in every way in which something of a registry is read. What is taken for right comes back as it was.
pub fn read_foreign(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for named in [text.to_string(), format!("oci://{text}")] {
        if let Ok(reference) = ReleaseReference::parse(&named) {
            let again = ReleaseReference::parse(&reference.to_string());
            assert!(again.is_ok_and(|again| again == reference), "{named}");
        }
    }
    let _ = Document::read(bytes, "it");
    if let Ok(index) = ReleaseIndex::read(bytes, "it", COMPONENT) {
        let written = index.bytes().unwrap_or_default();
        let again = ReleaseIndex::read(&written, "it", COMPONENT);
        assert!(again.is_ok_and(|again| again == index), "{text}");
        for step in &index.steps {
            let _ = StepManifest::read(bytes, step);
        }
    }
    let _ = component::names(bytes);
    signing::read_foreign(bytes, &ContentDigest::of(b"it"));
    reads_challenge(&text);
    let _ = ReleaseLock::parse(&text, Path::new("wasmigrate.lock"));
    let _ = TrustPolicy::parse(&text, Path::new("/nowhere"), "it");
}
