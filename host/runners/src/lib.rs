//! The components that run migrations written in scripts. They are built from `guest-migrations/runners/` together with this
//! crate, and kept compressed.

/// A runner: a component of one world.
#[derive(Debug)]
pub struct Runner {
    /// Its SHA-256 in hexadecimal.
    pub digest: &'static str,
    deflated: &'static [u8],
}

/// Scripts in JavaScript as steps; none when it was not built, see [`MISSING`].
pub static JAVASCRIPT_STEP: Option<Runner> = runner(
    env!("WASMIGRATE_JAVASCRIPT_STEP_DIGEST"),
    include_bytes!(concat!(env!("OUT_DIR"), "/javascript_step")),
);

/// Scripts in JavaScript as transformations; none when it was not built.
pub static JAVASCRIPT_TRANSFORM: Option<Runner> = runner(
    env!("WASMIGRATE_JAVASCRIPT_TRANSFORM_DIGEST"),
    include_bytes!(concat!(env!("OUT_DIR"), "/javascript_transform")),
);

/// What makes JavaScript of TypeScript; none when it was not built.
pub static TYPESCRIPT: Option<Runner> = runner(
    env!("WASMIGRATE_TYPESCRIPT_DIGEST"),
    include_bytes!(concat!(env!("OUT_DIR"), "/typescript")),
);

/// The SHA-256 of the runner of Python, which is no part of the binary; none when it was not built.
pub const PYTHON: Option<&str> = {
    let digest = env!("WASMIGRATE_PYTHON_DIGEST");
    match digest.is_empty() {
        true => None,
        false => Some(digest),
    }
};

/// Why the runner of Python was not built; empty when it was.
pub const PYTHON_MISSING: &str = env!("WASMIGRATE_PYTHON_MISSING");

/// Why runners were not built; empty when they were.
pub const MISSING: &str = env!("WASMIGRATE_RUNNERS_MISSING");

const fn runner(digest: &'static str, deflated: &'static [u8]) -> Option<Runner> {
    match deflated.is_empty() {
        true => None,
        false => Some(Runner { digest, deflated }),
    }
}

impl Runner {
    /// The component.
    pub fn bytes(&self) -> Vec<u8> {
        // The build has compressed it: it cannot be broken.
        miniz_oxide::inflate::decompress_to_vec(self.deflated).unwrap_or_default()
    }
}
