//! A look at the signatures of a release.

use serde::Serialize;

use super::error::ReleaseError;
use super::pull::{ReleaseOptions, ResolvedRelease};
use super::reference::ReleaseReference;
use super::signing::SignatureMaterial;
use super::trust::{Signers, TrustPolicy};

/// A release whose signatures are enough.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedRelease {
    /// The release, with its digest.
    pub reference: String,
    /// Who has signed it, of those who must.
    pub signers: Signers,
    /// What the operator should know.
    pub warning: Option<String>,
}

/// Demands that all who must have signed a release.
pub fn verify(
    reference: &ReleaseReference,
    trust: &TrustPolicy,
    options: &ReleaseOptions,
) -> Result<VerifiedRelease, ReleaseError> {
    if !trust.demands(reference)? {
        return Err(ReleaseError::Refused(format!(
            "no rule is for `{reference}`, so that nobody must have signed it: there is nothing to verify"
        )));
    }
    let release = ResolvedRelease::of(reference, options)?;
    let material = |digest: &_| SignatureMaterial::fetch(&release.store, digest);
    let signers = trust.verify(reference, (&release.digest, &release.index), &material)?;
    let now = match (&reference.tag, &reference.digest) {
        (Some(tag), Some(_)) => release.store.digest_of(tag)?,
        _ => None,
    };
    let warning = now.filter(|now| *now != release.digest).map(|now| {
        format!("the tag is another release by now, {now}: the digest that was named decides")
    });
    Ok(VerifiedRelease {
        reference: release.reference.to_string(),
        signers,
        warning,
    })
}

/// What stands beside a release, in words: how many signatures, and what else. Whose they are only a key can tell.
pub fn signatures(release: &ResolvedRelease) -> Result<(usize, Vec<String>), ReleaseError> {
    let material = SignatureMaterial::fetch(&release.store, &release.digest)?;
    Ok((material.count(), material.others))
}
