//! A look at the signatures of a release.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Who has signed each step that needs a signature of its own.
    pub steps: BTreeMap<String, Signers>,
    /// The steps that may not run outside a transaction, because nobody has signed them who must for that.
    pub inside_only: BTreeSet<String>,
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
    let release = ResolvedRelease::checked(reference, options)?;
    let material = |digest: &_| SignatureMaterial::fetch(&release.store, digest);
    let verified = trust.verify(reference, (&release.digest, &release.index), &material)?;
    let warning = release.moved(reference)?;
    Ok(VerifiedRelease {
        reference: release.reference.to_string(),
        signers: verified.signers,
        steps: verified.steps,
        inside_only: verified.inside_only,
        warning,
    })
}

impl ResolvedRelease {
    /// That the tag of a reference with a digest is another release by now.
    pub fn moved(&self, reference: &ReleaseReference) -> Result<Option<String>, ReleaseError> {
        let now = match (&reference.tag, &reference.digest) {
            (Some(tag), Some(_)) => self.store.digest_of(tag)?,
            _ => None,
        };
        let other = now.filter(|now| *now != self.digest);
        Ok(other.map(|now| {
            format!("the tag is another release by now, {now}: the digest that was named decides")
        }))
    }
}

/// What stands beside a release.
#[derive(Clone, Debug, Serialize)]
pub struct SignaturesSeen {
    /// How many signatures there are, of whomever.
    pub signatures: usize,
    /// Who has signed it, of those who must; none where nothing says who must.
    pub verified: Option<Signers>,
    /// Why the signatures are not enough, where something says who must have signed.
    pub refused: Option<String>,
    /// Statements of other kinds.
    pub attestations: Vec<StatementSeen>,
    /// What else refers to it, in words.
    pub others: Vec<String>,
}

/// A statement about a release.
#[derive(Clone, Debug, Serialize)]
pub struct StatementSeen {
    /// Its type.
    pub predicate_type: String,
    /// Who has signed it, of those who may sign the release.
    pub signers: Signers,
}

/// Looks at what stands beside a release; whose signatures are only rules or a key can tell.
pub fn signatures(
    release: &ResolvedRelease,
    trust: Option<&TrustPolicy>,
) -> Result<SignaturesSeen, ReleaseError> {
    let ResolvedRelease {
        reference,
        digest,
        index,
        store,
        ..
    } = release;
    let found = SignatureMaterial::fetch(store, digest)?;
    let material = |of: &_| match of == digest {
        true => Ok(found.clone()),
        false => SignatureMaterial::fetch(store, of),
    };
    let verified = trust.map(|trust| trust.verify(reference, (digest, index), &material));
    let (verified, refused) = match verified {
        None => (None, None),
        Some(Ok(verified)) => (Some(verified.signers), None),
        Some(Err(error)) => (None, Some(error.to_string())),
    };
    let mut attestations = Vec::new();
    for kind in found.stated() {
        let signers = trust.map(|trust| trust.attesters(reference, digest, &found, kind));
        attestations.push(StatementSeen {
            predicate_type: ReleaseError::said(kind),
            // What is wrong with the rules was said above.
            signers: signers.and_then(Result::ok).unwrap_or_default(),
        });
    }
    Ok(SignaturesSeen {
        signatures: found.count(),
        verified,
        refused,
        attestations,
        others: found.others,
    })
}
