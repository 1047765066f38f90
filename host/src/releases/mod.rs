//! Releases: sets of steps in the registries that hold container images, and in archives of the same layout.
//!
//! A release is an index of manifests, one for each step; a component is in it as other tools for components keep one. A reference is
//! resolved once: to the bytes of an index whose digest is known. From there on digests alone count, and what comes is compared with
//! them. It ends as a directory of files in the cache, which the rest of the host takes for what it is: a directory of steps.
//!
//! This room talks to registries, and to those to whom they send it, as it must: nothing else of the host does. It runs nothing, and
//! knows no database.

mod archive;
mod cache;
mod component;
mod content_digest;
mod copy;
mod credentials;
mod diff;
mod document;
mod download;
mod error;
mod fuzzing;
mod index;
mod interface;
mod layout;
mod limits;
mod lock;
mod packing;
mod predicate;
mod pull;
mod push;
mod reference;
mod registry;
mod settings;
mod signing;
mod source;
mod step_manifest;
mod store;
mod trust;
mod verify;

pub use content_digest::ContentDigest;
pub use copy::copy;
pub use diff::{ReleaseDifference, StepChange, StepDifference, diff};
pub use error::ReleaseError;
pub use fuzzing::read_foreign;
pub use index::{Identity, PackedFile, PackedStep};
pub use interface::Interface;
pub use lock::{ReleaseLock, lock};
pub use predicate::predicate_type;
pub use pull::{ReleaseOptions, ResolvedRelease};
pub use push::{PushOptions, Pushed, push, push_component};
pub use reference::{ReleaseReference, is_reference};
pub use settings::{RegistryAccess, RegistryConfig};
pub use signing::{PrivateKey, attest, sign};
pub use source::{Asking, ReleaseSource};
pub use trust::TrustPolicy;
pub use verify::{SignaturesSeen, signatures, verify};
