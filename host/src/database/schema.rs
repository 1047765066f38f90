//! What the target looks like: its tables, and what makes each of them what it is.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

/// The tables and views by name; of each, its columns, constraints, indexes and triggers, a line each. The journal's own
/// tables are left out.
pub type Schema = BTreeMap<String, BTreeSet<String>>;

/// What begins the line of a table as a whole, which differs whenever any part of it does.
pub(super) const WHOLE: &str = "as written: ";

/// What begins the name under which all tables of a tenant's schema are kept, a line each: their name and a digest. No table
/// is called so.
const OF_TENANT: &str = "\u{1}tenant ";

/// How many tables of tenants are kept each by itself. Beyond that each tenant has one digest.
const MOST_TABLES: usize = 20_000;

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds the tables of tenants' schemas: the schema, the table and a digest of it each, in their order.
pub fn add_tenants(schema: &mut Schema, tables: &[[String; 3]]) {
    for [tenant, table, digest] in tables {
        let lines = schema.entry(format!("{OF_TENANT}{tenant}")).or_default();
        lines.insert(format!("{digest} {table}"));
    }
    if tables.len() <= MOST_TABLES {
        return;
    }
    for (name, lines) in schema.iter_mut() {
        if name.starts_with(OF_TENANT) {
            let all: Vec<&str> = lines.iter().map(String::as_str).collect();
            let digest = hexadecimal(&Sha256::digest(all.join("\n")));
            *lines = BTreeSet::from([digest]);
        }
    }
}

/// Takes the tenants from a schema where there are none to compare them with: an earlier version did not keep them.
pub fn without_tenants_unless(schema: &mut Schema, kept: &Schema) {
    if !kept.keys().any(|name| name.starts_with(OF_TENANT)) {
        schema.retain(|name, _| !name.starts_with(OF_TENANT));
    }
}

/// The differences of a tenant's schema.
fn of_tenant(
    tenant: &str,
    before: Option<&BTreeSet<String>>,
    now: Option<&BTreeSet<String>>,
) -> Option<String> {
    let nothing = BTreeSet::new();
    let (before, now) = (before.unwrap_or(&nothing), now.unwrap_or(&nothing));
    let mut tables: Vec<&str> = before
        .symmetric_difference(now)
        .filter_map(|line| Some(line.split_once(' ')?.1))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    match (before == now, &*tables) {
        (true, _) => None,
        (false, []) => Some(format!("tenant's schema {tenant}: it has changed")),
        (false, [table]) => Some(format!(
            "tenant's schema {tenant}: the table {table} has changed"
        )),
        (false, tables) => Some(format!(
            "tenant's schema {tenant}: the tables {} have changed",
            tables.join(", ")
        )),
    }
}

/// The differences between two schemas, a line a table.
pub fn differences(before: &Schema, now: &Schema) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| match (before.get(name), now.get(name)) {
            (before, now) if name.starts_with(OF_TENANT) => {
                of_tenant(name.trim_start_matches(OF_TENANT), before, now)
            }
            (None, _) => Some(format!("table {name} is new")),
            (_, None) => Some(format!("table {name} is gone")),
            (Some(before), Some(now)) => {
                let changes = changes(before, now);
                (!changes.is_empty()).then(|| format!("table {name}: {}", changes.join("; ")))
            }
        })
        .collect()
}

/// What was and is of the tables that differ, line by line: with `-` what is gone, with `+` what is new.
pub fn changed_lines(before: &Schema, now: &Schema) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let nothing = BTreeSet::new();
    let mut lines = Vec::new();
    for name in names {
        let (was, is) = (before.get(name), now.get(name));
        let (old, new) = (was.unwrap_or(&nothing), is.unwrap_or(&nothing));
        if was.is_some() == is.is_some() && old == new {
            continue;
        }
        let what = match name.strip_prefix(OF_TENANT) {
            Some(tenant) => format!("tenant's schema {tenant}"),
            None => format!("table {name}"),
        };
        lines.push(match (was, is) {
            (None, _) => format!("+ {what}"),
            (_, None) => format!("- {what}"),
            _ => format!("  {what}"),
        });
        // A table as a whole is shown where no part of it says what has changed.
        let is_part = |line: &&String| !line.starts_with(WHOLE);
        let has_parts = old.symmetric_difference(new).any(|line| is_part(&line));
        let shown = |line: &&String| !has_parts || is_part(line);
        let written = |sign: char, line: &String| {
            let inner = line.strip_prefix(WHOLE).unwrap_or(line);
            let inner: Vec<String> = inner
                .lines()
                .map(|line| format!("{sign}     {line}"))
                .collect();
            inner.join("\n")
        };
        lines.extend(
            old.difference(new)
                .filter(shown)
                .map(|line| written('-', line)),
        );
        lines.extend(
            new.difference(old)
                .filter(shown)
                .map(|line| written('+', line)),
        );
    }
    lines
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
