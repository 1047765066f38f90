//! Where a step is, so that it can go on from there after a crash.

use crate::error::{Context, Error, Result};

/// What a step can pass to [`Database::checkpoint`](crate::Database::checkpoint) and find again in [`Resume`].
///
/// Numbers and texts are written as text, which an operator can read in the journal.
pub trait Position: Sized {
    /// Writes it.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads what [`to_bytes`](Position::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes are something else.
    fn from_bytes(bytes: &[u8]) -> Result<Self>;
}

impl Position for Vec<u8> {
    fn to_bytes(&self) -> Vec<u8> {
        self.clone()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(bytes.to_vec())
    }
}

impl Position for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.clone().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(std::str::from_utf8(bytes)?.to_owned())
    }
}

impl Position for i64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(std::str::from_utf8(bytes)?.parse()?)
    }
}

impl Position for u64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(std::str::from_utf8(bytes)?.parse()?)
    }
}

/// Where an earlier attempt of [`Step::migrate`](crate::Step::migrate) was cut off: its last checkpoint, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Resume(Option<Vec<u8>>);

impl Resume {
    pub(crate) fn new(cursor: Option<Vec<u8>>) -> Self {
        Self(cursor)
    }

    /// Whether this is the first attempt, or one after an attempt that never reached a checkpoint.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes of the last checkpoint.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }

    /// The position of the last checkpoint.
    ///
    /// ```no_run
    /// # use wasmigrate_sdk::{Resume, Result};
    /// # fn example(resume: Resume) -> Result<()> {
    /// let last_id: i64 = resume.position()?.unwrap_or(0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the checkpoint was written by something else.
    pub fn position<P: Position>(&self) -> Result<Option<P>, Error> {
        self.bytes()
            .map(P::from_bytes)
            .transpose()
            .context("could not read the position of the last checkpoint")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives() {
        let resume = Resume::new(Some((-17_i64).to_bytes()));
        assert_eq!(resume.position::<i64>().unwrap(), Some(-17));
        assert_eq!(resume.position::<String>().unwrap().as_deref(), Some("-17"));
        assert!(resume.position::<u64>().is_err());
        assert!(Resume::default().position::<i64>().unwrap().is_none());
    }
}
