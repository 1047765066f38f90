//! Foreign keys are not enforced while a step runs, but checked before it commits.
//!
//! With enforcement on, dropping or rebuilding a table inside a transaction cascades into its child tables and wipes
//! their rows without a word; and the switch is ignored inside a transaction. So the host switches enforcement off before
//! `BEGIN` and shows, with `PRAGMA foreign_key_check`, that a step left no violation that was not there before.
//! <https://www.sqlite.org/lang_altertable.html#otheralter>

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::super::{Error, ErrorKind};
use super::guard::Touched;
use super::pragmas;
use crate::output::counted;

/// How many violations a message lists.
const LISTED: usize = 10;

/// One violated reference: table, rowid (none for a table without), parent table.
type Violation = (String, Option<i64>, String);

/// Which table refers to which, as far as it is known; read from the schema anew only when somebody else changed it.
#[derive(Debug, Default)]
pub(super) struct ForeignKeys {
    known: Option<Known>,
    /// Whether the next violations may stay.
    tolerates: bool,
    /// Those of this transaction that may.
    tolerated: BTreeMap<Violation, u64>,
}

#[derive(Debug)]
struct Known {
    /// The version of the schema that it was read from.
    version: i64,
    /// The parents of each table with foreign keys.
    references: BTreeMap<String, BTreeSet<String>>,
    /// What virtual tables write to is not seen: they prepare their statements when they like. The tables that they keep their
    /// content in are called as they are, with more after an underscore.
    virtual_tables: Vec<String>,
}

impl ForeignKeys {
    /// Finds the violations in `connection`, with its open transaction, that the state `before` it does not have. Looks
    /// only at tables that what was touched can have broken. Returns how many may stay.
    pub(super) fn check(
        &mut self,
        connection: &Connection,
        before: impl FnOnce() -> rusqlite::Result<Connection>,
        touched: &Touched,
    ) -> Result<usize, Error> {
        let translate = super::errors::translate;
        let tolerates = std::mem::take(&mut self.tolerates);
        if touched.tables.is_empty() && !touched.shape {
            return Ok(0);
        }
        let tables = self
            .tables_to_check(connection, touched)
            .map_err(translate)?;
        let mut now = BTreeMap::new();
        for table in &tables {
            count_violations(connection, table, &mut now).map_err(translate)?;
        }
        if now.is_empty() {
            return Ok(0);
        }
        // Rare: there are violations. Those that the database had before the transaction are not the step's.
        let before = before().map_err(translate)?;
        let mut known = BTreeMap::new();
        for table in &tables {
            count_violations(&before, table, &mut known).map_err(translate)?;
        }
        let is_known = |violation: &Violation, count: &u64| {
            let before = [known.get(violation), self.tolerated.get(violation)];
            before.into_iter().flatten().any(|before| before >= count)
        };
        let new: Vec<&Violation> = now
            .iter()
            .filter(|(violation, count)| !is_known(violation, count))
            .map(|(violation, _)| violation)
            .collect();
        let count = new.len();
        match new.first() {
            Some(first) if !tolerates => Err(violated(&first.0, &new)),
            _ => {
                self.tolerated = now;
                Ok(count)
            }
        }
    }

    /// Lets the script that runs next leave violations, in this transaction.
    pub(super) fn tolerate(&mut self) {
        self.tolerates = true;
    }

    /// A transaction begins, in which nothing is tolerated yet.
    pub(super) fn begin(&mut self) {
        self.tolerates = false;
        self.tolerated.clear();
    }

    /// Forgets what is known: the transaction that it was learned in was rolled back.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// The version of the schema that is known.
    pub(super) fn schema_version(&self) -> Option<i64> {
        self.known.as_ref().map(|known| known.version)
    }

    /// The tables with foreign keys whose references may have been broken.
    fn tables_to_check(
        &mut self,
        connection: &Connection,
        touched: &Touched,
    ) -> rusqlite::Result<Vec<String>> {
        let version = schema_version(connection)?;
        let known = match self.known.take() {
            Some(known) if !touched.shape && known.version == version => known,
            // Only this transaction changed the schema, and only by making tables that it names.
            Some(mut known) if !touched.shape => {
                for table in &touched.tables {
                    known
                        .references
                        .extend(references_of(connection, Some(table))?);
                }
                Known {
                    version,
                    virtual_tables: virtual_tables(connection)?,
                    ..known
                }
            }
            _ => Known {
                version,
                references: references_of(connection, None)?,
                virtual_tables: virtual_tables(connection)?,
            },
        };
        let is_touched = |name: &str| {
            let mut tables = touched.tables.iter();
            tables.any(|table| table.eq_ignore_ascii_case(name))
        };
        let keeps = |table: &&String, name: &str| {
            let rest = name.get(table.len()..).unwrap_or_default();
            let begin = name.get(..table.len()).unwrap_or_default();
            rest.starts_with('_') && begin.eq_ignore_ascii_case(table)
        };
        let concerned = |name: &String| {
            let mut tables = known.virtual_tables.iter();
            is_touched(name) || tables.any(|table| keeps(&table, name) && is_touched(table))
        };
        let tables = known
            .references
            .iter()
            .filter(|(child, parents)| {
                touched.shape || concerned(child) || parents.iter().any(concerned)
            })
            .map(|(child, _)| child.clone())
            .collect();
        self.known = Some(known);
        Ok(tables)
    }
}

/// The version of the schema, which every change of it raises.
pub(super) fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("PRAGMA main.schema_version")?
        .query_row([], |row| row.get(0))
}

fn virtual_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND sql LIKE 'create virtual%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The parents of one table, or of every table that has any.
fn references_of(
    connection: &Connection,
    table: Option<&str>,
) -> rusqlite::Result<BTreeMap<String, BTreeSet<String>>> {
    let children: Vec<String> = connection
        .prepare_cached(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND (?1 IS NULL OR name = ?1)
             AND sql LIKE '%references%'",
        )?
        .query_map([table], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut references = BTreeMap::new();
    for child in children {
        let parents: BTreeSet<String> = connection
            .prepare(&pragmas::statement("foreign_key_list", &child))?
            .query_map([], |row| row.get(2))?
            .collect::<rusqlite::Result<_>>()?;
        if !parents.is_empty() {
            references.insert(child, parents);
        }
    }
    Ok(references)
}

fn violated(table: &str, violations: &[&Violation]) -> Error {
    let mut listed: Vec<String> = violations
        .iter()
        .take(LISTED)
        .map(|(table, rowid, parent)| match rowid {
            Some(rowid) => format!("`{table}` rowid {rowid} → `{parent}`"),
            None => format!("`{table}` → `{parent}`"),
        })
        .collect();
    if violations.len() > LISTED {
        listed.push(format!("and {} more", violations.len() - LISTED));
    }
    Error {
        code: "SQLITE_CONSTRAINT_FOREIGNKEY".to_owned(),
        table: Some(table.to_owned()),
        hint: Some(
            "delete or change the child rows in the step: foreign keys do not cascade while it runs, unless its file says `PRAGMA \
             foreign_keys = ON` first; a dump that begins with `PRAGMA foreign_keys=OFF; BEGIN TRANSACTION;` may leave such rows"
                .to_owned(),
        ),
        ..Error::new(
            ErrorKind::Constraint,
            format!(
                "the step leaves {} without the parent that a foreign key demands: {}",
                counted(violations.len(), "row", "rows"),
                listed.join(", ")
            ),
        )
    }
}

fn count_violations(
    connection: &Connection,
    table: &str,
    violations: &mut BTreeMap<Violation, u64>,
) -> rusqlite::Result<()> {
    let exists: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE)",
        [table],
        |row| row.get(0),
    )?;
    if !exists {
        return Ok(());
    }
    let mut statement = connection.prepare(&pragmas::statement("foreign_key_check", table))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        *violations
            .entry((row.get(0)?, row.get(1)?, row.get(2)?))
            .or_default() += 1;
    }
    Ok(())
}
