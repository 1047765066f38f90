//! What differs between two contents, in words.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::database::{Content, Object, Row, Table, Value};

/// How much of a value is shown.
const VALUE_BYTES: usize = 60;

/// How it is said that something is there that should not be, and the other way round.
#[derive(Clone, Copy, Debug)]
pub(in crate::rehearsal) struct Words {
    /// Said of what is there and was not expected, such as `is left behind`.
    pub(in crate::rehearsal) extra: &'static str,
    /// Said of what was expected and is not there.
    pub(in crate::rehearsal) missing: &'static str,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rehearsal) struct Difference {
    /// What differs, as a declaration names it: `users`, `users.email`, `users_email`.
    pub(in crate::rehearsal) subject: String,
    /// The same with its table where `subject` is a column of rows.
    pub(in crate::rehearsal) table: String,
    /// The sentence.
    pub(in crate::rehearsal) text: String,
}

/// All differences between what was expected and what was found; the schema's first.
pub(in crate::rehearsal) fn differences(
    expected: &Content,
    found: &Content,
    words: Words,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare_objects(expected, found, words, &mut differences);
    let names: BTreeSet<&String> = expected.tables.keys().chain(found.tables.keys()).collect();
    for name in names {
        match (expected.tables.get(name), found.tables.get(name)) {
            (Some(expected), Some(found)) => compare_rows(name, expected, found, &mut differences),
            // A content without a schema has nothing else to tell it by.
            (None, Some(_)) if expected.objects.is_empty() => {
                differences.push(plain(name, format!("the table {name} {}", words.extra)));
            }
            (Some(_), None) if found.objects.is_empty() => {
                differences.push(plain(name, format!("the table {name} {}", words.missing)));
            }
            _ => {}
        }
    }
    let sequences: BTreeSet<&String> = expected
        .sequences
        .keys()
        .chain(found.sequences.keys())
        .collect();
    for name in sequences {
        let (before, now) = (expected.sequences.get(name), found.sequences.get(name));
        if before == now {
            continue;
        }
        let text = match (before, now) {
            (Some(before), Some(now)) => format!("{name} stands at {now} instead of {before}"),
            (None, Some(now)) => format!("{name} {}, at {now}", words.extra),
            (Some(before), None) => format!("{name}, which stood at {before}, {}", words.missing),
            (None, None) => continue,
        };
        let subject = name.rsplit(' ').next().unwrap_or(name);
        differences.push(plain(subject, text));
    }
    differences
}

fn plain(subject: &str, text: String) -> Difference {
    Difference {
        subject: subject.to_owned(),
        table: subject.to_owned(),
        text,
    }
}

fn compare_objects(
    expected: &Content,
    found: &Content,
    words: Words,
    differences: &mut Vec<Difference>,
) {
    if expected.objects.is_empty() || found.objects.is_empty() && !found.tables.is_empty() {
        return;
    }
    let all: BTreeSet<&Object> = expected
        .objects
        .keys()
        .chain(found.objects.keys())
        .collect();
    // What goes or comes with its whole table is not told for each of its columns.
    let is_table = |object: &Object| object.name == object.table;
    let whole: BTreeSet<&str> = all
        .iter()
        .filter(|object| is_table(object))
        .filter(|object| {
            expected.objects.contains_key(**object) != found.objects.contains_key(**object)
        })
        .map(|object| object.table.as_str())
        .collect();
    let mut with_columns: BTreeSet<&str> = BTreeSet::new();
    for object in all.iter().filter(|object| !is_table(object)) {
        let (before, now) = (expected.objects.get(*object), found.objects.get(*object));
        if before == now || whole.contains(object.table.as_str()) {
            continue;
        }
        with_columns.insert(&object.table);
        differences.push(told(object, before, now, words));
    }
    for object in all.iter().filter(|object| is_table(object)) {
        let (before, now) = (expected.objects.get(*object), found.objects.get(*object));
        // The text of a table's definition holds its columns, too.
        if before != now && !with_columns.contains(object.table.as_str()) {
            differences.push(told(object, before, now, words));
        }
    }
}

fn told(
    object: &Object,
    before: Option<&String>,
    now: Option<&String>,
    words: Words,
) -> Difference {
    let Object { table, kind, name } = object;
    let what = match kind.as_str() {
        "column" | "constraint" | "trigger" | "rule" | "policy" => {
            format!("the {kind} {table}.{name}")
        }
        _ => format!("the {kind} {name}"),
    };
    let text = match (before, now) {
        (None, _) => format!("{what} {}", words.extra),
        (_, None) => format!("{what} {}", words.missing),
        (Some(before), Some(now)) => {
            let (before, now) = apart(before, now);
            format!(
                "{what} is `{}` instead of `{}`",
                shortened(&now),
                shortened(&before)
            )
        }
    };
    Difference {
        subject: match kind.as_str() {
            "column" => format!("{table}.{name}"),
            _ => name.clone(),
        },
        table: if table.is_empty() { name } else { table }.clone(),
        text,
    }
}

/// Columns that only one side has are told as the schema's; rows are compared by the others.
fn compare_rows(name: &str, expected: &Table, found: &Table, differences: &mut Vec<Difference>) {
    if expected == found {
        return;
    }
    let common: Vec<&String> = expected
        .columns
        .iter()
        .filter(|column| found.columns.contains(column))
        .collect();
    let (expected, found) = (narrowed(expected, &common), narrowed(found, &common));
    if expected.key.is_empty() || expected.key != found.key {
        compare_without_key(name, &expected, &found, differences);
    } else {
        compare_by_key(name, &expected, &found, differences);
    }
}

/// The same table with some of its columns alone.
fn narrowed(table: &Table, columns: &[&String]) -> Table {
    let positions: Vec<usize> = columns
        .iter()
        .filter_map(|column| table.columns.iter().position(|own| own == *column))
        .collect();
    if positions.len() == table.columns.len() {
        return table.clone();
    }
    let key: Option<Vec<usize>> = table
        .key
        .iter()
        .map(|key| positions.iter().position(|position| position == key))
        .collect();
    let mut rows: Vec<Row> = table
        .rows
        .iter()
        .map(|row| {
            let cells = positions
                .iter()
                .filter_map(|position| row.cells.get(*position).cloned());
            Row::new(cells.collect())
        })
        .collect();
    rows.sort_unstable_by(|one, other| one.exact.cmp(&other.exact));
    Table {
        columns: columns.iter().map(|column| (*column).clone()).collect(),
        key: key.unwrap_or_default(),
        rows,
    }
}

fn compare_by_key(name: &str, expected: &Table, found: &Table, differences: &mut Vec<Difference>) {
    let by_key = |table: &Table| -> BTreeMap<String, Row> {
        let key = |row: &Row| {
            let cells = table
                .key
                .iter()
                .filter_map(|key| row.cells.get(*key).cloned());
            Row::new(cells.collect()).exact
        };
        table
            .rows
            .iter()
            .map(|row| (key(row), row.clone()))
            .collect()
    };
    let (before, now) = (by_key(expected), by_key(found));
    let extra: Vec<&Row> = now
        .iter()
        .filter(|(key, _)| !before.contains_key(*key))
        .map(|(_, row)| row)
        .collect();
    let missing: Vec<&Row> = before
        .iter()
        .filter(|(key, _)| !now.contains_key(*key))
        .map(|(_, row)| row)
        .collect();
    tell_counts(name, expected, &extra, &missing, differences);
    let changed: Vec<(&Row, &Row)> = before
        .iter()
        .filter_map(|(key, row)| now.get(key).map(|now| (row, now)))
        .filter(|(before, now)| before.exact != now.exact)
        .collect();
    // A sentence for each column, so that each can be excepted by its name.
    for (position, column) in expected.columns.iter().enumerate() {
        let cell = |row: &Row| row.cells.get(position).cloned().unwrap_or(Value::Null);
        let differing: Vec<&(&Row, &Row)> = changed
            .iter()
            .filter(|(before, now)| {
                Row::new(vec![cell(before)]).exact != Row::new(vec![cell(now)]).exact
            })
            .collect();
        let Some((first, first_now)) = differing.first() else {
            continue;
        };
        differences.push(Difference {
            subject: format!("{name}.{column}"),
            table: name.to_owned(),
            text: format!(
                "the table {name}: {} in {column}, first: {}: {} instead of {}",
                counted(differing.len(), "row differs", "rows differ"),
                identity(expected, first),
                shown(&cell(first_now)),
                shown(&cell(first)),
            ),
        });
    }
}

fn compare_without_key(
    name: &str,
    expected: &Table,
    found: &Table,
    differences: &mut Vec<Difference>,
) {
    let mut surplus: BTreeMap<&str, (i64, &Row)> = BTreeMap::new();
    for row in &found.rows {
        surplus.entry(&row.exact).or_insert((0, row)).0 += 1;
    }
    for row in &expected.rows {
        surplus.entry(&row.exact).or_insert((0, row)).0 -= 1;
    }
    let times = |count: i64, row| std::iter::repeat_n(row, usize::try_from(count).unwrap_or(0));
    let extra: Vec<&Row> = surplus
        .values()
        .flat_map(|(count, row)| times(*count, *row))
        .collect();
    let missing: Vec<&Row> = surplus
        .values()
        .flat_map(|(count, row)| times(-*count, *row))
        .collect();
    tell_counts(name, expected, &extra, &missing, differences);
}

fn tell_counts(
    name: &str,
    table: &Table,
    extra: &[&Row],
    missing: &[&Row],
    differences: &mut Vec<Difference>,
) {
    for (rows, singular, plural) in [
        (extra, "row too many", "rows too many"),
        (missing, "row missing", "rows missing"),
    ] {
        if let Some(first) = rows.first() {
            let text = format!(
                "the table {name}: {}, first: {}",
                counted(rows.len(), singular, plural),
                identity(table, first)
            );
            differences.push(plain(name, text));
        }
    }
}

/// A number and what it counts.
pub(in crate::rehearsal) fn counted(count: usize, singular: &str, plural: &str) -> String {
    format!("{count} {}", if count == 1 { singular } else { plural })
}

/// What a row is told by: its key, or its first cells.
fn identity(table: &Table, row: &Row) -> String {
    let positions: Vec<usize> = match table.key.is_empty() {
        true => (0..table.columns.len().min(4)).collect(),
        false => table.key.clone(),
    };
    positions
        .into_iter()
        .filter_map(|position| {
            let column = table.columns.get(position)?;
            Some(format!("{column}={}", shown(row.cells.get(position)?)))
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// A value as people read it.
pub(in crate::rehearsal) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Text(text) | Value::Other { text, .. } => format!("'{}'", shortened(text)),
    }
}

/// Two texts that differ, from shortly before the place where they do.
fn apart<'t>(before: &'t str, now: &'t str) -> (Cow<'t, str>, Cow<'t, str>) {
    let pairs = before.char_indices().zip(now.chars());
    let mut places = pairs.map(|((place, one), other)| (place, one != other));
    let differs = places.find_map(|(place, differs)| differs.then_some(place));
    let place = differs.unwrap_or(before.len().min(now.len()));
    let from = before.floor_char_boundary(place.saturating_sub(VALUE_BYTES / 3));
    let is_long = before.len().max(now.len()) > VALUE_BYTES;
    let part = |text: &'t str| match text.get(from..) {
        Some(part) if is_long && from > 0 => Cow::Owned(format!("…{part}")),
        _ => Cow::Borrowed(text),
    };
    (part(before), part(now))
}

fn shortened(text: &str) -> String {
    let mut line = crate::output::printable(&text.replace('\n', "⏎"));
    if line.len() > VALUE_BYTES {
        line.truncate(line.floor_char_boundary(VALUE_BYTES));
        line.push_str(&format!("… ({} characters)", text.chars().count()));
    }
    line
}
