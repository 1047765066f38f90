//! What to say about the pending steps before they run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::irreversible::ONE_BY_ONE;
use super::overview;
use super::{Engine, RunError, sql_step, tenants};
use crate::catalog::{Digests, StepFile, StepKind};
use crate::database::{Advice, Stop, substitute};
use crate::journal::Phase;

/// What to say about one statement of a pending step.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepAdvice {
    /// The step, as `NNNN_name`.
    pub step: String,
    /// When the statement runs.
    pub phase: Phase,
    /// The statement, with its line in the step's file.
    #[serde(flatten)]
    pub advice: Advice,
}

impl StepAdvice {
    /// The danger and where it is, in one line.
    pub fn danger(&self) -> String {
        if self.advice.is_remark {
            return format!("{} {}", self.step, self.advice.danger);
        }
        format!(
            "{}, line {}: {}",
            self.step, self.advice.line, self.advice.danger
        )
    }
}

/// Stands for a tenant's schema while a statement is looked at, where the placeholder would be no name.
const STAND_IN: &str = "wasmigrate_schema_of_a_tenant";

impl Engine {
    /// What to say about the statements of pending SQL steps; what components will run nobody can tell.
    pub async fn advice(&self) -> Result<Vec<StepAdvice>, RunError> {
        if let Some(tenancy) = &self.options.tenancy {
            return self.advice_on(tenants::pending(self, tenancy).await?.iter());
        }
        let catalog = self.catalog()?;
        let snapshot = self.snapshot(&Stop::default()).await?;
        self.advice_on(overview::pending(&catalog, &snapshot))
    }

    /// Refuses a run of files that there is something to say about, when the operator wants that.
    pub(super) fn refuse_dangers_of<'f>(
        &self,
        files: impl Iterator<Item = &'f StepFile>,
    ) -> Result<(), RunError> {
        if !self.options.strict {
            return Ok(());
        }
        let mut advice = self.advice_on(files)?;
        advice.retain(|advice| !advice.advice.is_remark);
        if advice.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = advice
            .iter()
            .map(|advice| format!("{}; {}", advice.danger(), advice.advice.recipe))
            .collect();
        Err(RunError::Refused(format!(
            "{}\nnothing was changed; leave out `--strict` to run it all the same",
            told.join("\n")
        )))
    }

    fn advice_on<'f>(
        &self,
        files: impl Iterator<Item = &'f StepFile>,
    ) -> Result<Vec<StepAdvice>, RunError> {
        let tenancy = self.options.tenancy.as_ref();
        let placeholder = tenancy.map_or("", |tenancy| tenancy.sources.placeholder.as_str());
        let as_written = |text: &str| text.replace(STAND_IN, placeholder);
        let mut made = BTreeSet::new();
        let mut all = Vec::new();
        for file in files.filter(|file| file.kind == StepKind::Sql) {
            let (bytes, _) = Digests::forgetful().read(file).map_err(RunError::files)?;
            let read = sql_step::read(&*self.database, &self.options, file, &bytes)
                .map_err(RunError::files)?;
            if let Some(refusal) = read.refusal {
                return Err(RunError::files(refusal.into_error(file)));
            }
            let step = read.step;
            let remark = |phase, danger| StepAdvice {
                step: file.label(),
                phase,
                advice: Advice {
                    line: 1,
                    statement: String::new(),
                    danger,
                    recipe: String::new(),
                    is_remark: true,
                },
            };
            all.extend(read.remark.map(|it| remark(Phase::Migrate, it.to_owned())));
            if tenancy.is_some() && step.is_undone_outside {
                all.push(remark(
                    Phase::Reset,
                    format!("cannot be reset as it is: {ONE_BY_ONE}"),
                ));
            }
            all.extend(read.bars_reset.map(|refused| {
                let why = refused.into_error(file);
                remark(Phase::Reset, format!("cannot be reset as it is: {why}"))
            }));
            for (phase, section) in [
                (Phase::Migrate, &step.migrate),
                (Phase::Finalize, &step.finalize),
            ] {
                let Some(section) = section else { continue };
                let is_finalize = phase == Phase::Finalize;
                let text = substitute(
                    &section.text,
                    self.database.capabilities().line_ends,
                    placeholder,
                    STAND_IN,
                    STAND_IN,
                    STAND_IN,
                );
                for mut advice in self.database.advise(&text, is_finalize, &mut made) {
                    advice.line += section.first_line - 1;
                    advice.statement = as_written(&advice.statement);
                    advice.danger = as_written(&advice.danger);
                    all.push(StepAdvice {
                        step: file.label(),
                        phase,
                        advice,
                    });
                }
            }
        }
        Ok(all)
    }
}
