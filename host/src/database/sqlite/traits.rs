//! What a file's tables are beside their columns and rows: from pragmas, and where those say nothing, from the definition.

use std::collections::BTreeMap;

use super::super::content::{is_journal, text};
use super::super::shape::integer;
use super::super::{Aspect, Result, Session, Trait, Value};
use super::content::normalized;
use super::pragmas;

pub(super) async fn traits(session: &mut dyn Session) -> Result<Vec<Trait>> {
    let tables = "SELECT name, sql FROM main.sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'
                  AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut traits = Vec::new();
    for row in session.rows(tables, &[]).await? {
        let table = text(&row, 0);
        if is_journal(&table) {
            continue;
        }
        let mut of_table = OfTable {
            table,
            traits: &mut traits,
        };
        of_table.read_columns(session).await?;
        of_table.read_indexes(session).await?;
        of_table.read_references(session).await?;
        of_table.read_definition(&normalized(&text(&row, 1)));
    }
    Ok(traits)
}

struct OfTable<'t> {
    table: String,
    traits: &'t mut Vec<Trait>,
}

impl OfTable<'_> {
    fn add(&mut self, aspect: Aspect, columns: Vec<String>, says: String, name: Option<String>) {
        self.traits.push(Trait {
            table: self.table.clone(),
            aspect,
            columns,
            says,
            name,
            target: None,
            next: None,
        });
    }

    async fn read_columns(&mut self, session: &mut dyn Session) -> Result<()> {
        let mut key = Vec::new();
        for row in pragmas::ask(session, "table_xinfo", &self.table).await? {
            if integer(&row, 6) == 1 {
                continue;
            }
            let column = || vec![text(&row, 1)];
            self.add(Aspect::Type, column(), text(&row, 2).to_lowercase(), None);
            if integer(&row, 3) != 0 {
                self.add(Aspect::NotNull, column(), "NOT NULL".to_owned(), None);
            }
            if let Some(Value::Text(default)) = row.get(4) {
                self.add(Aspect::Default, column(), default.clone(), None);
            }
            if integer(&row, 5) > 0 {
                key.push((integer(&row, 5), text(&row, 1)));
            }
        }
        key.sort();
        if !key.is_empty() {
            let columns: Vec<String> = key.into_iter().map(|(_, column)| column).collect();
            let says = format!("PRIMARY KEY ({})", columns.join(", "));
            self.add(Aspect::PrimaryKey, columns, says, None);
        }
        Ok(())
    }

    async fn read_indexes(&mut self, session: &mut dyn Session) -> Result<()> {
        // Its place, its name, whether it is unique, where it comes from, and whether it is partial.
        for row in pragmas::ask(session, "index_list", &self.table).await? {
            let (name, origin) = (text(&row, 1), text(&row, 3));
            if origin == "pk" {
                continue;
            }
            let columns = pragmas::ask(session, "index_info", &name).await?;
            // An expression has no name.
            let columns: Vec<String> = columns
                .iter()
                .filter_map(|column| column.get(2)?.as_text())
                .map(str::to_owned)
                .collect();
            let query = "SELECT sql FROM main.sqlite_master WHERE type = 'index' AND name = $1";
            let definition = session.rows(query, &[name.as_str().into()]).await?;
            let definition = definition.first().map(|row| text(row, 0));
            let definition = normalized(&definition.unwrap_or_default());
            let says = match definition.split_once(" on ") {
                Some((_, rest)) => match rest.find('(') {
                    Some(start) => rest.get(start..).unwrap_or_default().to_owned(),
                    None => rest.to_owned(),
                },
                None => format!("({})", columns.join(", ")),
            };
            let (aspect, says) = match integer(&row, 2) {
                1 => (Aspect::Unique, format!("UNIQUE {says}")),
                _ => (Aspect::Index, says),
            };
            self.add(aspect, columns, says, (origin == "c").then_some(name));
        }
        Ok(())
    }

    async fn read_references(&mut self, session: &mut dyn Session) -> Result<()> {
        let mut keys: BTreeMap<i64, Trait> = BTreeMap::new();
        // The key, the place in it, the other table, the column, the column there, on update, on delete.
        let mut rows = pragmas::ask(session, "foreign_key_list", &self.table).await?;
        rows.sort_by_key(|row| (integer(row, 0), integer(row, 1)));
        for row in rows {
            let rules = [("ON UPDATE", text(&row, 5)), ("ON DELETE", text(&row, 6))];
            let rules: Vec<String> = rules
                .into_iter()
                .filter(|(_, rule)| rule != "NO ACTION")
                .map(|(when, rule)| format!("{when} {rule}"))
                .collect();
            let key = keys.entry(integer(&row, 0)).or_insert_with(|| Trait {
                table: self.table.clone(),
                aspect: Aspect::ForeignKey,
                columns: Vec::new(),
                says: rules.join(" "),
                name: None,
                target: Some(text(&row, 2)),
                next: None,
            });
            key.columns.push(text(&row, 3));
        }
        self.traits.extend(keys.into_values());
        Ok(())
    }

    /// What no pragma tells: what is checked, how columns are compared, and that numbers are not given twice.
    fn read_definition(&mut self, definition: &str) {
        let Some(body) = definition
            .find('(')
            .and_then(|start| inside(definition.get(start..)?))
        else {
            return;
        };
        for part in parts(body) {
            let first: String = part
                .chars()
                .take_while(|character| character.is_alphanumeric() || *character == '_')
                .collect();
            let is_column =
                !["constraint", "check", "unique", "primary", "foreign"].contains(&first.as_str());
            let columns = || match is_column {
                true => vec![first.clone()],
                false => Vec::new(),
            };
            for (start, _) in part.match_indices("check(") {
                let condition = part.get(start + "check".len()..).and_then(inside);
                let says = format!("CHECK ({})", condition.unwrap_or_default());
                self.add(Aspect::Check, columns(), says, None);
            }
            if let Some((_, rest)) = part.split_once("collate ").filter(|_| is_column) {
                let says = rest.split([' ', ',', ')']).next().unwrap_or_default();
                let says = format!("COLLATE {says}");
                self.add(Aspect::Collation, columns(), says, None);
            }
            if part.contains(" autoincrement") && is_column {
                self.add(
                    Aspect::Autoincrement,
                    columns(),
                    "AUTOINCREMENT".to_owned(),
                    None,
                );
            }
        }
    }
}

/// What stands in the parentheses that a text begins with.
fn inside(text: &str) -> Option<&str> {
    let mut depth = 0;
    let mut is_quoted = false;
    for (place, character) in text.char_indices() {
        match character {
            '\'' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(1..place);
        }
    }
    None
}

/// The parts of a text between the commas that stand in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut is_quoted = false;
    text.split(|character: char| {
        match character {
            '\'' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0 && !is_quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_read_piece_by_piece() {
        let mut traits = Vec::new();
        let mut of_table = OfTable {
            table: "t".to_owned(),
            traits: &mut traits,
        };
        of_table.read_definition(&normalized(
            "CREATE TABLE \"t\" (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE CHECK (name <> ','), age INTEGER,
             CONSTRAINT grown CHECK (age > (1 + 2)), UNIQUE (name, age))",
        ));
        let found: Vec<(Aspect, String)> = traits
            .into_iter()
            .map(|piece| {
                (
                    piece.aspect,
                    format!("{} {}", piece.columns.join(","), piece.says),
                )
            })
            .collect();
        let expected = [
            (Aspect::Autoincrement, "id AUTOINCREMENT"),
            (Aspect::Check, "name CHECK (name<>',')"),
            (Aspect::Collation, "name COLLATE nocase"),
            (Aspect::Check, " CHECK (age>(1+2))"),
        ]
        .map(|(aspect, text)| (aspect, text.to_owned()));
        assert_eq!(found, expected);
    }
}
