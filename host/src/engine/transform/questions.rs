//! What is asked of a table before its rows are touched.

use super::plan::Plan;
use crate::database::Session;
use crate::engine::failure::{Blame, Failure};

/// Refuses a table with a row that nothing names.
pub(super) async fn refuse_nameless(session: &mut dyn Session, plan: &Plan) -> Result<(), Failure> {
    let found = plan.table.has_nameless_row(session).await;
    match found.map_err(Failure::from_database)? {
        false => Ok(()),
        true => Err(Failure::new(
            "incompatible",
            Blame::Step,
            format!(
                "a row of the table {} has no key, so that nothing names it: fill it in, or name other columns as the key",
                plan.table.name
            ),
        )),
    }
}
