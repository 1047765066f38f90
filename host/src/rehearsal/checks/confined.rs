//! Confined: what the step can do, what it did, and whether it may.

use std::collections::{BTreeMap, BTreeSet};

use super::super::report::{Finding, Part};
use super::super::rules::{Rule, spelled};
use super::Case;
use crate::database::{Action, Content, Deed, Object, Row, Table};

/// What a step may do.
#[derive(Clone, Debug, Default)]
pub(in crate::rehearsal) struct Rules {
    /// What it may not, whatever is allowed.
    pub(in crate::rehearsal) deny: Vec<Rule>,
    /// All that it may, when there is a list.
    pub(in crate::rehearsal) allow: Option<Vec<Rule>>,
}

/// Holds what was done in one place against the rules, and tells it.
pub(in crate::rehearsal) fn check(case: &Case, rules: &Rules) -> Part {
    let mut part = Part {
        tried: 1,
        ..Part::default()
    };
    let deeds = deeds(case);
    let made: BTreeSet<&str> = deeds
        .iter()
        .filter(|deed| deed.action == Action::Create)
        .map(|deed| deed.table.as_str())
        .collect();
    for deed in &deeds {
        // What it makes is its own.
        if made.contains(deed.table.as_str()) && deed.action != Action::Create {
            continue;
        }
        let denied = rules.deny.iter().find(|rule| rule.forbids(deed));
        let is_allowed = rules
            .allow
            .as_ref()
            .is_none_or(|allow| allow.iter().any(|rule| rule.allows(deed)));
        let (message, advice) = match (denied, is_allowed) {
            (Some(rule), _) => (
                format!("it does {}, which the rule {rule} denies", spelled(deed)),
                "let the step leave it alone, or take the rule away".to_owned(),
            ),
            (None, false) => (
                format!(
                    "it does {}, which is not on the list of what it may do",
                    spelled(deed)
                ),
                format!(
                    "let the step leave it alone, or put `{}` on the list",
                    spelled(deed)
                ),
            ),
            (None, true) => continue,
        };
        part.findings.push(Finding {
            place: case.place(),
            message,
            details: Vec::new(),
            advice,
        });
    }
    part
}

/// What was done in one place, in one line each.
pub(in crate::rehearsal) fn notes(case: &Case) -> Vec<String> {
    let deeds = deeds(case);
    let mut by_action: BTreeMap<Action, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for deed in &deeds {
        let columns = by_action
            .entry(deed.action)
            .or_default()
            .entry(&deed.table)
            .or_default();
        columns.extend(deed.column.as_deref());
    }
    let mut notes: Vec<String> = by_action
        .into_iter()
        .map(|(action, tables)| {
            let tables: Vec<String> = tables
                .into_iter()
                .map(|(table, columns)| match columns.is_empty() {
                    true => table.to_owned(),
                    false => format!(
                        "{table} ({})",
                        columns.into_iter().collect::<Vec<_>>().join(", ")
                    ),
                })
                .collect();
            format!("{}: {}", past(action), tables.join(", "))
        })
        .collect();
    let seen = &case.undisturbed.seen;
    let memory = match case.undisturbed.memory {
        0 => String::new(),
        memory => format!(", {} KiB of memory", memory >> 10),
    };
    notes.push(format!(
        "{}: {} calls, {} rows and {} KiB passed{memory}, {} ms",
        case.place(),
        seen.points.len(),
        seen.rows,
        seen.bytes >> 10,
        case.undisturbed.duration.as_millis()
    ));
    notes
}

fn past(action: Action) -> &'static str {
    match action {
        Action::Read => "read",
        Action::Write => "written",
        Action::Create => "created",
        Action::Alter => "altered",
        Action::Drop => "dropped",
    }
}

/// What the database told, and what shows in the content.
fn deeds(case: &Case) -> BTreeSet<Deed> {
    let mut deeds = case.undisturbed.seen.deeds.clone();
    let deed = |action, table: &str, column: Option<&str>| Deed {
        action,
        table: table.to_owned(),
        column: column.map(str::to_owned),
    };
    let (before, after) = (&case.before, &case.undisturbed.finalized);
    for (name, table) in &after.tables {
        let Some(old) = before.tables.get(name) else {
            deeds.insert(deed(Action::Create, name, None));
            continue;
        };
        if old.rows != table.rows {
            for column in written(old, table) {
                deeds.insert(deed(Action::Write, name, Some(column)));
            }
        }
        if shape(before, name) != shape(after, name) {
            deeds.insert(deed(Action::Alter, name, None));
        }
    }
    for name in before
        .tables
        .keys()
        .filter(|name| !after.tables.contains_key(*name))
    {
        deeds.insert(deed(Action::Drop, name, None));
    }
    // Where columns are told, the table is.
    let with_columns: BTreeSet<(Action, String)> = deeds
        .iter()
        .filter(|deed| deed.column.is_some())
        .map(|deed| (deed.action, deed.table.clone()))
        .collect();
    deeds.retain(|deed| {
        deed.column.is_some() || !with_columns.contains(&(deed.action, deed.table.clone()))
    });
    deeds
}

/// The columns that have other values than before. Rows that are new have a new value in each.
fn written<'t>(old: &'t Table, new: &'t Table) -> Vec<&'t str> {
    let values = |table: &Table, column: &str| {
        let position = table.columns.iter().position(|own| own == column)?;
        let mut values: Vec<String> = table
            .rows
            .iter()
            .map(|row| format!("{:?} {:?}", key(table, row), row.cells.get(position)))
            .collect();
        values.sort_unstable();
        Some(values)
    };
    old.columns
        .iter()
        .filter(|column| new.columns.contains(column))
        .filter(|column| values(old, column) != values(new, column))
        .map(String::as_str)
        .collect()
}

fn key<'r>(table: &Table, row: &'r Row) -> Vec<&'r crate::database::Value> {
    table
        .key
        .iter()
        .filter_map(|position| row.cells.get(*position))
        .collect()
}

fn shape<'s>(snapshot: &'s Content, table: &'s str) -> Vec<(&'s Object, &'s String)> {
    snapshot
        .objects
        .iter()
        .filter(|(object, _)| object.table == table)
        .collect()
}
