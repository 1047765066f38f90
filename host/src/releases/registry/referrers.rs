//! What refers to a manifest. Registries that keep no list of that have an index in its place, under a tag made of the digest:
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema>

use super::RegistryClient;
use crate::releases::content_digest::ContentDigest;
use crate::releases::document::{Descriptor, Document, INDEX};
use crate::releases::error::ReleaseError;
use crate::releases::limits;

/// The tag of the index in the place of a list.
fn list_tag(digest: &ContentDigest) -> String {
    format!("sha256-{}", digest.hexadecimal())
}

impl RegistryClient {
    /// What refers to the manifest with this digest.
    pub(in crate::releases) fn referrers(
        &self,
        digest: &ContentDigest,
    ) -> Result<Vec<Descriptor>, ReleaseError> {
        let url = self.url("referrers", &digest.to_string())?;
        let bytes = match self.get(url, INDEX)? {
            Some(mut answer) => {
                self.manifest_bytes(&mut answer, &|| format!("list of what refers to {digest}"))?
            }
            None => match self.tagged(&list_tag(digest))? {
                Some(found) => found.bytes,
                None => return Ok(Vec::new()),
            },
        };
        let list = Document::read(&bytes, "what refers to the release")?;
        let referrers = list.manifests.unwrap_or_default();
        if referrers.len() > limits::REFERRERS {
            return Err(ReleaseError::OverLimit {
                what: format!("a release to which {} manifests refer", referrers.len()),
                limit: "referrers",
                most: limits::REFERRERS.to_string(),
            });
        }
        Ok(referrers)
    }

    /// Puts a manifest that refers to the one with this digest, and sees to it that it is found.
    pub(in crate::releases) fn put_referrer(
        &self,
        digest: &ContentDigest,
        media_type: &str,
        bytes: &[u8],
        referrer: &Descriptor,
    ) -> Result<(), ReleaseError> {
        if self.put_manifest(&referrer.digest.to_string(), media_type, bytes)? {
            return Ok(());
        }
        let tag = list_tag(digest);
        // Somebody else may write the same list at the same time: what is lost is added again.
        for _ in 0..limits::TRIES {
            let mut list = match self.tagged(&tag)? {
                Some(found) => Document::read(&found.bytes, "what refers to the release")?,
                None => Document::new(INDEX),
            };
            let referrers = list.manifests.get_or_insert_default();
            if referrers.iter().any(|one| one.digest == referrer.digest) {
                return Ok(());
            }
            referrers.push(referrer.clone());
            self.put_manifest(&tag, INDEX, &list.bytes()?)?;
        }
        match self
            .referrers(digest)?
            .iter()
            .any(|one| one.digest == referrer.digest)
        {
            true => Ok(()),
            false => Err(ReleaseError::Refused(format!(
                "others change what refers to {digest} at the same time: try again"
            ))),
        }
    }
}
