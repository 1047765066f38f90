//! Whether a script is over at once, told by its words.

use std::collections::BTreeSet;

use super::super::brief;
use super::reading;

pub(super) fn is_brief(script: &str, made: &mut BTreeSet<String>) -> bool {
    let Ok(pieces) = reading::split(script) else {
        return false;
    };
    let words = pieces.iter().map(|piece| reading::words(script, piece));
    brief::is_brief(script.len(), words, made)
}
