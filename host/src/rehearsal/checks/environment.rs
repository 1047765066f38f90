//! Environment: the result does not depend on the time zone, on how dates are written, or on how the server comes to its rows.

use std::time::Instant;

use super::super::declarations::Declarations;
use super::super::report::{Finding, Part};
use super::super::snapshot::{Words, differences};
use super::super::trial::{Trial, snapshot};
use super::super::{Error, milliseconds};
use super::in_turn::Turned;
use super::otherwise::elsewhere;
use super::{Case, told};
use crate::database::Elsewhere;
use crate::engine::Command;

const WORDS: Words = Words {
    extra: "is there only then",
    missing: "is missing then",
};

/// What is tried, in words, and what to do about it.
const TRIED: [(Elsewhere, &str, &str); 3] = [
    (
        Elsewhere::TimeZone,
        "in another time zone",
        "say which zone is meant where a time gets or loses one: `at AT TIME ZONE 'UTC'`",
    ),
    (
        Elsewhere::Forms,
        "where dates and intervals are written in another form",
        "no text of a date is the same everywhere: use to_char and to_date with a form of their own, or DATE '2024-02-29'",
    ),
    (
        Elsewhere::Plans,
        "where the server joins and groups in another way",
        "several rows are candidates for one place, or their order is left open: say which one counts (`ORDER BY` with a unique \
         column at its end, DISTINCT ON, min, max)",
    ),
];

/// Tries one place, unless all was tried in turn.
pub(super) fn check(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    turned: &Turned,
) -> Result<Part, Error> {
    let began = Instant::now();
    let mut part = Part {
        tried: usize::from(case.base.has_environment()),
        ..Part::default()
    };
    let differences = elsewhere(trial.step.kind);
    let attempt = Attempt {
        trial,
        case,
        declarations,
    };
    if part.tried > 0 && !turned.is_steady && attempt.run(&differences)?.is_some() {
        for (elsewhere, what, advice) in TRIED {
            if !differences.contains(&elsewhere) {
                continue;
            }
            if let Some(text) = attempt.run(&[elsewhere])? {
                part.findings.push(Finding {
                    place: case.place(),
                    message: format!("{what} {text}"),
                    details: Vec::new(),
                    advice: advice.to_owned(),
                });
            }
        }
    }
    part.milliseconds = milliseconds(began.elapsed());
    Ok(part)
}

struct Attempt<'a> {
    trial: &'a Trial<'a>,
    case: &'a Case,
    declarations: &'a Declarations,
}

impl Attempt<'_> {
    /// What is not the same elsewhere.
    fn run(&self, elsewhere: &[Elsewhere]) -> Result<Option<String>, Error> {
        let copy = self.case.base.copy()?;
        if let Err(stumble) = self.trial.run(copy.elsewhere(elsewhere), Command::Finalize) {
            return Ok(Some(format!("it fails: {}", stumble.message)));
        }
        let found = snapshot(&*copy.database())?;
        let mut different = differences(&self.case.undisturbed.finalized, &found, WORDS);
        (self.case).except_incomparable(self.trial, self.declarations, &mut different)?;
        Ok((!different.is_empty()).then(|| format!("the result is another: {}", told(&different))))
    }
}
