//! Whether a script is over at once, told by its words.

use std::collections::BTreeSet;

use super::super::brief;
use super::lexer::Rules;
use super::statements;

pub(super) fn is_brief(script: &str, made: &mut BTreeSet<String>) -> bool {
    let Ok(pieces) = statements::split(script, Rules::default()) else {
        return false;
    };
    if pieces.iter().any(|piece| piece.rows.is_some()) {
        return false;
    }
    let words = pieces.iter().map(|piece| {
        let tokens = piece.tokens(script);
        tokens
            .map(|token| token.name().unwrap_or_else(|| token.text.to_owned()))
            .collect()
    });
    brief::is_brief(script.len(), words, made)
}
