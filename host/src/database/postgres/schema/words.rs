//! What the pieces of a schema say, in words: a line for each thing that can change by itself.

use serde_json::Value;

use crate::database::schema::WHOLE;

/// What a thing is called in messages.
pub(in super::super) fn name(kind: &str, name: &str) -> String {
    let kind = match kind {
        "r" | "p" => "table",
        "v" => "view",
        "m" => "materialized view",
        "f" => "foreign table",
        "S" => "sequence",
        "default acl" => "default privileges",
        kind => kind,
    };
    format!("{kind} {name}").trim_end().to_owned()
}

/// The lines of a piece, which is a JSON list.
pub(super) fn lines(piece: &str, cells: &str) -> Vec<String> {
    let cells: Value = serde_json::from_str(cells).unwrap_or_default();
    let cells = Cells::of(&cells);
    let mut lines = Vec::new();
    match piece {
        "relation" => {
            owned(&mut lines, cells);
            relation(&mut lines, cells);
        }
        "schema" => owned(&mut lines, cells),
        "policy" => lines.push(policy(cells)),
        "rule" => lines.push(format!(
            "rule {}{}{}",
            cells.text(0),
            firing(cells.text(1)),
            comment(cells.list(2))
        )),
        "parent" => lines.push(format!(
            "child of {}",
            words(&[cells.text(0), cells.text(1)])
        )),
        "foreign" => lines.push(format!(
            "server {}{}",
            cells.text(0),
            labelled(" options ", &cells.joined(1))
        )),
        "published" => lines.push(format!(
            "published by {}: {}{}{}",
            cells.text(0),
            publishes(cells.list(1)),
            labelled(" columns ", cells.list(2).text(1)),
            labelled(" where ", cells.list(2).text(0))
        )),
        "publication" => lines.push(format!("of all tables: {}", publishes(cells))),
        "routine" => {
            owned(&mut lines, cells);
            lines.push(format!("{WHOLE}{}", cells.text(3).trim_end()));
        }
        "type" => {
            owned(&mut lines, cells);
            type_of_its_own(&mut lines, cells);
        }
        "other" => {
            lines.extend(
                cells
                    .each(0)
                    .map(|base| format!("built on {}", words(&[base.text(0), base.text(1)]))),
            );
            commented(&mut lines, cells.list(1), Cells::NONE);
            let definition = [
                cells.text(2).to_owned(),
                labelled("grants: ", &cells.joined(3)),
            ];
            lines.extend(definition.into_iter().filter(|line| !line.is_empty()));
        }
        // What it is, line by line, and its comments.
        "whole" => {
            for cell in cells.0 {
                match cell {
                    Value::String(line) => lines.push(line.clone()),
                    comments => commented(&mut lines, Cells::of(comments), Cells::NONE),
                }
            }
        }
        "option" => {
            let (name, value) = cells.text(0).split_once('=').unwrap_or_default();
            let is_secret = ["key", "pass", "secret", "token"]
                .iter()
                .any(|part| name.to_lowercase().contains(part));
            let value = if is_secret {
                "a value that is not shown"
            } else {
                value
            };
            lines.push(format!("option {name}: {value}"));
        }
        "event trigger" => {
            lines.push(format!("owner {}", cells.text(0)));
            lines.push(format!(
                "on {} runs {}{}{}",
                cells.text(1),
                cells.text(2),
                labelled(" for ", &cells.joined(4)),
                firing(cells.text(3))
            ));
            commented(&mut lines, cells.list(5), Cells::NONE);
        }
        _ => {}
    }
    // Whatever a thing is, it is.
    if lines.is_empty() {
        lines.push("as it is made by itself".to_owned());
    }
    lines
}

/// Whether a relation has columns of another one that it inherits from.
pub(super) fn has_parent(cells: &str) -> bool {
    let cells: Value = serde_json::from_str(cells).unwrap_or_default();
    Cells::of(&cells)
        .each(COLUMNS)
        .any(|column| column.number(12) > 0)
}

/// Where a relation's columns are, or what a sequence belongs to.
const COLUMNS: usize = 10;

/// The owner, the rights and the comments, which the lists of what has an owner begin with.
fn owned(lines: &mut Vec<String>, cells: Cells<'_>) {
    lines.push(format!("owner {}", cells.text(0)));
    if !cells.is_null(1) {
        lines.push(format!("grants: {}", cells.joined(1)));
    }
    commented(lines, cells.list(2), cells.list(COLUMNS));
}

/// Comments on a thing and on its columns.
fn commented(lines: &mut Vec<String>, comments: Cells<'_>, columns: Cells<'_>) {
    lines.extend(comments.all().map(|comment| {
        let text = comment.text(1);
        match usize::try_from(comment.number(0)).unwrap_or_default() {
            0 => format!("comment '{text}'"),
            number => {
                let column = columns
                    .all()
                    .find(|column| column.number(16) == i64::try_from(number).unwrap_or_default());
                format!(
                    "comment on the column {} '{text}'",
                    column.map_or("", |column| column.text(0))
                )
            }
        }
    }));
}

fn relation(lines: &mut Vec<String>, cells: Cells<'_>) {
    if cells.text(3) == "u" {
        lines.push("unlogged".to_owned());
    }
    if cells.is_true(4) {
        lines.push("row security is on".to_owned());
    }
    if cells.is_true(5) {
        lines.push("row security is forced".to_owned());
    }
    let replica = match cells.text(7) {
        "f" => "full",
        "i" => "by an index",
        // Also of what has none by its kind.
        _ => "",
    };
    for line in [
        labelled("options ", &cells.joined(6)),
        labelled("replica identity ", replica),
        labelled("tablespace ", cells.text(8)),
        match cells.text(9).strip_prefix(',') {
            Some(parameters) => sequence(parameters),
            None => cells.text(9).to_owned(),
        },
    ] {
        if !line.is_empty() {
            lines.push(line);
        }
    }
    lines.extend(cells.each(COLUMNS).map(|it| match it.0.len() {
        2 => format!("owned by {}, column {}", it.text(0), it.number(1)),
        _ => column(it),
    }));
    lines.extend(cells.each(11).map(constraint));
    lines.extend(cells.each(12).map(|index| {
        format!(
            "index {}{}{}{}{}",
            index.text(0),
            if index.is_true(1) { "" } else { " invalid" },
            if index.is_true(2) { " clustered" } else { "" },
            if index.is_true(3) {
                " replica identity"
            } else {
                ""
            },
            comment(index.list(4))
        )
    }));
    lines.extend(cells.each(13).map(|trigger| {
        format!(
            "trigger {}{}{}",
            trigger.text(0),
            firing(trigger.text(1)),
            comment(trigger.list(2))
        )
    }));
}

/// What the catalog says of a sequence.
fn sequence(parameters: &str) -> String {
    let names = [
        "start",
        "minimum",
        "maximum",
        "increment",
        "cycle",
        "cache",
        "type",
    ];
    let parameters: Vec<String> = names
        .iter()
        .zip(parameters.split(','))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    parameters.join(", ")
}

fn constraint(cells: Cells<'_>) -> String {
    format!(
        "constraint {} {}{}",
        cells.text(0),
        cells.text(1),
        comment(cells.list(2))
    )
}

/// A column of a relation, of the catalog `pg_attribute`.
fn column(cells: Cells<'_>) -> String {
    let default = cells.text(3);
    let default = match cells.text(4) {
        "s" => format!(" generated always as ({default}) stored"),
        "v" => format!(" generated always as ({default})"),
        _ => labelled(" default ", default),
    };
    let identity = match cells.text(5) {
        "a" => " generated always as identity",
        "d" => " generated by default as identity",
        _ => "",
    };
    let storage = match (cells.number(8), cells.text(9)) {
        // What types have by themselves. Those of the server that are kept in the main part are numbers and addresses.
        (-1, "x") | (0.., _) => String::new(),
        (_, "m") if [650, 869, 1700].contains(&cells.number(7)) => String::new(),
        (_, storage) => format!(
            " storage {}",
            match storage {
                "p" => "plain",
                "e" => "external",
                "m" => "main",
                _ => "extended",
            }
        ),
    };
    let compression = match cells.text(10) {
        "p" => " compression pglz",
        "l" => " compression lz4",
        _ => "",
    };
    let statistics = match cells.number(11) {
        number if number < 0 || cells.is_null(11) => String::new(),
        number => format!(" statistics {number}"),
    };
    format!(
        "column {} {}{}{}{default}{identity}{storage}{compression}{statistics}{}{}{}{}",
        cells.text(0),
        cells.text(1),
        collation(cells.text(6)),
        if cells.is_true(2) { " not null" } else { "" },
        if cells.number(12) > 0 {
            " inherited"
        } else {
            ""
        },
        labelled(" options ", &cells.joined(13)),
        labelled(" options ", &cells.joined(14)),
        labelled(" grants: ", &cells.joined(15)),
    )
}

fn policy(cells: Cells<'_>) -> String {
    let command = match cells.text(2) {
        "r" => "select",
        "a" => "insert",
        "w" => "update",
        "d" => "delete",
        _ => "all",
    };
    let roles: Vec<&str> = cells
        .list(3)
        .0
        .iter()
        .filter_map(Value::as_str)
        .map(|role| if role == "-" { "public" } else { role })
        .collect();
    format!(
        "policy {}{} for {command} to {}{}{}{}",
        cells.text(0),
        if cells.is_true(1) { "" } else { " restrictive" },
        roles.join(", "),
        labelled(" using ", cells.text(4)),
        labelled(" with check ", cells.text(5)),
        comment(cells.list(6))
    )
}

fn type_of_its_own(lines: &mut Vec<String>, cells: Cells<'_>) {
    match cells.text(3) {
        "d" => lines.push(format!(
            "domain over {}{}{}{}",
            cells.text(4),
            collation(cells.text(7)),
            if cells.is_true(5) { " not null" } else { "" },
            labelled(" default ", cells.text(6)),
        )),
        "e" => {
            let values: Vec<&str> = cells.each(9).map(|value| value.text(0)).collect();
            lines.push(format!("values {}", values.join(", ")));
        }
        _ => {}
    }
    lines.extend(cells.each(8).map(constraint));
    lines.extend(cells.each(10).map(|range| {
        format!(
            "range of {}{}, canonical {}, difference {}",
            range.text(0),
            collation(range.text(1)),
            range.text(2),
            range.text(3)
        )
    }));
    lines.extend(cells.each(11).map(|attribute| {
        format!(
            "attribute {} {}{}",
            attribute.text(0),
            attribute.text(1),
            collation(attribute.text(2))
        )
    }));
}

fn publishes(cells: Cells<'_>) -> String {
    let kinds = ["insert", "update", "delete", "truncate", "by the root"];
    let of = kinds.iter().enumerate();
    let published: Vec<&str> = of
        .filter(|(number, _)| cells.is_true(*number))
        .map(|(_, kind)| *kind)
        .collect();
    published.join(", ")
}

/// When a trigger or a rule does what it says, where that is not always but in replicas.
fn firing(enabled: &str) -> &'static str {
    match enabled {
        "D" => " (disabled)",
        "R" => " (enabled in replicas)",
        "A" => " (always enabled)",
        _ => "",
    }
}

fn collation(name: &str) -> String {
    match name {
        "-" | "\"default\"" => String::new(),
        name => labelled(" collate ", name),
    }
}

fn comment(comments: Cells<'_>) -> String {
    let text = comments.all().next().map_or("", |comment| comment.text(1));
    match text {
        "" => String::new(),
        text => format!(" comment '{text}'"),
    }
}

fn labelled(label: &str, text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("{label}{text}"),
    }
}

fn words(words: &[&str]) -> String {
    let words: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// The cells of a list by their places.
#[derive(Clone, Copy)]
struct Cells<'c>(&'c [Value]);

impl<'c> Cells<'c> {
    const NONE: Self = Self(&[]);

    fn of(value: &'c Value) -> Self {
        Self(value.as_array().map_or(&[], Vec::as_slice))
    }

    fn text(self, place: usize) -> &'c str {
        self.0
            .get(place)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A number, which the server may write as a text.
    fn number(self, place: usize) -> i64 {
        let cell = self.0.get(place);
        let text = cell.and_then(Value::as_str);
        let number = text.map_or_else(|| cell?.as_i64(), |text| text.parse().ok());
        number.unwrap_or_default()
    }

    fn is_true(self, place: usize) -> bool {
        self.0
            .get(place)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    fn is_null(self, place: usize) -> bool {
        self.0.get(place).is_none_or(Value::is_null)
    }

    fn list(self, place: usize) -> Self {
        self.0.get(place).map_or(Self::NONE, Self::of)
    }

    /// The lists in a list.
    fn all(self) -> impl Iterator<Item = Self> {
        self.0.iter().map(Self::of)
    }

    fn each(self, place: usize) -> impl Iterator<Item = Self> {
        self.list(place).all()
    }

    /// The texts of a list in one.
    fn joined(self, place: usize) -> String {
        let texts = self.list(place).0.iter().filter_map(Value::as_str);
        texts.collect::<Vec<_>>().join(", ")
    }
}
