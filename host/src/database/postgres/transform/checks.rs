//! Checks that no required value is missing.
//!
//! The server takes a check that it has found to hold for a proof, and need not read the table through for `SET NOT NULL`
//! (<https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL>); and it finds that
//! out beside the application.

use crate::database::transform::TransformedTable;
use crate::database::{Result, Session, Value, quote};

/// A default that is longer makes each row of the application that much longer.
const LONGEST_DEFAULT: usize = 100;

/// A default for each required column, as words of SQL; none where one of them cannot have one.
pub(super) async fn defaults(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<Option<Vec<String>>> {
    let mut defaults = Vec::new();
    for name in table.required() {
        if table.has_fields(name) {
            // The check looks at the fields, and the demand that follows it does not.
            return Ok(None);
        }
        let bound = session.rows(&is_bound(table, name), &[name.into()]).await?;
        if !bound.is_empty() {
            return Ok(None);
        }
        let found = session.rows(&some_value(table, name), &[]).await?;
        let found = found.first().and_then(|row| row.first());
        match found.map(Value::as_text) {
            Some(Some(default)) => defaults.push(default.to_owned()),
            _ => return Ok(None),
        }
    }
    Ok(Some(defaults).filter(|defaults| !defaults.is_empty()))
}

/// Demands values where there must be some: all at once, so that the table is read through once at most; and before the proof
/// is taken away.
pub(super) fn demand_values(table: &TransformedTable) -> Vec<String> {
    let alter = format!("ALTER TABLE {}", table.name);
    let set_not_null: Vec<String> = table
        .required()
        .map(|name| format!("ALTER COLUMN {} SET NOT NULL", quote(name)))
        .collect();
    let mut statements = Vec::new();
    if !set_not_null.is_empty() {
        statements.push(format!("{alter} {}", set_not_null.join(", ")));
    }
    // From all columns, because another component may have demanded others.
    let remove: Vec<String> = table
        .derived
        .iter()
        .flat_map(|column| {
            [
                format!(
                    "DROP CONSTRAINT IF EXISTS {}",
                    check_of(table, &column.name)
                ),
                format!("ALTER COLUMN {} DROP DEFAULT", quote(&column.name)),
            ]
        })
        .collect();
    statements.push(format!("{alter} {}", remove.join(", ")));
    statements
}

/// What the check is called that a column has a value.
fn check_of(table: &TransformedTable, name: &str) -> String {
    let place = table.derived.iter().position(|column| column.name == name);
    // No longer than a name may be, whatever the column is called.
    format!("capture_of_step_{}_{}", table.index, place.unwrap_or(0))
}

/// Adds defaults and checks, which hold for what is written from now on.
pub(super) fn add(table: &TransformedTable, defaults: &[String]) -> String {
    let checks = table.required().zip(defaults).map(|(name, default)| {
        let (check, column) = (check_of(table, name), quote(name));
        format!(
            "DROP CONSTRAINT IF EXISTS {check}, ALTER COLUMN {column} SET DEFAULT {default}, \
             ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"
        )
    });
    let checks: Vec<String> = checks.collect();
    format!("ALTER TABLE {} {}", table.name, checks.join(", "))
}

/// Lets the server find out that the checks hold for all rows.
pub(super) fn validate(table: &TransformedTable) -> String {
    let validate = table
        .required()
        .map(|name| format!("VALIDATE CONSTRAINT {}", check_of(table, name)));
    let validate: Vec<String> = validate.collect();
    format!("ALTER TABLE {} {}", table.name, validate.join(", "))
}

/// Something that two rows with the same value would break, or that a default could: rows for a column `$1` that has one.
fn is_bound(table: &TransformedTable, name: &str) -> String {
    let check = check_of(table, name);
    let table = table.name.replace('\'', "''");
    format!(
        "SELECT 1 FROM pg_catalog.pg_attribute AS field
         WHERE field.attrelid = '{table}'::pg_catalog.regclass AND field.attname = $1 AND (
           EXISTS (SELECT 1 FROM pg_catalog.pg_index AS index WHERE index.indrelid = field.attrelid
             AND (index.indisunique OR index.indisexclusion)
             AND (field.attnum = ANY (index.indkey) OR index.indexprs IS NOT NULL OR index.indpred IS NOT NULL))
           OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint AS bound WHERE bound.conrelid = field.attrelid
             AND field.attnum = ANY (bound.conkey) AND bound.conname <> '{check}'))"
    )
}

/// Some value that a column has, as words of SQL.
fn some_value(table: &TransformedTable, name: &str) -> String {
    let column = quote(name);
    format!(
        "SELECT pg_catalog.quote_literal({column}::pg_catalog.text) FROM {}
         WHERE pg_catalog.octet_length({column}::pg_catalog.text) <= {LONGEST_DEFAULT} LIMIT 1",
        table.name
    )
}
