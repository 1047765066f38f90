//! Steps in SQL, and whether they run in a transaction on this database.

use std::collections::BTreeSet;

use super::Options;
use crate::catalog::{self, SqlStep, StepFile};
use crate::database::{Capabilities, Database, TransactionNeed, Values};
use crate::output::without_secrets;

/// A step in SQL as it runs on a database.
pub(super) struct PlacedStep {
    pub(super) step: SqlStep,
    /// What is said when it does nothing, or runs otherwise than its file says.
    pub(super) remark: Option<&'static str>,
}

const BY_ITSELF: &str = "runs outside a transaction: each of its statements refuses to run in one";

const NO_NEED: &str = "runs in a transaction, although it asks for none: none of its statements refuses to run in one, and \
     where there is one writer the others gain nothing";

const NOTHING: &str = "does nothing: no statement is in its file, outside of what undoes it";

/// Parts of the names of values that nobody writes down.
const SECRET: [&str; 6] = ["credential", "key", "pass", "private", "secret", "token"];

/// Puts the operator's values into a step, and notes them.
fn put_values_into(
    step: &mut SqlStep,
    options: &Options,
    file: &StepFile,
    capabilities: &Capabilities,
) -> Result<(), catalog::Error> {
    let tenancy = options.tenancy.as_ref();
    let values = Values {
        values: &options.settings,
        other: tenancy.map_or("", |tenancy| &tenancy.sources.placeholder),
        line_ends: capabilities.line_ends,
        strings_may_escape: capabilities.strings_may_escape,
    };
    let mut used = BTreeSet::new();
    let sections = [&mut step.migrate, &mut step.finalize, &mut step.reset];
    for section in sections.into_iter().flatten() {
        let put = values.put_into(&section.text, &mut used);
        section.text = put.map_err(|error| catalog::Error::Sql {
            label: file.file_name.clone(),
            line: section.first_line + error.line - 1,
            why: error.why,
        })?;
    }
    let notes = used.iter().map(|name| {
        let lower = name.to_lowercase();
        match options.settings.get(name) {
            Some(value) if !SECRET.iter().any(|part| lower.contains(part)) => {
                format!("${{{name}}} is {}", without_secrets(value))
            }
            _ => format!("${{{name}}} is a value that is not written down"),
        }
    });
    step.notes = notes.collect();
    Ok(())
}

/// Takes a file apart, and decides whether its `migrate` runs in a transaction.
pub(super) fn read(
    database: &dyn Database,
    options: &Options,
    file: &StepFile,
    bytes: &[u8],
) -> Result<PlacedStep, catalog::Error> {
    let mut step = SqlStep::of(file, bytes)?;
    if options.placeholders || step.placeholders {
        put_values_into(&mut step, options, file, &database.capabilities())?;
    }
    if step.does_nothing() {
        let remark = Some(NOTHING);
        return Ok(PlacedStep { step, remark });
    }
    let text = step.migrate.as_ref().map_or("", |section| &section.text);
    let has_one_writer = database.capabilities().has_one_writer();
    let remark = match (step.transactional, database.transaction_need(text)) {
        (true, TransactionNeed::Refuses) => Some(BY_ITSELF),
        (false, TransactionNeed::Fits) if has_one_writer => Some(NO_NEED),
        _ => None,
    };
    step.transactional ^= remark.is_some();
    Ok(PlacedStep { step, remark })
}
