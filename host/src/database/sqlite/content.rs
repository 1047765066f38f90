//! The schema of a SQLite file. <https://www.sqlite.org/schematab.html>

use super::super::content::{is_journal, text};
use super::super::{Content, Object, Result, Session, Table, Value};
use super::pragmas;

/// What a table's next key is called.
pub(super) const AUTOMATIC_KEY: &str = "the automatic key";

pub(super) async fn schema(session: &mut dyn Session) -> Result<Content> {
    let mut snapshot = Content::default();
    let objects = "SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_master
                   WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    for row in session.rows(objects, &[]).await? {
        let (kind, name, table) = (text(&row, 0), text(&row, 1), text(&row, 2));
        if is_journal(&name) || is_journal(&table) {
            continue;
        }
        let is_virtual = text(&row, 3).to_lowercase().starts_with("create virtual");
        if kind == "table" && !is_virtual {
            read_columns(session, &mut snapshot, &name).await?;
        }
        let definition = normalized(&text(&row, 3));
        let object = Object {
            table: if kind == "table" { name.clone() } else { table },
            kind,
            name,
        };
        snapshot.objects.insert(object, definition);
    }
    if !session
        .rows(
            "SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'",
            &[],
        )
        .await?
        .is_empty()
    {
        for row in session
            .rows(
                "SELECT name, CAST(seq AS TEXT) FROM main.sqlite_sequence",
                &[],
            )
            .await?
        {
            let name = text(&row, 0);
            if !is_journal(&name) {
                snapshot
                    .sequences
                    .insert(format!("{AUTOMATIC_KEY} of {name}"), text(&row, 1));
            }
        }
    }
    for pragma in ["user_version", "application_id"] {
        let rows = session.rows(&format!("PRAGMA main.{pragma}"), &[]).await?;
        let value = rows.first().and_then(|row| row.first()?.as_integer());
        snapshot
            .sequences
            .insert(pragma.to_owned(), value.unwrap_or_default().to_string());
    }
    Ok(snapshot)
}

async fn read_columns(session: &mut dyn Session, snapshot: &mut Content, name: &str) -> Result<()> {
    // Hidden columns of virtual tables are 1; 2 and 3 are computed: <https://www.sqlite.org/pragma.html#pragma_table_xinfo>
    let mut rows = pragmas::ask(session, "table_xinfo", name).await?;
    rows.retain(|row| row.get(6).and_then(Value::as_integer) != Some(1));
    rows.sort_by_key(|row| text(row, 1));
    let mut table = Table::default();
    let mut key = Vec::new();
    for row in rows {
        let column = text(&row, 1);
        let integer = |position: usize| row.get(position).and_then(Value::as_integer).unwrap_or(0);
        let default = text(&row, 4);
        let definition = format!(
            "{}{}{}",
            text(&row, 2).to_lowercase(),
            if integer(3) != 0 { " not null" } else { "" },
            match default.as_str() {
                "" => String::new(),
                default => format!(" default {default}"),
            }
        );
        if integer(5) > 0 {
            key.push((integer(5), table.columns.len()));
        }
        let object = Object {
            table: name.to_owned(),
            kind: "column".to_owned(),
            name: column.clone(),
        };
        snapshot.objects.insert(object, definition);
        table.columns.push(column);
    }
    key.sort_unstable();
    table.key = key.into_iter().map(|(_, position)| position).collect();
    snapshot.tables.insert(name.to_owned(), table);
    Ok(())
}

/// The definition of an object without what has no meaning: comments, space, quotes of names, and large letters outside
/// of texts. A database that takes a change back writes the same definition in another way.
pub(super) fn normalized(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut characters = sql.chars().peekable();
    let mut is_gap = false;
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                text.push(character);
                for inner in characters.by_ref() {
                    text.push(inner);
                    if inner == '\'' {
                        break;
                    }
                }
                is_gap = false;
                continue;
            }
            '-' if characters.peek() == Some(&'-') => {
                for inner in characters.by_ref() {
                    if inner == '\n' {
                        break;
                    }
                }
                is_gap = true;
                continue;
            }
            '"' | '`' => continue,
            _ if character.is_whitespace() => {
                is_gap = true;
                continue;
            }
            _ => {}
        }
        let joins = |character: char| character.is_alphanumeric() || character == '_';
        if is_gap && joins(character) && text.chars().last().is_some_and(joins) {
            text.push(' ');
        }
        is_gap = false;
        text.extend(character.to_lowercase());
    }
    text
}
