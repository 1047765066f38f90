//! From a stream to a file or to memory: hashed on the way, never longer than was said.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use super::content_digest::ContentDigest;
use super::error::ReleaseError;
use crate::catalog::hexadecimal;

/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// Why a stream was not taken.
pub(super) enum DownloadError {
    /// It broke off: another try may help.
    Broken(io::Error),
    /// What came is not wanted, or cannot be kept.
    Final(ReleaseError),
}

/// Copies a stream that must have this digest and this size.
pub(super) fn copy_checked(
    mut from: impl Read,
    mut to: impl Write,
    what: &str,
    digest: &ContentDigest,
    size: u64,
) -> Result<(), DownloadError> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut taken = 0_u64;
    loop {
        let read = match from.read(&mut piece) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DownloadError::Broken(error)),
        };
        let bytes = piece.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        taken += read as u64;
        if taken > size {
            return Err(DownloadError::Final(ReleaseError::OverLimit {
                what: what.to_owned(),
                limit: "its bytes, as its manifest says",
                most: size.to_string(),
            }));
        }
        hasher.update(bytes);
        to.write_all(bytes).map_err(|error| {
            DownloadError::Final(ReleaseError::file("write", "the cache")(error))
        })?;
    }
    if taken < size {
        let why = format!("{what} ends after {taken} of {size} bytes");
        return Err(DownloadError::Broken(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            why,
        )));
    }
    let actual = hexadecimal(&hasher.finalize());
    match ContentDigest::from_hexadecimal(&actual) {
        Some(actual) if actual != *digest => Err(DownloadError::Final(ReleaseError::OtherBytes {
            what: what.to_owned(),
            expected: digest.clone(),
            actual,
        })),
        _ => Ok(()),
    }
}
