//! What is known of a script before any of it runs: what never ends, and what is never permitted.

use super::super::{Error, ErrorKind, Result, ScriptError, TransactionNeed};
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
        if let Some(why) = of_a_shell(script, piece) {
            let error = Error::new(ErrorKind::Syntax, why);
            return Err(ScriptError::at(script, piece.at.clone(), error));
        }
        admit(piece, is_transactional)
            .map_err(|error| ScriptError::at(script, piece.at.clone(), error))?;
    }
    Ok(())
}

/// Why a statement is none of SQLite's, but of a shell or of a program that gives it values.
fn of_a_shell(script: &str, piece: &Piece) -> Option<String> {
    let text = script.get(piece.at.clone()).unwrap_or_default();
    let command = || text.split_whitespace().next().unwrap_or_default();
    match piece.words().as_slice() {
        [".", ..] => Some(format!(
            "`{}` is a command of SQLite's shell, not SQL: take it out, or say the same in SQL",
            command()
        )),
        ["\\", ..] => Some(format!(
            "`{}` is a command of psql, not SQL: take it out, or say the same in SQL",
            command()
        )),
        ["copy", ..] => Some(
            "COPY is PostgreSQL's: SQLite has no such statement; write the rows with INSERT"
                .to_owned(),
        ),
        _ => piece.parameter.clone().map(|at| {
            format!(
                "a statement of a script takes no parameters: write the value in the place of `{}`",
                script.get(at).unwrap_or_default()
            )
        }),
    }
}

fn admit(piece: &Piece, is_transactional: bool) -> Result<()> {
    let words = piece.words();
    match is_transactional {
        true => guard::permit_words(&words)
            .map_err(|why| Error::not_permitted(format!("not permitted: {why}"))),
        false => pragma::admit_outside(&words),
    }
}
