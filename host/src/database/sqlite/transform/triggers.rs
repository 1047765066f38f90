//! The triggers that capture changes.

use crate::database::transform::{TransformedTable, Watched, list, text_of};
use crate::database::{Result, Session, quote};

/// Adds them.
pub(super) fn install(table: &TransformedTable) -> Vec<String> {
    let (capture, name, insert) = (table.capture_name(), &table.name, table.capture_new_key());
    // A key that is the rowid can be changed by each of its names: https://www.sqlite.org/rowidtable.html
    let watched = table.watched.iter().map(String::as_str);
    let watched = list(watched.chain(["rowid", "oid", "_rowid_"]));
    let events = [
        ("insert", "INSERT".to_owned()),
        ("update", format!("UPDATE OF {watched}")),
    ];
    events
        .map(|(suffix, event)| {
            format!("CREATE TRIGGER {capture}_{suffix} AFTER {event} ON {name} BEGIN {insert} END")
        })
        .to_vec()
}

/// Removes them.
pub(super) fn remove(table: &TransformedTable) -> Vec<String> {
    let capture = table.capture_name();
    ["insert", "update"]
        .map(|suffix| format!("DROP TRIGGER IF EXISTS {capture}_{suffix}"))
        .to_vec()
}

/// The tables that they are on, but for the transformed one: they stay on a table that is called something else now.
pub(super) async fn strays(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<Vec<String>> {
    let capture = table.capture_name();
    let query = "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name IN (?1, ?2) ORDER BY 1";
    let names = ["insert", "update"].map(|suffix| format!("{capture}_{suffix}").into());
    let rows = session.rows(query, &names).await?;
    let tables = rows.iter().map(|row| quote(&text_of(row.first())));
    Ok(tables
        .filter(|other| !other.eq_ignore_ascii_case(&table.name))
        .collect())
}

/// The triggers as they are: their text names the table and the columns, also after these were renamed.
pub(super) async fn watched(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<Watched> {
    let capture = table.capture_name();
    let mut watched = Watched::default();
    for suffix in ["insert", "update"] {
        let query = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1";
        let name = format!("{capture}_{suffix}");
        for row in session.rows(query, &[name.as_str().into()]).await? {
            watched.table.insert(name.clone(), text_of(row.first()));
        }
    }
    watched.is_complete = watched.table.len() == 2;
    Ok(watched)
}
