//! How much of a release is taken from others. Each stops an attack: a registry answers whatever it likes.

use std::time::Duration;

/// The most bytes of a manifest or an index: common registries refuse more, too.
pub(super) const MANIFEST_BYTES: u64 = 4 << 20;

/// The most bytes of the configuration of a component.
pub(super) const CONFIG_BYTES: u64 = 64 << 10;

/// The most bytes of a file of SQL, or of a script.
pub(super) const TEXT_BYTES: u64 = 16 << 20;

/// The most bytes of all files of a release together.
pub(super) const RELEASE_BYTES: u64 = 1 << 30;

/// The most steps of a release.
pub(super) const STEPS: usize = 5_000;

/// The most manifests that refer to another one, of which any may be a signature.
pub(super) const REFERRERS: usize = 64;

/// The most bytes of a manifest that refers to another one: all else is no signature.
pub(super) const REFERRER_BYTES: u64 = 256 << 10;

/// The most bytes of all manifests in a layout that refer to others.
pub(super) const ALL_REFERRERS_BYTES: u64 = 128 << 20;

/// The most bytes of all signatures and statements beside one manifest.
pub(super) const MATERIAL_BYTES: u64 = 8 << 20;

/// The most signatures in the older form.
pub(super) const SIGNATURES: usize = 64;

/// The most bytes of a bundle with a signature.
pub(super) const BUNDLE_BYTES: u64 = 1 << 20;

/// The most bytes of what a signature in the older form is over.
pub(super) const PAYLOAD_BYTES: u64 = 64 << 10;

/// The most bytes of a token, and of the answer that holds it.
pub(super) const TOKEN_BYTES: u64 = 64 << 10;

/// The most bytes of an error's text that are read.
pub(super) const ERROR_BYTES: u64 = 16 << 10;

/// How long a connection may take to come about.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection may be without a byte.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// How long one answer may take to its end, however it trickles.
pub(super) const WHOLE_ANSWER: Duration = Duration::from_secs(30 * 60);

/// How often something is tried that may pass.
pub(super) const TRIES: u32 = 3;

/// The longest pause that a registry is granted by its `Retry-After`.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a registry is waited for because it asks for that, in all requests for one release together.
pub(super) const ALL_PAUSES: Duration = Duration::from_secs(120);

/// How many redirects are followed.
pub(super) const REDIRECTS: usize = 5;

/// How many blobs are on their way at the same time: some registries slow down those who send more.
pub(super) const AT_A_TIME: usize = 4;

/// How long a credential helper may take.
pub(super) const HELPER: Duration = Duration::from_secs(10);
