//! What is known of a script before any of it is sent: what never ends, and what is never permitted.

use std::collections::BTreeSet;

use super::super::{Error, ScriptError, TransactionNeed};
use super::guard::Host;
use super::lexer::{Rules, Token};
use super::statements::{self, Piece};
use super::{around, guard};

/// Why a file is refused that runs outside a transaction, and begins one.
const BOTH: &str = "the file asks to run outside a transaction, and in one of its own (BEGIN … COMMIT): take out what asks for the \
     one or for the other";

/// Judges a script by its text alone. `decide` is told what it needs, and says whether it runs in a transaction.
///
/// How the server reads strings is known only where there is a connection: what is a mistake in one reading alone is told when
/// it runs. So is what stands in the way of the journal where that is not in the schema `journal`.
pub(super) fn judge(
    script: &str,
    journal: Option<&str>,
    decide: &mut dyn FnMut(TransactionNeed) -> bool,
) -> Result<(), ScriptError> {
    let mut decided = true;
    let judged = judge_by(script, journal, Rules::default(), &mut |need| {
        decided = decide(need);
        decided
    });
    judged.or_else(|error| {
        let other = Rules {
            standard_strings: false,
        };
        judge_by(script, journal, other, &mut |_| decided).map_err(|_| error)
    })
}

fn judge_by(
    script: &str,
    journal: Option<&str>,
    rules: Rules,
    decide: &mut dyn FnMut(TransactionNeed) -> bool,
) -> Result<(), ScriptError> {
    let pieces = match statements::split(script, rules) {
        Ok(pieces) => pieces,
        Err(mistake) => {
            decide(TransactionNeed::Fits);
            return Err(mistake.of(script));
        }
    };
    let words: Vec<Vec<Token<'_>>> = pieces
        .iter()
        .map(|piece| piece.tokens(script).collect())
        .collect();
    let is_transactional = decide(around::transaction_need(&words));
    let around = around::transaction(script, &pieces);
    if let Some([first, _]) = around
        && !is_transactional
        && let Some(begin) = pieces.get(first)
    {
        return Err(asks_for_both(script, begin));
    }
    let around_objects = match is_transactional {
        true => around::around_large_objects(script, &pieces),
        false => Vec::new(),
    };
    let passed_over: BTreeSet<usize> = around.into_iter().flatten().chain(around_objects).collect();
    for (place, (piece, words)) in pieces.iter().zip(words).enumerate() {
        if passed_over.contains(&place) {
            continue;
        }
        let fits = match is_transactional {
            true => around::admit_inside(&words),
            false => Ok(()),
        };
        let host = Host {
            journal,
            ..Host::default()
        };
        guard::check_words(words, piece.rows.is_some(), host)
            .and(fits)
            .map_err(|error| ScriptError::at(script, piece.at.clone(), error))?;
    }
    Ok(())
}

/// The error of a script that is to run outside a transaction, and begins one with this statement.
pub(super) fn asks_for_both(script: &str, begin: &Piece) -> ScriptError {
    let error = Error::not_permitted(format!("not permitted: BEGIN: {BOTH}"));
    ScriptError::at(script, begin.at.clone(), error)
}
