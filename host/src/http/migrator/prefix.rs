//! What all paths of the API begin with.

/// The prefix of the host's own API.
const OF_THE_HOST: &str = "/api";

/// A prefix such as `/migrator`; empty for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(String);

/// Why a text is no prefix.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` cannot be the prefix of a path: write it as /NAME, of letters, digits, `-`, `.`, `_` and `~`"
)]
pub struct PrefixError(String);

impl PathPrefix {
    /// Reads a prefix. Slashes at either end do not count.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let inner = text.trim_matches('/');
        let fits = |part: &str| {
            let mut bytes = part.bytes();
            !part.is_empty()
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        match inner {
            "" => Ok(Self(String::new())),
            inner if inner.split('/').all(fits) => Ok(Self(format!("/{inner}"))),
            _ => Err(PrefixError(text.to_owned())),
        }
    }

    /// What is put before a path.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the host's own API begins with the same, so that what is not found here may be found there.
    pub(super) fn is_of_the_host(&self) -> bool {
        self.0 == OF_THE_HOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_either_end_do_not_count() {
        for (text, prefix) in [
            ("", ""),
            ("/", ""),
            ("/migrator", "/migrator"),
            ("migrator/", "/migrator"),
            ("/a/b", "/a/b"),
        ] {
            assert_eq!(PathPrefix::parse(text).unwrap().as_str(), prefix);
        }
        for text in ["/{a}", "/a//b", "/a b", "/a?b", "/ä"] {
            assert!(PathPrefix::parse(text).is_err(), "{text}");
        }
    }
}
