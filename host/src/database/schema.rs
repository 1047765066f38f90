//! What the target looks like: its tables, and what makes each of them what it is.

use std::collections::{BTreeMap, BTreeSet};

/// The tables and views by name; of each, its columns, constraints, indexes and triggers, a line each. The journal's own
/// tables are left out.
pub type Schema = BTreeMap<String, BTreeSet<String>>;

/// What begins the line of a table as a whole, which differs whenever any part of it does.
pub(super) const WHOLE: &str = "as written: ";

/// The differences between two schemas, a line a table.
pub fn differences(before: &Schema, now: &Schema) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| match (before.get(name), now.get(name)) {
            (None, _) => Some(format!("table {name} is new")),
            (_, None) => Some(format!("table {name} is gone")),
            (Some(before), Some(now)) => {
                let changes = changes(before, now);
                (!changes.is_empty()).then(|| format!("table {name}: {}", changes.join("; ")))
            }
        })
        .collect()
}

fn changes(before: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<String> {
    let is_part = |line: &&String| !line.starts_with(WHOLE);
    let gone = before.difference(now).filter(is_part);
    let new = now.difference(before).filter(is_part);
    let mut changes: Vec<String> = gone.map(|line| format!("{line} is gone")).collect();
    changes.extend(new.map(|line| format!("{line} is new")));
    if changes.is_empty() && before != now {
        let written = now.iter().find_map(|line| line.strip_prefix(WHOLE));
        changes.push(format!("it is now {}", written.unwrap_or_default()));
    }
    changes
}
