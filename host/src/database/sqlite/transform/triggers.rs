//! The triggers that capture changes.

use crate::database::sqlite::pragmas;
use crate::database::transform::{TransformedTable, Watched, list, text_of};
use crate::database::{Result, Session, Value, quote};

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
    let mut made = events
        .map(|(suffix, event)| {
            format!("CREATE TRIGGER {capture}_{suffix} AFTER {event} ON {name} BEGIN {insert} END")
        })
        .to_vec();
    // Nobody updates the capture.
    made.push(format!(
        "CREATE TRIGGER {capture}_{LAST} AFTER UPDATE ON {capture} BEGIN SELECT 1; END"
    ));
    made
}

/// A trigger that does nothing and comes after the others in the schema, on another table than theirs: one of them that is
/// dropped and made again, be it with the same text, comes after this one. `VACUUM` and dumps keep the order.
const LAST: &str = "last";

/// Removes them.
pub(super) fn remove(table: &TransformedTable) -> Vec<String> {
    let capture = table.capture_name();
    ["insert", "update", LAST]
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

/// The triggers as they are: their text names the table and the columns, also after these were renamed. And the derived
/// columns: one that is dropped and added again may have another default, which its rows have then.
pub(super) async fn watched(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<Watched> {
    let capture = table.capture_name();
    let mut watched = Watched::default();
    for suffix in ["insert", "update"] {
        let query =
            "SELECT sql, EXISTS (SELECT 1 FROM sqlite_schema AS other WHERE other.type = 'trigger'
             AND other.name = ?2 AND other.rowid < made.rowid)
             FROM sqlite_schema AS made WHERE type = 'trigger' AND name = ?1";
        let name = format!("{capture}_{suffix}");
        let last = format!("{capture}_{LAST}");
        let parameters = [name.as_str().into(), last.as_str().into()];
        for row in session.rows(query, &parameters).await? {
            let is_made_anew = row.get(1).and_then(Value::as_integer) == Some(1);
            let version = match is_made_anew {
                true => "made anew",
                false => "",
            };
            let version = format!("{}{version}", text_of(row.first()));
            watched.table.insert(name.clone(), version);
        }
    }
    watched.is_complete = watched.table.len() == 2;
    // The place, the name, the type, whether it is not null, the default.
    for column in pragmas::ask(session, "table_xinfo", &table.plain_name).await? {
        let [name, type_name, default] = [1, 2, 4].map(|place| text_of(column.get(place)));
        if table.derived.iter().any(|derived| derived.name == name) {
            let version = format!("{type_name} {default}");
            watched.table.insert(format!("column {name}"), version);
        }
    }
    Ok(watched)
}
