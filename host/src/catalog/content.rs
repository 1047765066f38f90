//! The content of a file, and its SHA-256.

use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::input;

/// The most bytes of a step's file. Stops one that fills the memory.
const MOST_BYTES: u64 = 1 << 30;

/// The bytes of a file, which must be one, and no larger than may be.
pub fn read_step_file(path: &Path) -> io::Result<Vec<u8>> {
    input::read_at_most(path, MOST_BYTES)
}

/// The SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// That of a file, however large.
pub(super) fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut file = input::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            Some([]) | None => return Ok(hexadecimal(&hasher.finalize())),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

/// Bytes in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
