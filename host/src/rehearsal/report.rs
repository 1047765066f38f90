//! What was found out, check by check.

use serde::Serialize;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The step runs, and does what is expected.
    Applies,
    /// A crash at any moment changes nothing of the result.
    Crashes,
    /// Reset brings back what was before.
    Reset,
    /// Neither the order of rows, nor the size of batches, nor time or chance change the result.
    Deterministic,
    /// Every database gives the same result.
    Everywhere,
    /// Rows at the edges of what the schema allows are dealt with.
    Generated,
    /// The step does no more than it may.
    Confined,
    /// Neither time zone, nor forms of dates, nor plans change the result.
    Environment,
    /// An owner of the database who is no superuser may do all that the step does.
    Role,
    /// The application goes on while the step is under way, and after it.
    Inserts,
    /// Nothing of the schema is taken along without being named.
    Collateral,
    /// A baseline comes to the same as the steps that it stands for.
    Baseline,
    /// The step was tried on real data.
    Against,
}

impl Check {
    /// Its name, as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applies => "applies",
            Self::Crashes => "survives crashes",
            Self::Reset => "reset undoes",
            Self::Deterministic => "deterministic",
            Self::Everywhere => "same everywhere",
            Self::Generated => "generated data",
            Self::Confined => "confined",
            Self::Environment => "environment",
            Self::Role => "role",
            Self::Inserts => "inserts",
            Self::Collateral => "collateral",
            Self::Baseline => "same as steps",
            Self::Against => "on real data",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing was found.
    Passed,
    /// Something was found.
    Failed,
    /// There was nothing to check.
    Skipped,
}

/// Something that is wrong with a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// On which database, with which fixture.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What else is known of it, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What the author can do.
    pub advice: String,
}

/// One check of one step.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// What was checked.
    pub check: Check,
    /// How it ended.
    pub verdict: Verdict,
    /// What was done, in one line.
    pub summary: String,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the author should know although it is not wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How much time it took, in milliseconds, all places together.
    pub milliseconds: u64,
}

/// All checks of one step.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// The step, as `NNNN_name`.
    pub step: String,
    /// Its checks, in their order.
    pub checks: Vec<CheckReport>,
}

impl StepReport {
    /// One of its checks.
    pub fn check(&self, check: Check) -> Option<&CheckReport> {
        self.checks.iter().find(|report| report.check == check)
    }
}

/// What was found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The steps that were tried, in order.
    pub steps: Vec<StepReport>,
    /// What generated rows were made from; the same seed makes the same rows.
    pub seed: u64,
    /// How much time it took, in milliseconds.
    pub milliseconds: u64,
}

impl Report {
    /// Whether no check of any step failed.
    pub fn has_passed(&self) -> bool {
        self.checks().all(|check| check.verdict != Verdict::Failed)
    }

    /// All checks of all steps.
    pub fn checks(&self) -> impl Iterator<Item = &CheckReport> {
        self.steps.iter().flat_map(|step| &step.checks)
    }

    /// Everything that is wrong, a line each: for the message of a test.
    pub fn complaints(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            for check in &step.checks {
                for finding in &check.findings {
                    text.push_str(&format!(
                        "{}, {}: {}: {}; {}\n",
                        step.step,
                        check.check.as_str(),
                        finding.place,
                        finding.message,
                        finding.advice
                    ));
                }
            }
        }
        text
    }
}

/// What a check did in one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) findings: Vec<Finding>,
    pub(super) notes: Vec<String>,
    /// Numbers that are added up over all places, for the summary.
    pub(super) tried: usize,
    pub(super) of: usize,
    pub(super) milliseconds: u64,
}

impl Part {
    /// Adds what the check did in another place.
    pub(super) fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self.tried += other.tried;
        self.of += other.of;
        self.milliseconds += other.milliseconds;
    }

    /// The check's report, with its summary.
    pub(super) fn report(self, check: Check, summary: String) -> CheckReport {
        CheckReport {
            check,
            verdict: match self.findings.is_empty() {
                true => Verdict::Passed,
                false => Verdict::Failed,
            },
            summary,
            findings: self.findings,
            notes: self.notes,
            milliseconds: self.milliseconds,
        }
    }
}

/// A check for which there was nothing to do.
pub(super) fn skipped(check: Check, why: impl Into<String>) -> CheckReport {
    CheckReport {
        check,
        verdict: Verdict::Skipped,
        summary: why.into(),
        findings: Vec::new(),
        notes: Vec::new(),
        milliseconds: 0,
    }
}
