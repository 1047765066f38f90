//! What is known of a script before any of it runs: what never ends, and what is never permitted.

use super::super::{Error, Result, ScriptError, TransactionNeed};
use super::reading::{self, Piece};
use super::{effect, guard, pragma};

/// Why a file is refused that runs outside a transaction, and begins one.
const BOTH: &str = "not permitted: BEGIN: the file asks to run outside a transaction, and in one of its own (BEGIN … COMMIT): take \
     out what asks for the one or for the other";

/// Judges a script by its text alone. `decide` is told what it needs, and says whether it runs in a transaction.
pub(super) fn judge(
    script: &str,
    decide: &mut dyn FnMut(TransactionNeed) -> bool,
) -> std::result::Result<(), ScriptError> {
    let pieces = match reading::split(script) {
        Ok(pieces) => pieces,
        Err(error) => {
            decide(TransactionNeed::Fits);
            return Err(error);
        }
    };
    let is_transactional = decide(pragma::transaction_need(&pieces));
    let around = pragma::transaction(&pieces);
    if !is_transactional
        && let Some([first, _]) = around
        && let Some(begin) = pieces.get(first)
    {
        let error = Error::not_permitted(BOTH);
        return Err(ScriptError::at(script, begin.at.clone(), error));
    }
    if !is_transactional && let Some((piece, error)) = effect::without(&pieces) {
        return Err(ScriptError::at(script, piece.at.clone(), error));
    }
    let mut has_trigger = false;
    for (place, piece) in pieces.iter().enumerate() {
        let is_passed_over = around.is_some_and(|around| around.contains(&place))
            || pragma::asks_for_what_is(&piece.words()).is_some();
        // SQLite alone knows where the body of a trigger ends.
        let may_end_a_body = has_trigger && piece.words().first() == Some(&"end");
        has_trigger |= piece.words().contains(&"trigger");
        if is_passed_over || may_end_a_body {
            continue;
        }
        admit(piece, is_transactional)
            .map_err(|error| ScriptError::at(script, piece.at.clone(), error))?;
    }
    Ok(())
}

fn admit(piece: &Piece, is_transactional: bool) -> Result<()> {
    let words = piece.words();
    match is_transactional {
        true => guard::permit_words(&words)
            .map_err(|why| Error::not_permitted(format!("not permitted: {why}"))),
        false => pragma::admit_outside(&words),
    }
}
