//! What the tables of a file look like, line by line.

use std::collections::BTreeSet;

use super::super::content::text;
use super::super::shape::integer;
use super::super::{Authority, Result, Session, Value};
use super::pragmas;
use crate::database::schema::WHOLE;

const OBJECTS: &str = r"
    SELECT type, name, tbl_name, sql FROM main.sqlite_master
    WHERE tbl_name NOT LIKE 'sqlite\_%' ESCAPE '\' AND tbl_name NOT LIKE 'wasmigrate\_%' ESCAPE '\'";

/// One line a column, index, trigger or view, and one a table as a whole, each with the table's name. What virtual tables keep
/// for themselves is theirs to make and to change; an earlier version kept it, and still does under the application's authority.
pub(super) async fn lines(
    session: &mut dyn Session,
    authority: Authority,
) -> Result<Vec<(String, String)>> {
    let mut lines = Vec::new();
    let shadows = match authority {
        Authority::Application => BTreeSet::new(),
        _ => shadow_tables(session).await?,
    };
    for row in session.rows(OBJECTS, &[]).await? {
        let (kind, name) = (text(&row, 0), text(&row, 1));
        if shadows.contains(&text(&row, 2)) {
            continue;
        }
        if kind == "table" {
            for field in pragmas::ask(session, "table_xinfo", &name).await? {
                lines.push((name.clone(), column(&field)));
            }
        }
        let Some(sql) = row.get(3).and_then(Value::as_text) else {
            continue;
        };
        let line = match kind.as_str() {
            "table" => format!("{WHOLE}{sql}"),
            kind => format!("{kind} {sql}"),
        };
        lines.push((text(&row, 2), line));
    }
    Ok(lines)
}

/// The tables that virtual tables keep for themselves, and make when they are made. <https://www.sqlite.org/vtab.html#xshadowname>
async fn shadow_tables(session: &mut dyn Session) -> Result<BTreeSet<String>> {
    // Of the columns of <https://www.sqlite.org/pragma.html#pragma_table_list>.
    let tables = session.rows("PRAGMA main.table_list", &[]).await?;
    let shadows = tables
        .iter()
        .filter(|table| text(table, 0) == "main" && text(table, 2) == "shadow");
    Ok(shadows.map(|table| text(table, 1)).collect())
}

/// All that makes the schema, as `.schema --nosys` of SQLite's shell prints it, without what that makes by itself.
pub(super) async fn dump(session: &mut dyn Session) -> Result<String> {
    let objects = format!("{OBJECTS} AND sql IS NOT NULL ORDER BY rowid");
    let shadows = shadow_tables(session).await?;
    let mut dump = String::new();
    for row in session.rows(&objects, &[]).await? {
        let (kind, name) = (text(&row, 0), text(&row, 1));
        if shadows.contains(&text(&row, 2)) {
            continue;
        }
        let sql = text(&row, 3);
        dump.push_str(&sql);
        // A view that was made of a dump keeps what that says of its columns.
        if kind == "view" && !sql.ends_with("*/") {
            let fields = pragmas::ask(session, "table_xinfo", &name).await?;
            let columns: Vec<String> = fields.iter().map(|field| text(field, 1)).collect();
            let comment = format!("{name}({})", columns.join(","));
            // What a name has after the end of the comment would run wherever the dump is read.
            if !comment.contains("*/") {
                dump.push_str(&format!("\n/* {comment} */"));
            }
        }
        dump.push_str(";\n");
    }
    Ok(dump)
}

/// Of the columns of <https://www.sqlite.org/pragma.html#pragma_table_xinfo>.
fn column(field: &[Value]) -> String {
    let mut line = format!("column {} {}", text(field, 1), text(field, 2));
    line.truncate(line.trim_end_matches(' ').len());
    if integer(field, 3) == 1 {
        line.push_str(" not null");
    }
    if let Some(default) = field.get(4).and_then(Value::as_text) {
        line.push_str(&format!(" default {default}"));
    }
    if integer(field, 5) > 0 {
        line.push_str(&format!(" primary key {}", integer(field, 5)));
    }
    line
}
