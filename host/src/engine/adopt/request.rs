//! What was asked for, and another tool's history as it asks for it.

use super::ImportOrder;
use crate::database::{self, ErrorKind, Session};
use crate::engine::RunError;
use crate::foreign::{self, History, Table, Tool};

/// Reads the tool's history.
pub(super) async fn history(
    order: &ImportOrder,
    session: &mut dyn Session,
) -> Result<History, RunError> {
    let history = foreign::read(session, order.from, &table(order)).await;
    history.map_err(refused)
}

/// An error of a reader: what was asked for may be wrong.
pub(super) fn refused(error: database::Error) -> RunError {
    match error.kind {
        ErrorKind::InvalidArgument => RunError::Refused(error.message),
        _ => RunError::Database(error),
    }
}

/// Where the history was, for the run's output.
pub(super) fn origin(order: &ImportOrder) -> String {
    format!("from {} ({})", order.from.as_str(), table(order))
}

pub(super) fn table(order: &ImportOrder) -> Table {
    match &order.table {
        Some(name) => Table::named(name),
        None => order.from.default_table(),
    }
}

pub(super) fn refuse(tool: Tool, problems: Vec<String>) -> Result<(), RunError> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(RunError::Refused(format!(
        "the history of {} does not fit the files, and nothing was written down:\n{}",
        tool.as_str(),
        problems.join("\n")
    )))
}
