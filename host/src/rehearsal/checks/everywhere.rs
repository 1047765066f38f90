//! Same everywhere: SQLite and PostgreSQL give results that mean the same.

use super::super::Error;
use super::super::declarations::Declarations;
use super::super::report::{Finding, Part};
use super::super::snapshot::{Words, differences, logical};
use super::super::trial::Trial;
use super::{Case, told};

const WORDS: Words = Words {
    extra: "is there on PostgreSQL only",
    missing: "is there on SQLite only",
};

/// Compares two places that differ in the database alone.
pub(in crate::rehearsal) fn check(
    (sqlite, on_sqlite): (&Case, &Trial<'_>),
    (postgres, on_postgres): (&Case, &Trial<'_>),
    declarations: &Declarations,
) -> Result<Part, Error> {
    let mut part = Part {
        tried: 1,
        ..Part::default()
    };
    let (one, other) = (
        &sqlite.undisturbed.finalized,
        &postgres.undisturbed.finalized,
    );
    let mut different = differences(&logical(one), &logical(other), WORDS);
    for (name, table) in &one.tables {
        let Some(same) = other.tables.get(name) else {
            continue;
        };
        for (columns, others, words) in [
            (&table.columns, &same.columns, WORDS.missing),
            (&same.columns, &table.columns, WORDS.extra),
        ] {
            for column in columns.iter().filter(|column| !others.contains(column)) {
                different.push(super::super::snapshot::Difference {
                    subject: format!("{name}.{column}"),
                    table: name.clone(),
                    text: format!("the column {name}.{column} {words}"),
                });
            }
        }
    }
    sqlite.except_incomparable(on_sqlite, declarations, &mut different)?;
    postgres.except_incomparable(on_postgres, declarations, &mut different)?;
    if !different.is_empty() {
        part.findings.push(Finding {
            place: sqlite.fixture.name.clone(),
            message: format!("PostgreSQL does not give what SQLite gives: {}", told(&different)),
            details: Vec::new(),
            advice: "the two differ in how they compare and sort texts, divide, round, and convert types: compute it in the \
                     component, or write what both understand the same"
                .to_owned(),
        });
    }
    Ok(part)
}
