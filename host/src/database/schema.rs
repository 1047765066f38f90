//! What the target looks like: its tables, and what makes each of them what it is.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

/// What is looked at. A journal of an earlier version keeps a schema in the first form, and is compared in that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Tables and views by their names: their columns, constraints, indexes and triggers.
    #[default]
    Tables,
    /// Everything in the schema, by its kind and name.
    Everything,
}

impl Form {
    /// Its number in the journal; the first one has none.
    const EVERYTHING: u8 = 2;
}

/// Things by their names; of each, what makes it what it is, a line each. The journal's own tables are left out.
pub type Things = BTreeMap<String, BTreeSet<String>>;

/// What a target looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "Kept", try_from = "Kept")]
pub struct Schema {
    form: Form,
    things: Things,
}

impl Schema {
    /// Puts it together from lines with the name of the thing that they are of.
    pub fn new(form: Form, lines: Vec<(String, String)>) -> Self {
        let mut things = Things::new();
        for (name, line) in lines {
            things.entry(name).or_default().insert(line);
        }
        Self { form, things }
    }

    /// The form that it has.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// How messages call a thing of it.
    fn called(&self, name: &str, lines: &BTreeSet<String>) -> String {
        match self.form {
            Form::Everything => name.to_owned(),
            Form::Tables if lines.iter().any(|line| line.starts_with("view ")) => {
                format!("view {name}")
            }
            Form::Tables => format!("table {name}"),
        }
    }
}

/// A schema in the journal.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Kept {
    Formed { form: u8, things: Things },
    Tables(Things),
}

impl From<Schema> for Kept {
    fn from(Schema { form, things }: Schema) -> Self {
        match form {
            Form::Tables => Self::Tables(things),
            Form::Everything => Self::Formed {
                form: Form::EVERYTHING,
                things,
            },
        }
    }
}

impl TryFrom<Kept> for Schema {
    type Error = String;

    fn try_from(kept: Kept) -> Result<Self, String> {
        match kept {
            Kept::Tables(things) => Ok(Self {
                form: Form::Tables,
                things,
            }),
            Kept::Formed { form, things } if form == Form::EVERYTHING => Ok(Self {
                form: Form::Everything,
                things,
            }),
            Kept::Formed { form, .. } => Err(format!("a schema of the form {form} is not known")),
        }
    }
}

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
        let of_tenant = format!("{OF_TENANT}{tenant}");
        let lines = schema.things.entry(of_tenant).or_default();
        lines.insert(format!("{digest} {table}"));
    }
    if tables.len() <= MOST_TABLES {
        return;
    }
    for (name, lines) in &mut schema.things {
        if name.starts_with(OF_TENANT) {
            let all: Vec<&str> = lines.iter().map(String::as_str).collect();
            let digest = hexadecimal(&Sha256::digest(all.join("\n")));
            *lines = BTreeSet::from([digest]);
        }
    }
}

/// Takes a tenant's schema, of this name, from what is kept.
pub fn remove_tenant(schema: &mut Schema, tenant: &str) {
    schema.things.remove(&format!("{OF_TENANT}{tenant}"));
}

/// Takes the tenants from a schema where there are none to compare them with: an earlier version did not keep them.
pub fn without_tenants_unless(schema: &mut Schema, kept: &Schema) {
    if !kept.things.keys().any(|name| name.starts_with(OF_TENANT)) {
        schema.things.retain(|name, _| !name.starts_with(OF_TENANT));
    }
}

/// The differences of a tenant's schema.
fn of_tenant(
    form: Form,
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
    let (one, many) = match form {
        Form::Tables => ("the table ", "the tables "),
        Form::Everything => ("", ""),
    };
    match (before == now, &*tables) {
        (true, _) => None,
        (false, []) => Some(format!("tenant's schema {tenant}: it has changed")),
        (false, [table]) => Some(format!(
            "tenant's schema {tenant}: {one}{table} has changed"
        )),
        (false, tables) => Some(format!(
            "tenant's schema {tenant}: {many}{} have changed",
            tables.join(", ")
        )),
    }
}

/// The names of the things in one of two schemas.
fn names<'s>(before: &'s Schema, now: &'s Schema) -> Vec<&'s String> {
    let names = before.things.keys().chain(now.things.keys());
    let names: BTreeSet<&String> = names.collect();
    names.into_iter().collect()
}

/// The differences between two schemas of one form, a line a thing.
pub fn differences(before: &Schema, now: &Schema) -> Vec<String> {
    names(before, now)
        .into_iter()
        .filter_map(
            |name| match (before.things.get(name), now.things.get(name)) {
                (before, now_of_it) if name.starts_with(OF_TENANT) => {
                    let tenant = name.trim_start_matches(OF_TENANT);
                    of_tenant(now.form, tenant, before, now_of_it)
                }
                (None, lines) => {
                    let lines = lines.cloned().unwrap_or_default();
                    Some(format!("{} is new", now.called(name, &lines)))
                }
                (Some(lines), None) => Some(format!("{} is gone", before.called(name, lines))),
                (Some(was), Some(is)) => {
                    let changes = changes(was, is);
                    let called = now.called(name, is);
                    (!changes.is_empty()).then(|| format!("{called}: {}", changes.join("; ")))
                }
            },
        )
        .collect()
}

/// What was and is of the things that differ, line by line: with `-` what is gone, with `+` what is new.
pub fn changed_lines(before: &Schema, now: &Schema) -> Vec<String> {
    let nothing = BTreeSet::new();
    let mut lines = Vec::new();
    for name in names(before, now) {
        let (was, is) = (before.things.get(name), now.things.get(name));
        let (old, new) = (was.unwrap_or(&nothing), is.unwrap_or(&nothing));
        if was.is_some() == is.is_some() && old == new {
            continue;
        }
        let what = match name.strip_prefix(OF_TENANT) {
            Some(tenant) => format!("tenant's schema {tenant}"),
            None => now.called(name, is.or(was).unwrap_or(&nothing)),
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
