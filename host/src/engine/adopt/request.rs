//! What was asked for, and another tool's history as it asks for it.

use super::ImportOrder;
use crate::database::{self, Access, ErrorKind, Session, Stop};
use crate::engine::{Engine, RunError};
use crate::foreign::{self, History, Owner, Table, Tool};

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
    Table::named(order.table.as_deref().unwrap_or_default())
}

/// The order with the table that it means.
pub(super) async fn located(
    engine: &Engine,
    order: &ImportOrder,
    stop: &Stop,
) -> Result<ImportOrder, RunError> {
    let mut order = order.clone();
    order.out_of_order |= engine.options.allowances.out_of_order;
    if order.table.is_none() {
        let mut session = engine.database.open(Access::Read, stop).await?;
        session.begin_read().await?;
        let table = foreign::locate(&mut *session, order.from).await?;
        let elsewhere = match session.column_names(table.names()).await? {
            Some(_) => Vec::new(),
            None => elsewhere(order.from, &mut *session).await?,
        };
        session.rollback().await?;
        if let [first, ..] = elsewhere.as_slice() {
            let tool = order.from.as_str();
            let tables: Vec<String> = elsewhere.iter().map(|found| format!("`{found}`")).collect();
            return Err(RunError::Refused(format!(
                "there is no table `{table}`, where {tool} has its history by default; {} {} like it: `wasmigrate import --from \
                 {tool} --table {first}` takes over the history that is there",
                tables.join(", "),
                if tables.len() == 1 { "looks" } else { "look" }
            )));
        }
        order.table = Some(table.to_string());
    }
    Ok(order)
}

/// Where else the history of a tool may be.
async fn elsewhere(tool: Tool, session: &mut dyn Session) -> Result<Vec<String>, RunError> {
    let found = foreign::find(session).await?.into_iter();
    let of_it = found.filter(|found| found.owner == Owner::Tool(tool));
    Ok(of_it.map(|found| found.table.to_string()).collect())
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
