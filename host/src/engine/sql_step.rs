//! Steps in SQL, and whether they run in a transaction on this database.

use crate::catalog::{self, SqlStep, StepFile};
use crate::database::{Database, TransactionNeed};

/// A step in SQL as it runs on a database.
pub(super) struct PlacedStep {
    pub(super) step: SqlStep,
    /// What is said when it runs otherwise than its file says.
    pub(super) remark: Option<&'static str>,
}

const BY_ITSELF: &str = "runs outside a transaction: each of its statements refuses to run in one";

const NO_NEED: &str = "runs in a transaction, although it asks for none: none of its statements refuses to run in one, and \
     where there is one writer the others gain nothing";

/// Takes a file apart, and decides whether its `migrate` runs in a transaction.
pub(super) fn read(
    database: &dyn Database,
    file: &StepFile,
    bytes: &[u8],
) -> Result<PlacedStep, catalog::Error> {
    let mut step = SqlStep::of(file, bytes)?;
    let text = step.migrate.as_ref().map_or("", |section| &section.text);
    let has_one_writer = database.capabilities().has_one_writer();
    let remark = match (step.transactional, database.transaction_need(text)) {
        (true, TransactionNeed::Refuses) => Some(BY_ITSELF),
        (false, TransactionNeed::Fits) if has_one_writer => Some(NO_NEED),
        _ => None,
    };
    step.transactional ^= remark.is_some();
    Ok(PlacedStep { step, remark })
}
