//! The triggers that capture changes.

use crate::database::transform::{TransformedTable, list};

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
