//! What is asked of a table before its rows are touched.

use super::plan::Plan;
use crate::database::Session;
use crate::engine::failure::{Blame, Failure};
use crate::journal;

/// Refuses a table with a row that nothing names.
pub(super) async fn refuse_nameless(session: &mut dyn Session, plan: &Plan) -> Result<(), Failure> {
    let refused = |why: String| Err(Failure::new("incompatible", Blame::Step, why));
    let name = &plan.table.name;
    let found = plan.table.has_nameless_row(session).await;
    if found.map_err(Failure::from_database)? {
        return refused(format!(
            "a row of the table {name} has no key, so that nothing names it: fill it in, or name other columns as the key"
        ));
    }
    let found = plan.table.key_without_text(session).await;
    match found.map_err(Failure::from_database)? {
        None => Ok(()),
        Some(key) => refused(format!(
            "the key of a row of the table {name} is a text that is not UTF-8 (in hexadecimal: {key}), so that nothing that is \
             read of it names the row: correct it, or name other columns as the key"
        )),
    }
}

/// Refuses what finalize could not do: rows that the condition leaves out get no value, and one is demanded of each. Once the
/// derived columns `are_there`, somebody else may have given them one.
pub(super) async fn refuse_left_out(
    session: &mut dyn Session,
    plan: &Plan,
    are_there: bool,
) -> Result<(), Failure> {
    let left_out = plan.table.left_out_row(session, are_there).await;
    let Some(key) = left_out.map_err(Failure::from_database)? else {
        return Ok(());
    };
    let required: Vec<&str> = plan.table.required().collect();
    let why = format!(
        "the condition `{}` leaves out the row of the table {} with the key {}, so that it has no value in {}, which must not be \
         null: finalize could not succeed; let the column be null, let the condition take in all rows, or change or delete those \
         that it leaves out",
        plan.table.filter.as_deref().unwrap_or_default(),
        plan.table.name,
        journal::write_key(&key),
        required.join(", ")
    );
    Err(Failure::new("incompatible", Blame::Step, why))
}

/// What the cut-over takes along with the columns that go, in words; none when it takes nothing along.
pub(super) async fn goes_along(
    session: &mut dyn Session,
    plan: &Plan,
) -> Result<Option<String>, Failure> {
    let transforming = session.server().transforming;
    let goes_along = transforming.goes_along(session, &plan.table).await;
    let goes_along = goes_along.map_err(Failure::from_database)?;
    Ok((!goes_along.is_empty()).then(|| {
        format!(
            "drops, with its old columns at finalize: {}; a step after it has to make again what is still needed",
            goes_along.join(", ")
        )
    }))
}
