//! Signatures of releases: made so that cosign takes them, and taken as cosign makes them.
//!
//! A signature counts when it is over the digest of the release itself, made to sign it, and of a key that somebody has named.
//! Statements of other kinds count where the rules demand them; signatures that need a transparency log or a certificate are told and
//! never counted.

mod attest;
mod fuzzing;
mod material;
mod pem;
mod private_key;
mod public_key;
mod secret_box;
mod sign;
mod statement;

pub use attest::attest;
pub(super) use fuzzing::read_foreign;
pub(super) use material::{SignatureMaterial, signature_tag};
pub use private_key::PrivateKey;
pub use public_key::{KeyId, PublicKey};
pub use sign::sign;
