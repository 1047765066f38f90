//! Statements about a release that are no signature: where it was made, and of what.

use serde::Serialize;
use serde_json::Value;

use super::private_key::PrivateKey;
use super::public_key::KeyId;
use super::sign::{put_bundle, subject};
use super::statement::{SIGNED, bundle};
use crate::releases::document::INDEX;
use crate::releases::error::ReleaseError;
use crate::releases::index::check_size;
use crate::releases::limits;
use crate::releases::pull::{ReleaseOptions, ResolvedRelease};
use crate::releases::reference::ReleaseReference;
use crate::releases::store::Store;

/// What was stated.
#[derive(Clone, Debug, Serialize)]
pub struct Attested {
    /// The release, with its digest.
    pub reference: String,
    /// The type of the statement.
    pub predicate_type: String,
    /// The key that signed it.
    pub key: KeyId,
}

/// Keeps a signed statement beside a release.
pub fn attest(
    reference: &ReleaseReference,
    predicate_type: &str,
    predicate: Value,
    key: &PrivateKey,
    options: &ReleaseOptions,
) -> Result<Attested, ReleaseError> {
    if predicate_type == SIGNED {
        return Err(ReleaseError::Refused(format!(
            "a statement of the type `{SIGNED}` is a signature: make it by `wasmigrate release sign`"
        )));
    }
    let release = ResolvedRelease::checked(reference, options)?;
    let bundle = bundle(&release.digest, predicate_type, predicate, key)?;
    check_size(
        "the statement",
        bundle.len() as u64,
        "the bytes of a bundle",
        limits::BUNDLE_BYTES,
    )?;
    let store = Store::to_write(reference, None, &options.access)?;
    let subject = subject(INDEX, &release.digest, release.bytes.len() as u64);
    put_bundle(&store, subject, &bundle, predicate_type)?;
    store.finish()?;
    Ok(Attested {
        reference: release.reference.to_string(),
        predicate_type: predicate_type.to_owned(),
        key: key.public()?.id(),
    })
}
