//! The lines at the head of a baseline that name the steps that it stands for: `-- squashed: NAME DIGEST`.
//!
//! The digest is the SHA-256 of the step's file; the word `finalizes` after it says that the step had something to finalize. A
//! line without a digest is as good, and says less.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::{file_name, step_label};
use crate::input;

/// How such a line begins, after the signs of a comment.
const SQUASHED: &str = "squashed:";

/// What says that a step had something to finalize.
const FINALIZES: &str = "finalizes";

/// How many letters a digest has.
const DIGEST_LETTERS: usize = 64;

/// How much of a file may be its head. Stops one that fills the memory.
const MOST_BYTES: u64 = 1 << 24;

/// A step that a baseline stands for. Its file need not be there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquashedStep {
    /// Its place in the order.
    pub index: u64,
    /// Its name.
    pub name: String,
    /// The SHA-256 of its file, where the baseline says it.
    pub digest: Option<String>,
    /// Whether it had something to finalize, as far as that is said.
    pub finalizes: bool,
}

impl SquashedStep {
    /// The step, as `NNNN_name`.
    pub fn label(&self) -> String {
        step_label(self.index, &self.name)
    }

    /// The line that names it.
    pub fn line(&self) -> String {
        let digest = self.digest.iter().map(|digest| format!(" {digest}"));
        let digest: String = digest.collect();
        let finalizes = match self.finalizes && self.digest.is_some() {
            true => format!(" {FINALIZES}"),
            false => String::new(),
        };
        format!("-- {SQUASHED} {}{digest}{finalizes}\n", self.label())
    }

    /// Reads what follows the colon.
    fn read(text: &str) -> Result<Self, String> {
        let unmarked = text.strip_suffix(FINALIZES).map(str::trim_end);
        let marked = unmarked.and_then(split_digest);
        let finalizes = marked.is_some();
        let (label, digest) = match marked.or_else(|| split_digest(text)) {
            Some((label, digest)) => (label, Some(digest.to_ascii_lowercase())),
            None => (text, None),
        };
        let version = file_name::baselined_version(label).and_then(|version| version.index());
        let (index, name) = match version {
            Some(index) => (index, label.to_owned()),
            None => file_name::index_and_name(label).map_err(|_| {
                format!("names `{label}` as squashed, which cannot be a step: write `-- {SQUASHED} NNNN_name`")
            })?,
        };
        Ok(Self {
            index,
            name,
            digest,
            finalizes,
        })
    }
}

/// A name, and the digest after it.
fn split_digest(text: &str) -> Option<(&str, &str)> {
    let (label, digest) = text.rsplit_once([' ', '\t'])?;
    let is_digest =
        digest.len() == DIGEST_LETTERS && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then_some((label.trim_end(), digest))
}

/// The steps that the comments at the head of a file name, or why a line names none.
pub(super) fn at_the_head_of(path: &Path) -> io::Result<Result<Vec<SquashedStep>, String>> {
    let mut reader = BufReader::new(input::open(path)?.take(MOST_BYTES));
    let mut squashed = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(Ok(squashed));
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            continue;
        }
        let Some(comment) = text.strip_prefix("--").map(str::trim_start) else {
            return Ok(Ok(squashed));
        };
        let Some((word, named)) = comment.split_at_checked(SQUASHED.len()) else {
            continue;
        };
        if word.eq_ignore_ascii_case(SQUASHED) {
            match SquashedStep::read(named.trim()) {
                Ok(step) => squashed.push(step),
                Err(why) => return Ok(Err(why)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_is_written() {
        let digest = "0a".repeat(DIGEST_LETTERS / 2);
        for (digest, finalizes) in [
            (None, false),
            (Some(digest.clone()), false),
            (Some(digest), true),
        ] {
            let step = SquashedStep {
                index: 7,
                name: "two words".to_owned(),
                digest,
                finalizes,
            };
            let line = step.line();
            let named = line.trim().strip_prefix("-- squashed: ").unwrap();
            assert_eq!(SquashedStep::read(named), Ok(step));
        }
        assert!(SquashedStep::read("words").is_err());
        assert_eq!(
            SquashedStep::read("0001_finalizes").unwrap().name,
            "finalizes"
        );
    }
}
