//! Applies: migrate and finalize succeed, and what is there afterwards is what was expected.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::super::Error;
use super::super::declarations::Declarations;
use super::super::expected;
use super::super::fixture::Fixture;
use super::super::injection::InjectionPlan;
use super::super::report::Finding;
use super::super::scratch::ScratchDatabase;
use super::super::trial::{Trial, snapshot_with_traits};
use super::{Case, place};
use crate::engine::Failure;

/// Tries the step on a base, which becomes the case's.
pub(in crate::rehearsal) fn apply(
    trial: &Trial<'_>,
    fixture: Fixture,
    base: Arc<ScratchDatabase>,
) -> Result<Result<Case, Finding>, Error> {
    let kind = base.kind();
    let (before, traits) = snapshot_with_traits(&*base.database())?;
    let plan = InjectionPlan {
        learns_deeds: true,
        ..InjectionPlan::default()
    };
    let began = Instant::now();
    let copy = base.copy()?;
    let copied = began.elapsed();
    let undisturbed = match trial.perform(copy, plan)? {
        Ok(undisturbed) => undisturbed,
        Err((phase, stumble)) => {
            let advice = advice(stumble.failure.as_deref(), stumble.is_refused);
            let what = match stumble.is_refused {
                true => "it refuses to run".to_owned(),
                false => format!("{phase} fails"),
            };
            return Ok(Err(stumble.finding(&place(kind, &fixture), &what, advice)));
        }
    };
    Ok(Ok(Case {
        kind,
        fixture,
        base,
        before,
        traits,
        copied,
        undisturbed,
        unstable: OnceLock::new(),
    }))
}

/// What is wrong with the result, as the files beside the fixture have it; or the files are written anew.
pub(in crate::rehearsal) fn compare(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    accept: bool,
) -> Result<expected::Compared, Error> {
    expected::compare(trial, case, declarations, accept)
}

/// What to do about a failure.
pub(in crate::rehearsal) fn advice(failure: Option<&Failure>, is_refused: bool) -> &'static str {
    let Some(failure) = failure else {
        return "see what the message says";
    };
    if is_refused && failure.code == "failed" {
        return "let `check` refuse only what it cannot do anything about";
    }
    match failure.code.as_str() {
        "constraint" => {
            "rows that the old schema allows do not fit: deal with NULL, duplicates and orphans before the constraint is there, \
             or let `check` refuse them before anything is changed"
        }
        "database" => {
            "the database does not accept the statement: write what both databases understand, ask which one it is, or put \
             one file for each (NNNN_name.sqlite.sql, NNNN_name.postgres.sql)"
        }
        "trap" | "exited" => {
            "the component broke off: deal with the value that it did not expect (NULL, an empty text, a long one, …)"
        }
        "limit" => "read and write in batches, so that memory and values do not grow with the data",
        "failed" => {
            "deal with the value that it stumbled over; rows that it cannot take are for `check` to refuse, before anything \
             is changed"
        }
        _ => "see what the message says",
    }
}
