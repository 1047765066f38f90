//! Steps in SQL, and whether they run in a transaction on this database.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Failure, Options};
use crate::catalog::{self, SqlStep, StepFile};
use crate::database::{Capabilities, Database, ScriptError, TransactionNeed, Values, substitute};
use crate::journal::Phase;
use crate::output::without_secrets;

/// A step in SQL as it runs on a database.
pub(super) struct PlacedStep {
    pub(super) step: SqlStep,
    /// What is said when it does nothing, or runs otherwise than its file says.
    pub(super) remark: Option<&'static str>,
    /// What keeps it from ever running, and in which phase.
    pub(super) refusal: Option<Refused>,
}

/// A statement that never runs, found in a step's text.
pub(super) struct Refused {
    /// The phase whose statement it is.
    pub(super) phase: Phase,
    /// The line of the file on which the section begins.
    first_line: usize,
    error: ScriptError,
}

impl Refused {
    /// What it is told as before anything runs.
    pub(super) fn into_failure(self) -> Failure {
        Failure::from_script(self.error, self.first_line, None)
    }

    /// What it is told as to somebody who only looks.
    pub(super) fn into_error(self, file: &StepFile) -> catalog::Error {
        catalog::Error::Sql {
            label: file.file_name.clone(),
            line: self.first_line - 1 + self.error.line,
            why: self.error.error.message,
        }
    }
}

/// What stands for the schema of a tenant where nobody knows whose it will be.
const A_TENANT: &str = "a";

const BY_ITSELF: &str = "runs outside a transaction: each of its statements refuses to run in one";

const NO_NEED: &str = "runs in a transaction, although it asks for none: none of its statements refuses to run in one, and \
     where there is one writer the others gain nothing";

const NOTHING: &str = "does nothing: no statement is in its file, outside of what undoes it";

/// Parts of the names of values that nobody writes down.
const SECRET: [&str; 13] = [
    "auth",
    "bearer",
    "connection",
    "cookie",
    "credential",
    "dsn",
    "key",
    "login",
    "pass",
    "private",
    "pwd",
    "secret",
    "token",
];

/// Puts the operator's values into a step, and notes them.
fn put_values_into(
    step: &mut SqlStep,
    options: &Options,
    file: &StepFile,
    database: &dyn Database,
) -> Result<(), catalog::Error> {
    let capabilities = database.capabilities();
    let tenancy = options.tenancy.as_ref();
    let values = Values {
        values: &options.settings,
        other: tenancy.map_or("", |tenancy| &tenancy.sources.placeholder),
        line_ends: capabilities.line_ends,
        strings_may_escape: capabilities.strings_may_escape,
        has_standard_strings: database.has_standard_strings(),
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
        put_values_into(&mut step, options, file, database)?;
    }
    let has_one_writer = database.capabilities().has_one_writer();
    let (mut remark, mut refusal) = (step.does_nothing().then_some(NOTHING), None);
    let (does_nothing, mut transactional) = (remark.is_some(), step.transactional);
    for (phase, section) in [
        (Phase::Migrate, &step.migrate),
        (Phase::Finalize, &step.finalize),
        (Phase::Reset, &step.reset),
    ] {
        let Some(section) = section else { continue };
        let mut decide = |need: TransactionNeed| {
            if phase != Phase::Migrate {
                return true;
            }
            if !does_nothing {
                remark = match (transactional, need) {
                    (true, TransactionNeed::Refuses) => Some(BY_ITSELF),
                    (false, TransactionNeed::Fits) if has_one_writer => Some(NO_NEED),
                    _ => None,
                };
                transactional ^= remark.is_some();
            }
            transactional
        };
        let text = for_any_tenant(&section.text, options, &database.capabilities());
        if let Err(error) = database.judge(&text, &mut decide) {
            refusal.get_or_insert(Refused {
                phase,
                first_line: section.first_line,
                error,
            });
        }
    }
    step.transactional = transactional;
    Ok(PlacedStep {
        step,
        remark,
        refusal,
    })
}

/// A text with a name where that of a tenant's schema will be.
fn for_any_tenant<'t>(
    text: &'t str,
    options: &Options,
    capabilities: &Capabilities,
) -> Cow<'t, str> {
    let placeholder = options
        .tenancy
        .as_ref()
        .map_or("", |tenancy| tenancy.sources.placeholder.as_str());
    let line_ends = capabilities.line_ends;
    substitute(text, line_ends, placeholder, A_TENANT, A_TENANT, A_TENANT)
}
