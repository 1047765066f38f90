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
    /// What keeps it from being undone in the manner that it asks for: it runs, and a reset of it is refused.
    pub(super) bars_reset: Option<Refused>,
}

/// A statement that never runs, found in a step's text.
pub(super) struct Refused {
    /// The phase whose statement it is.
    pub(super) phase: Phase,
    /// The file in which it stands, where that is not the step's own.
    file_name: Option<String>,
    /// The line of the file on which the section begins.
    first_line: usize,
    error: ScriptError,
}

impl Refused {
    /// What it is told as before anything runs.
    pub(super) fn into_failure(self) -> Failure {
        let failure = Failure::from_script(self.error, self.first_line, None);
        failure.in_file(self.file_name.as_deref())
    }

    /// What it is told as to somebody who only looks.
    pub(super) fn into_error(self, file: &StepFile) -> catalog::Error {
        catalog::Error::Sql {
            label: self.file_name.unwrap_or_else(|| file.file_name.clone()),
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

/// What is said of a step whose undoing has statements that refuse a transaction, among others that need none.
const UNDONE_BOTH_WAYS: &str =
    "a part of what undoes it refuses a transaction, and the rest runs in one";

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
            label: section
                .file_name
                .clone()
                .unwrap_or_else(|| file.file_name.clone()),
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
    let (mut bars_reset, mut is_undone_outside) = (None, false);
    let (does_nothing, mut transactional) = (remark.is_some(), step.transactional);
    for (phase, section) in [
        (Phase::Migrate, &step.migrate),
        (Phase::Finalize, &step.finalize),
        (Phase::Reset, &step.reset),
    ] {
        let Some(section) = section else { continue };
        let mut fits = true;
        let mut decide = |need: TransactionNeed| {
            if phase == Phase::Reset {
                fits = need == TransactionNeed::Fits;
                is_undone_outside = match need {
                    TransactionNeed::Refuses => true,
                    TransactionNeed::Mixed => {
                        !has_one_writer && (step.is_undone_outside || !transactional)
                    }
                    TransactionNeed::Fits => !has_one_writer && step.is_undone_outside,
                };
                return !is_undone_outside;
            }
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
        if let Err(mut error) = database.judge(&text, &mut decide) {
            let is_of_reset_alone = phase == Phase::Reset && (!fits || is_undone_outside);
            if is_of_reset_alone && !is_undone_outside {
                error.error.message =
                    format!("{UNDONE_BOTH_WAYS}: {}", undone_otherwise(has_one_writer));
            }
            let refused = match is_of_reset_alone {
                true => &mut bars_reset,
                false => &mut refusal,
            };
            refused.get_or_insert(Refused {
                phase,
                file_name: section.file_name.clone(),
                first_line: section.first_line,
                error,
            });
        }
    }
    step.transactional = transactional;
    step.is_undone_outside = is_undone_outside;
    Ok(PlacedStep {
        step,
        remark,
        refusal,
        bars_reset,
    })
}

/// What helps a step that cannot be undone as it is written.
fn undone_otherwise(has_one_writer: bool) -> &'static str {
    match has_one_writer {
        true => "take VACUUM and pragmas of that kind out of it",
        false => {
            "write it without CONCURRENTLY, or let it run outside a transaction, by `-- wasmigrate:no-transaction` at the top \
             of the step's file or of the one that undoes it"
        }
    }
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
