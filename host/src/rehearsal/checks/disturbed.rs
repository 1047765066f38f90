//! A step in one place, disturbed: what can be tried in turn on one database first, then the rest alone.

use std::time::Instant;

use super::super::Error;
use super::super::declarations::Declarations;
use super::super::report::{Check, Part};
use super::super::trial::Trial;
use super::in_turn::{Turned, Turns, try_in_turn};
use super::{Case, crashes, deterministic, environment, inserts, reset};

/// What is known of a step before it is disturbed.
#[derive(Clone, Copy, Debug)]
pub(in crate::rehearsal) struct Nature {
    /// Whether it is a transformation, on which several may work.
    pub(in crate::rehearsal) is_transformation: bool,
    /// Whether it has a reset.
    pub(in crate::rehearsal) is_reversible: bool,
}

/// Tries one place: whether it survives crashes, whether reset undoes it, and whether it is deterministic.
pub(in crate::rehearsal) fn check(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    nature: Nature,
    is_first: bool,
) -> Result<Vec<(Check, Part)>, Error> {
    let began = Instant::now();
    let chosen = crashes::chosen(trial, case);
    let turns = Turns {
        // The chunks of a transformation that are committed are not done again.
        points: match nature.is_transformation {
            true => &[],
            false => &chosen,
        },
        // What is declared as lost is told.
        has_reset: nature.is_reversible && declarations.lossy().is_empty(),
        is_first,
    };
    let turned: Turned = try_in_turn(trial, case, declarations, &turns)?;
    let in_turn = began.elapsed().saturating_sub(turned.undone);
    let crashed = crashes::check(trial, case, declarations, &chosen, &turned, in_turn)?;
    let mut parts = vec![(Check::Crashes, crashed)];
    if nature.is_reversible {
        let undone = reset::check(trial, case, declarations, &turned)?;
        parts.push((Check::Reset, undone));
    }
    let has_workers = nature.is_transformation;
    let steady = deterministic::check(trial, case, declarations, has_workers, &turned)?;
    parts.push((Check::Deterministic, steady));
    let elsewhere = environment::check(trial, case, declarations, &turned)?;
    parts.push((Check::Environment, elsewhere));
    parts.push((Check::Inserts, inserts::check(trial, case)?));
    Ok(parts)
}
